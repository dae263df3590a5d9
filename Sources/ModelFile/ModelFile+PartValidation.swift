// Norms, attentions and feed-forwards, each by itself: stlm-1, section 5. That their widths fit each other is the schedule's affair.

extension ModelFile {
    func validateNorm(_ index: Int) throws(ModelFileError) {
        let record = norm(index)
        if NormCode(rawValue: record.kind) == nil {
            throw ModelFileError(.unknownCode, region: "norms", index: index, Int64(record.kind))
        }
        let size = try shape(record.weight, "norms", index).columns
        if size > Limit.width { throw ModelFileError(.countOutOfRange, region: "norms", index: index, Int64(size), Int64(Limit.width)) }
        try requireTensor(record.weight, "norms", index, rows: 1, columns: size) { $0 == .int32Vector }
        if !Limit.fractionBits.contains(record.outputFractionBits) {
            throw ModelFileError(.exponentOutOfRange, region: "norms", index: index, Int64(record.outputFractionBits))
        }
        if record.bias != Layout.none {
            try requireTensor(record.bias, "norms", index, rows: 1, columns: size) { $0 == .int32Vector }
            let bits = tensor(Int(record.bias)).exponent
            if bits != record.outputFractionBits {
                throw ModelFileError(.wrongNormBias, region: "norms", index: index, Int64(bits), Int64(record.outputFractionBits))
            }
        }
        if record.reserved != 0 { throw ModelFileError(.reservedNotZero, region: "norms", index: index) }
    }

    func validateAttention(_ index: Int) throws(ModelFileError) {
        let record = attention(index)
        func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
            ModelFileError(lie, region: "attentions", index: index, a, b)
        }
        let heads = Int(clamping: record.headCount)
        let kvHeads = Int(clamping: record.kvHeadCount)
        let size = Int(clamping: record.headSize)
        if size < 1 || size > Limit.headSize { throw lie(.countOutOfRange, Int64(record.headSize), Int64(Limit.headSize)) }
        if heads < 1 || heads > Limit.width / size { throw lie(.countOutOfRange, Int64(record.headCount), Int64(Limit.width / size)) }
        if kvHeads < 1 || kvHeads > heads || heads % kvHeads != 0 { throw lie(.headsDoNotDivide, Int64(heads), Int64(record.kvHeadCount)) }
        let width = try shape(record.qkv.tensor, "attentions", index).columns
        try requireLinear(record.qkv, "attentions", index, rows: (heads + 2 * kvHeads) * size, columns: width)
        try requireLinear(record.output, "attentions", index, rows: width, columns: heads * size)
        if record.rotationPairing != 0 { throw lie(.unknownCode, Int64(record.rotationPairing)) }
        if record.rotationTensor != Layout.none {
            if size % 2 != 0 { throw lie(.valueOutOfRange, Int64(size)) }
            let positions = max(model.contextMaximum, model.blockSize)
            let rows = max(try shape(record.rotationTensor, "attentions", index).rows, Int(positions))
            try requireTensor(record.rotationTensor, "attentions", index, rows: rows, columns: size / 2) { $0 == .rotation }
        }
        if record.scoreScaleMantissa < 1 << 30 || record.scoreScaleMantissa >= 1 << 31 {
            throw lie(.valueOutOfRange, Int64(record.scoreScaleMantissa))
        }
        if record.scoreScaleExponent < 0 || record.scoreScaleExponent > 64 {
            throw lie(.exponentOutOfRange, Int64(record.scoreScaleExponent))
        }
        if record.reserved.0 | record.reserved.1 | record.reserved.2 != 0 { throw lie(.reservedNotZero) }
    }

    func validateFeedForward(_ index: Int) throws(ModelFileError) {
        let record = feedForward(index)
        func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
            ModelFileError(lie, region: "feed-forwards", index: index, a, b)
        }
        guard let kind = FeedForwardKind(rawValue: record.kind) else { throw lie(.unknownCode, Int64(record.kind)) }
        guard let activation = Activation(rawValue: record.activation) else { throw lie(.unknownCode, Int64(record.activation)) }
        let (size, input) = try shape(record.up.tensor, "feed-forwards", index)
        let output = try shape(record.down.tensor, "feed-forwards", index).rows
        if max(size, output) > Limit.width { throw lie(.countOutOfRange, Int64(max(size, output)), Int64(Limit.width)) }
        try requireLinear(record.up, "feed-forwards", index, rows: size, columns: input)
        try requireLinear(record.down, "feed-forwards", index, rows: output, columns: size)
        if kind == .gated {
            try requireLinear(record.gate, "feed-forwards", index, rows: size, columns: input)
        } else if record.gate != .absent {
            throw lie(.valueOutOfRange, Int64(record.gate.tensor))
        }
        if activation == .piecewiseLinear {
            let columns = try shape(record.activationTensor, "feed-forwards", index).columns
            try requireTensor(record.activationTensor, "feed-forwards", index, rows: 1, columns: columns) { $0 == .piecewiseLinear }
        } else if record.activationTensor != Layout.none {
            throw lie(.valueOutOfRange, Int64(record.activationTensor))
        }
        let r = record.reserved
        if r.0 | r.1 | r.2 | r.3 != 0 { throw lie(.reservedNotZero) }
    }
}
