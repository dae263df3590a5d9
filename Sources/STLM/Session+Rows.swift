import FixedPoint
import Kernels
import ModelFile

// What is done to one row of a stream.
extension Session {
    func perform(_ work: RowWork, row: Int, part: Int) {
        switch work {
        case .normalize(let stream, let norm, let layer): normalizeRow(stream, norm, layer, row)
        case .heads(let work): placeHeads(work, row)
        case .attention(let work):
            for head in 0..<work.headCount { attend(work, row: row, head: head, part: part) }
            quantizeMixed(work, row: row)
        case .activation(let work): activateRow(work, row)
        case .correction(let up): quantizeCorrection(up, row: row)
        }
    }

    private func normalizeRow(_ stream: Stream, _ norm: Norm?, _ layer: Linear, _ row: Int) {
        let x = stream.rows + row * stream.width
        guard let norm else { return quantizeRow(x, stream.fractionBits, layer, row) }
        let normal = pointer(plan.normal, as: Int32.self) + row * stream.width
        let maximum = norm.apply(x, size: stream.width, fractionBits: stream.fractionBits, into: normal, kernels)
        quantizeRow(normal, norm.outputFractionBits, layer, row, maximum: maximum)
    }

    /// Codes of a vector for a layer, into `plan.codes` and `plan.scales`.
    private func quantizeRow(
        _ vector: UnsafePointer<Int32>, _ fractionBits: Int, _ layer: Linear, _ row: Int, maximum: UInt32? = nil
    ) {
        pointer(plan.scales, as: VectorScale.self)[row] = quantize(
            vector, count: layer.matrix.columns, fractionBits: fractionBits, form: layer.codeForm(kernels),
            into: arena + plan.codes.offset + row * plan.codeStride, paddedCount: layer.paddedColumns, maximum: maximum, kernels)
    }

    private func placeHeads(_ work: AttentionWork, _ row: Int) {
        let heads = work.headCount, kvHeads = work.kvHeadCount, size = work.headSize
        let values = pointer(plan.wide, as: Int32.self) + row * (heads + 2 * kvHeads) * size  // (heads + 2 kvHeads, size)
        let fractionBits = pointer(plan.fractionBits, as: Int.self)[row]
        let queries = pointer(plan.queries, as: Int16.self) + row * heads * work.querySize  // (heads, querySize)
        let queryScales = pointer(plan.queryScales, as: VectorScale.self) + row * heads  // (heads)
        let position = work.scope.firstPosition + row
        if work.record.rotationTensor != Layout.none {
            let table = model.rotationRow(work.record.rotationTensor, position: position)
            rotate(values, headCount: heads + kvHeads, headSize: size, row: table, kernels)
        }
        let mixedBits = mix(
            values, count: (heads + kvHeads) * size, exponent: work.cache.layout.mixingExponent, fractionBits: fractionBits)
        quantizeHeads(
            values, headCount: heads, headSize: size, fractionBits: mixedBits, form: .int16, into: queries, codeStride: work.querySize,
            scales: queryScales, kernels)
        placeKeysAndValues(values + heads * size, work, row, keyFractionBits: mixedBits, valueFractionBits: fractionBits)
    }

    /// - Parameters:
    ///   - heads: (2 kvHeads, size): keys, then values. Their codes take their place: a vector is done with when its codes are there.
    private func placeKeysAndValues(
        _ heads: UnsafeMutablePointer<Int32>, _ work: AttentionWork, _ row: Int, keyFractionBits: Int, valueFractionBits: Int
    ) {
        let kvHeads = work.kvHeadCount, size = work.headSize, type = work.cache.layout.type
        let position = work.scope.firstPosition + row
        let scales = pointer(plan.keyValueScales, as: VectorScale.self) + row * 2 * kvHeads  // (2 kvHeads)
        let isSmall = size <= KeyValueType.smallHeadSize
        let keyForm: CodeForm = type == .int16 || isSmall ? .int16 : .int8, valueForm: CodeForm = type == .int8 ? .int8 : .int16
        func quantize(_ range: Range<Int>, _ fractionBits: Int, _ form: CodeForm) {
            let place = heads + range.lowerBound * size
            quantizeHeads(
                place, headCount: range.count, headSize: size, fractionBits: fractionBits, form: form, into: place,
                codeStride: size * 32 / form.bits, scales: scales + range.lowerBound, kernels)
        }
        quantize(0..<kvHeads, keyFractionBits, keyForm)
        quantize(kvHeads..<2 * kvHeads, valueFractionBits, valueForm)
        for h in 0..<kvHeads {
            let head = work.cache.head(h)
            let key = UnsafeMutableRawPointer(heads + h * size), value = UnsafeMutableRawPointer(heads + (kvHeads + h) * size)
            var keyScale = scales[h], valueScale = scales[kvHeads + h]
            if type != .int16, isSmall {
                keyScale = quantizeBytes(key.assumingMemoryBound(to: Int16.self), keyScale, count: size, into: key, kernels)
            }
            if type == .int4 {
                valueScale = quantizeNibbles(value.assumingMemoryBound(to: Int16.self), valueScale, count: size, into: value, kernels)
            }
            head.setKey(key, keyScale, position: position, headSize: size)
            head.setValue(value, valueScale, position: position, headSize: size)
        }
    }

    /// Attention of one query head.
    func attend(_ work: AttentionWork, row: Int, head: Int, part: Int) {
        let item = row * work.headCount + head
        let group = work.headCount / work.kvHeadCount
        let memory = AttentionMemory(
            weights: pointer(plan.attentionWeights, as: Int32.self) + part * plan.attentionCapacity,
            sums: pointer(plan.attentionSums, as: Int64.self) + part * Layout.align(work.headSize, 16),
            result: pointer(plan.other, as: Int32.self) + item * work.headSize)
        Kernels.attend(
            query: pointer(plan.queries, as: Int16.self) + item * work.querySize,
            queryScale: pointer(plan.queryScales, as: VectorScale.self)[item],
            head: work.cache.head(head / group), headSize: work.headSize,
            positionCount: work.seenCount(row: row), scoreMantissa: Int64(work.record.scoreScaleMantissa),
            scoreExponent: Int(work.record.scoreScaleExponent) + work.cache.layout.mixingExponent,
            leastValueExponent: mixedFractionBits(row) + 2, memory: memory,
            nextKeys: work.cache.head(min((head + 1) / group, work.kvHeadCount - 1)).keys, kernels)
    }

    private func mixedFractionBits(_ row: Int) -> Int { pointer(plan.fractionBits, as: Int.self)[plan.rowCount + row] }

    /// Codes of the mixed values of all heads for the output layer.
    func quantizeMixed(_ work: AttentionWork, row: Int) {
        let mixed = pointer(plan.other, as: Int32.self) + row * work.headCount * work.headSize
        quantizeRow(mixed, mixedFractionBits(row), work.output, row)
    }

    private func activateRow(_ work: ActivationWork, _ row: Int) {
        let x = pointer(plan.wide, as: Int32.self) + row * work.size
        let fractionBits = pointer(plan.fractionBits, as: Int.self)
        var result = activate(x, count: work.size, fractionBits: fractionBits[row], work.activation, work.piecewise, kernels)
        if work.isGated {
            result = multiplyGate(
                x, result, pointer(plan.other, as: Int32.self) + row * work.size,
                upFractionBits: fractionBits[plan.rowCount + row], count: work.size, kernels)
        }
        quantizeRow(x, result.fractionBits, work.down, row, maximum: result.maximum)
    }
}
