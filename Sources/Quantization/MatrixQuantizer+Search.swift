import Foundation
import ModelFile

/// Sixteen rows side by side, so that every coefficient of the feedback is read once for all of them.
private typealias Lanes = SIMD16<Float>

// Levels times a group's scale times a row's.
extension MatrixQuantizer {
    func searched(_ encoding: Encoding, _ levels: Levels, groupSize: Int, greatestScale: Int) -> QuantizedMatrix {
        let groupCount = (columns + groupSize - 1) / groupSize
        let search = ScaleSearch(levels: levels, groupSize: groupSize, groupCount: groupCount, greatestScale: greatestScale)
        let blockCount = (rows + 15) / 16
        // Squares of very small or great weights would leave the range of floats.
        let shifts = (0..<rows).map { row in
            let most = maximumMagnitude(row: row)
            return most > 0 ? -Int(most.exponent) : 0
        }
        let values = scaled(by: shifts)

        // (rows, groups) the scale that would suit each group
        let ideal = parallel(rows * groupCount, blockCount, Float(0)) { block, out in
            for row in block * 16..<min(block * 16 + 16, rows) { idealScales(values, row: row, search, out + row * groupCount) }
        }
        var scales = (0..<rows).map { row in
            let most = ideal[row * groupCount..<(row + 1) * groupCount].max() ?? 0
            return RowScale(nearest: Double(most) / Double(greatestScale) * pow2(-shifts[row]))
        }
        var exponent = scales.settle()

        var codes = [Int16](repeating: 0, count: rows * columns)
        var groupScales = [UInt8](repeating: 0, count: greatestScale > 1 ? rows * groupCount : 0)
        // (rows, 3): wHw, wHq, qHq
        var products = [Double](repeating: 0, count: rows * 3)
        let units = scales.indices.map { Float(scales[$0].value * pow2(shifts[$0])) }
        codes.withUnsafeMutableBufferPointer { codes in
            groupScales.withUnsafeMutableBufferPointer { groupScales in
                products.withUnsafeMutableBufferPointer { products in
                    let out = BlockOutput(
                        codes: codes.baseAddress!, groupScales: greatestScale > 1 ? groupScales.baseAddress : nil, products: products.baseAddress!)
                    DispatchQueue.concurrentPerform(iterations: blockCount) { block in
                        roundBlock(block, values, search, units: units, ideal: ideal, out)
                    }
                }
            }
        }
        if encoding == .int8Rows {
            for k in codes.indices { codes[k] -= 127 }
        }

        // The scale of each row that loses least with these codes.
        var lost = 0.0, all = 0.0
        for row in 0..<rows {
            let (ww, wq, qq) = (products[3 * row], products[3 * row + 1], products[3 * row + 2])
            let fit = qq > 0 && wq > 0 ? wq / qq : 1
            scales[row] = scales[row].isZero ? scales[row] : RowScale(nearest: scales[row].value * fit)
            let square = pow2(-2 * shifts[row])
            lost += max(0, ww - 2 * fit * wq + fit * fit * qq) * square
            all += ww * square
        }
        exponent = scales.settle()
        return QuantizedMatrix(
            encoding: encoding, rows: rows, columns: columns, exponent: exponent, rowScales: scales, codes: codes, groupScales: groupScales,
            levels: encoding == .int8Rows ? [] : levels.values, relativeError: all > 0 ? (lost / all).squareRoot() : 0)
    }

    /// (rows, columns), each row times a power of two
    private func scaled(by shifts: [Int]) -> [Float] {
        var result = values
        for row in 0..<rows where shifts[row] != 0 {
            for k in row * columns..<(row + 1) * columns { result[k] = scalbn(values[k], shifts[row]) }
        }
        return result
    }

    /// Results of blocks, each of which writes its own rows.
    private func parallel<Element: Sendable>(
        _ count: Int, _ blockCount: Int, _ zero: Element, _ body: @Sendable (Int, UnsafeMutablePointer<Element>) -> Void
    ) -> [Element] {
        var result = [Element](repeating: zero, count: count)
        result.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let out = buffer.baseAddress!
            DispatchQueue.concurrentPerform(iterations: blockCount) { body($0, out) }
        }
        return result
    }

    /// For each group the scale of least error, among some fractions of the one that gives its greatest weight the greatest level.
    private func idealScales(_ values: [Float], row: Int, _ search: ScaleSearch, _ out: UnsafeMutablePointer<Float>) {
        values.withUnsafeBufferPointer { values in
            curvature.importance.withUnsafeBufferPointer { importance in
                for group in 0..<search.groupCount {
                    let range = search.columns(group, of: columns)
                    let w = values.baseAddress! + row * columns
                    var most: Float = 0
                    for j in range { most = max(most, abs(w[j])) }
                    var best = Float.infinity, scale: Float = 0
                    if most >= .leastNormalMagnitude {
                        for step in 0...10 {
                            let candidate = most / search.levels.most * (0.6 + 0.05 * Float(step))
                            let error = search.error(w, importance.baseAddress!, range, scale: candidate)
                            if error < best { (best, scale) = (error, candidate) }
                        }
                        if scale == 0 { scale = most / search.levels.most }
                    }
                    out[group] = scale
                }
            }
        }
    }

    /// Rounds 16 rows, column after column.
    private func roundBlock(_ block: Int, _ values: [Float], _ search: ScaleSearch, units: [Float], ideal: [Float], _ out: BlockOutput) {
        let firstRow = block * 16, rowCount = min(16, rows - firstRow), n = columns
        let memory = UnsafeMutablePointer<Lanes>.allocate(capacity: 2 * n)
        defer { memory.deallocate() }
        let w = memory, errors = memory + n  // (columns, 16 rows)
        for j in 0..<n {
            w[j] = .zero
            errors[j] = .zero
            for r in 0..<rowCount { w[j][r] = values[(firstRow + r) * n + j] }
        }
        var unit = Lanes.zero
        for r in 0..<rowCount { unit[r] = units[firstRow + r] }
        var scale = unit
        var ww = Lanes.zero, wq = Lanes.zero, qq = Lanes.zero
        var column = 0
        curvature.importance.withUnsafeBufferPointer { importance in
            while column < n {
                // As many columns as share a group's scale, at most 16 at a time.
                let end = min(column + QuantizedMatrix.groupSize, n)
                var panel = InlineArray<16, Lanes>(repeating: .zero), own = panel
                for j in column..<end {
                    let (taken, plain) = carried(j, until: column, w, errors)
                    panel[j - column] = w[j] + taken
                    own[j - column] = w[j] + plain
                }
                if let groupScales = out.groupScales {
                    let group = column / search.groupSize
                    for r in 0..<rowCount {
                        let chosen = search.groupScale(
                            panel, lane: r, count: end - column, importance.baseAddress! + column, unit: unit[r],
                            near: ideal[(firstRow + r) * search.groupCount + group])
                        groupScales[(firstRow + r) * search.groupCount + group] = UInt8(chosen)
                        scale[r] = unit[r] * Float(chosen)
                    }
                }
                for j in column..<end {
                    var target = panel[j - column], plain = own[j - column]
                    if let feedback = curvature.feedback {
                        feedback.withUnsafeBufferPointer { a in
                            for k in column..<j {
                                target += errors[k] * a[j * n + k]
                                plain += w[k] * a[j * n + k]
                            }
                        }
                    }
                    var rounded = Lanes.zero
                    for r in 0..<rowCount where scale[r] > 0 {
                        let code = search.levels.code(target[r] / scale[r])
                        out.codes[(firstRow + r) * n + j] = Int16(code)
                        rounded[r] = Float(search.levels.values[code]) * scale[r]
                    }
                    errors[j] = w[j] - rounded
                    // With V of H = V Vᵀ: (Vᵀ w)[j] and (Vᵀ q)[j], but for the root of D[j].
                    let vq = plain - (target - rounded)
                    ww += plain * plain * importance[j]
                    wq += plain * vq * importance[j]
                    qq += vq * vq * importance[j]
                }
                column = end
            }
        }
        for r in 0..<rowCount {
            let place = out.products + 3 * (firstRow + r)
            (place[0], place[1], place[2]) = (Double(ww[r]), Double(wq[r]), Double(qq[r]))
        }
    }

    /// Sums of A[j][k] times the errors and times the weights of the columns before `end`.
    @inline(__always)
    private func carried(
        _ j: Int, until end: Int, _ w: UnsafeMutablePointer<Lanes>, _ errors: UnsafeMutablePointer<Lanes>
    ) -> (Lanes, Lanes) {
        guard let feedback = curvature.feedback else { return (.zero, .zero) }
        return feedback.withUnsafeBufferPointer { a in
            let row = a.baseAddress! + j * columns
            var taken = Lanes.zero, plain = Lanes.zero
            for k in 0..<end {
                taken += errors[k] * row[k]
                plain += w[k] * row[k]
            }
            return (taken, plain)
        }
    }
}

/// Where a block's rows go.
private struct BlockOutput: @unchecked Sendable {
    let codes: UnsafeMutablePointer<Int16>  // (rows, columns)
    let groupScales: UnsafeMutablePointer<UInt8>?  // (rows, groups)
    let products: UnsafeMutablePointer<Double>  // (rows, 3)
}

struct ScaleSearch: Sendable {
    let levels: Levels
    let groupSize: Int
    let groupCount: Int
    let greatestScale: Int

    func columns(_ group: Int, of columns: Int) -> Range<Int> { group * groupSize..<min((group + 1) * groupSize, columns) }

    /// Squared error of some columns, each weighted by its importance.
    @inline(__always)
    func error(_ w: UnsafePointer<Float>, _ importance: UnsafePointer<Float>, _ range: Range<Int>, scale: Float) -> Float {
        let inverse = 1 / scale
        var sum: Float = 0
        for j in range {
            let rest = w[j] - Float(levels.values[levels.code(w[j] * inverse)]) * scale
            sum += rest * rest * importance[j]
        }
        return sum
    }

    /// The whole scale of least error, near one that suited the weights before they took up the errors of others.
    fileprivate func groupScale(
        _ panel: borrowing InlineArray<16, Lanes>, lane: Int, count: Int, _ importance: UnsafePointer<Float>, unit: Float, near ideal: Float
    ) -> Int {
        if unit <= 0 { return 0 }
        let first = Int((ideal / unit).rounded())
        var w = InlineArray<16, Float>(repeating: 0)
        for j in 0..<count { w[j] = panel[j][lane] }
        var best = Float.infinity, chosen = max(1, min(greatestScale, first))
        for candidate in max(1, first - 3)...max(1, min(greatestScale, first + 3)) {
            let scale = unit * Float(candidate), inverse = 1 / scale
            var sum: Float = 0
            for j in 0..<count {
                let rest = w[j] - Float(levels.values[levels.code(w[j] * inverse)]) * scale
                sum += rest * rest * importance[j]
            }
            if sum < best { (best, chosen) = (sum, candidate) }
        }
        return chosen
    }
}
