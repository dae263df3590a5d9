extension FloatPass {
    /// All slots of all blocks at once.
    func outputRows(_ head: FloatByteSlots, _ x: FloatRows, _ observer: (any PassObserver)?) -> OutputRows {
        let projected = apply([head.projection], to: x, observer)[0], blockSize = model.blockSize
        // The projection is slot-major, so that its rows fall apart into slots as they lie.
        var slots = FloatRows(rows: x.rows * blockSize, columns: head.slotPositions.columns, values: projected.values.map { 2 * $0 })
        for row in 0..<slots.rows { slots.add(head.slotPositions, row: row % blockSize, to: row) }
        observer?.sees(rows: (0..<slots.rows).map { $0 % blockSize }, of: head.slotPositions)
        run(head.schedule[...], on: &slots, groups: model.blockRows(x.rows), observer)
        return OutputRows(output: head.output, input: slots, places: Array(0..<slots.rows), rowCount: slots.rows)
    }

    /// The slots up to the one that closes each block, where position s writes block s of `next`, or what it holds likeliest.
    func outputRows(
        _ head: FloatByteDecoder, _ x: FloatRows, next: ArraySlice<[Int]>, _ observer: (any PassObserver)?
    ) -> OutputRows {
        let projected = apply([head.projection], to: head.norm.applied(to: x, workers), observer)[0], blockSize = model.blockSize
        var blocks = next.prefix(x.rows).map { $0.prefix(model.liveSlotCount($0)) }
        for position in blocks.count..<x.rows { blocks.append(greedyBlock(head, projected, position)[...]) }
        let input = decoded(head, projected, blocks.enumerated().map { ($0, $1.dropLast()) }, observer)
        let places = blocks.enumerated().flatMap { position, block in block.indices.map { position * blockSize + $0 } }
        return OutputRows(output: head.output, input: input, places: places, rowCount: x.rows * blockSize)
    }

    /// Symbol after symbol, each the one with the greatest logit, of equals the least.
    private func greedyBlock(_ head: FloatByteDecoder, _ projected: FloatRows, _ position: Int) -> [Int] {
        var block: [Int] = []
        while block.count < model.blockSize, block.last ?? 0 < FloatModel.padSymbol {
            let input = decoded(head, projected, [(position, block[...])], nil)
            let logits = apply([head.output], to: input, nil)[0]
            block.append(logits.indexOfGreatest(row: block.count))
        }
        return block
    }

    /// The output layer's input for one slot more than each block has symbols, row after row: (R, D) of the projected positions
    /// (S, D).
    private func decoded(
        _ head: FloatByteDecoder, _ projected: FloatRows, _ blocks: [(position: Int, symbols: ArraySlice<Int>)],
        _ observer: (any PassObserver)?
    ) -> FloatRows {
        var groups: [Range<Int>] = [], rowCount = 0
        for block in blocks {
            groups.append(rowCount..<rowCount + block.symbols.count + 1)
            rowCount += block.symbols.count + 1
        }
        var slots = FloatRows(rows: rowCount, columns: projected.columns)
        var symbols: [Int] = [], places: [Int] = []
        for (group, block) in zip(groups, blocks) {
            for (slot, symbol) in ([FloatModel.padSymbol] + block.symbols).enumerated() {
                slots.add(projected, row: block.position, to: group.lowerBound + slot)
                slots.add(head.table, row: symbol, to: group.lowerBound + slot)
                slots.add(head.slotPositions, row: slot, to: group.lowerBound + slot)
                symbols.append(symbol)
                places.append(slot)
            }
        }
        observer?.sees(rows: symbols, of: head.table)
        observer?.sees(rows: places, of: head.slotPositions)
        run(head.schedule[...], on: &slots, groups: groups, observer)
        return head.finalNorm.applied(to: slots, workers)
    }
}

extension FloatRows {
    /// Where the greatest element of a row stands, of equals the first.
    public func indexOfGreatest(row: Int) -> Int {
        values.withUnsafeBufferPointer { values in
            let first = row * columns
            return (0..<columns).reduce(0) { values[first + $1] > values[first + $0] ? $1 : $0 }
        }
    }
}
