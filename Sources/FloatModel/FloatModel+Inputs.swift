extension FloatModel {
    /// The pass over ids, one a position; see `forward(inputs:targets:visit:)`.
    public func forward(ids: [Int], visit: Probe = { _, _ in }) throws(FloatModelError) -> Activations {
        guard !takesBlocks else {
            throw .ids("The model reads blocks of \(blockSize) symbols, not ids; give the bytes of a text in blocks.")
        }
        return try forward(inputs: ids.map { [$0] }, visit: visit)
    }

    /// The rows of `forward`: after every position (S, V), or for every slot (S · C, 258), in double precision.
    ///
    /// - Throws: `FloatModelError.ids` if there are no ids, more than `contextMaximum`, or one outside the vocabulary.
    public func logits(ids: [Int]) throws(FloatModelError) -> [[Double]] {
        let logits = try forward(ids: ids)
        return (0..<logits.rows).map(logits.row)
    }

    /// The rows of `forward` for blocks of symbols: (S, V), or for every slot (S · C, 258).
    public func logits(blocks: [[Int]], targets: [[Int]]? = nil) throws(FloatModelError) -> [[Double]] {
        guard takesBlocks else { throw .ids("The model reads ids, not blocks of symbols; give the ids of its tokenizer.") }
        let logits = try forward(inputs: blocks, targets: targets)
        return (0..<logits.rows).map(logits.row)
    }

    /// Largest magnitudes and RMS of all intermediate results.
    public func probe(ids: [Int], into report: inout ProbeReport) throws(FloatModelError) {
        var record = report
        _ = try forward(ids: ids) { record.record($0, $1) }
        report = record
    }

    /// Largest magnitudes and RMS of all intermediate results, for ids or blocks.
    public func probe(inputs: [[Int]], targets: [[Int]]? = nil, into report: inout ProbeReport) throws(FloatModelError) {
        var record = report
        _ = try forward(inputs: inputs, targets: targets) { record.record($0, $1) }
        report = record
    }

    /// The likeliest block after a position, read off the logits (S · C, 258) of a byte head: in every slot the symbol with the
    /// greatest logit, of equals the least, and pads after the symbol that closes the block of a byte decoder.
    public func likeliestBlock(after position: Int, in logits: Activations) -> [Int] {
        var block: [Int] = []
        let closes = if case .byteDecoder = head { true } else { false }
        for slot in 0..<blockSize {
            let isClosed = closes && block.contains { $0 >= Self.padSymbol }
            block.append(isClosed ? Self.padSymbol : logits.row(position * blockSize + slot).indexOfGreatest)
        }
        return block
    }

    func check(_ inputs: [[Int]]) throws(FloatModelError) {
        guard !inputs.isEmpty else {
            throw .ids("There are no \(takesBlocks ? "blocks" : "ids") to feed; give at least one.")
        }
        guard inputs.count <= contextMaximum else {
            throw .ids("There are \(inputs.count) \(takesBlocks ? "blocks" : "ids") and the model has \(contextMaximum) positions; "
                + "give fewer.")
        }
        if takesBlocks { return try check(blocks: inputs, "Block") }
        for (index, input) in inputs.enumerated() {
            guard input.count == 1 else {
                throw .ids("Position \(index) of \(inputs.count) has \(input.count) ids and the model reads one; give one a position.")
            }
            guard (0..<vocabularySize).contains(input[0]) else {
                throw .ids("Id \(index) of \(inputs.count) is \(input[0]) and the vocabulary has \(vocabularySize); "
                    + "use the tokenizer that belongs to the model.")
            }
        }
    }

    func check(targets: [[Int]], positionCount: Int) throws(FloatModelError) {
        guard writesBlocks else {
            throw .ids("There are target blocks and the model writes ids, not blocks; give none.")
        }
        guard targets.count <= positionCount + 1 else {
            throw .ids("There are \(targets.count) target blocks for \(positionCount) positions; give at most one more than positions.")
        }
        try check(blocks: targets, "Target block")
    }

    private func check(blocks: [[Int]], _ name: String) throws(FloatModelError) {
        for (index, block) in blocks.enumerated() {
            guard block.count == blockSize else {
                throw .ids("\(name) \(index) of \(blocks.count) has \(block.count) symbols and the model's blocks have \(blockSize); "
                    + "fill them with pads (\(Self.padSymbol)).")
            }
            if let slot = block.firstIndex(where: { !(0..<Self.symbolCount).contains($0) }) {
                throw .ids("Symbol \(slot) of \(name.lowercased()) \(index) is \(block[slot]); use bytes (0 to 255), "
                    + "\(Self.padSymbol) for a pad and \(Self.endSymbol) for the end.")
            }
        }
    }
}
