import ModelFile

/// The integers of a matrix before they are laid out: stlm-1, section 6. Row r stands for `W[r][j]` times the row's scale.
public struct QuantizedMatrix: Sendable {
    public let encoding: Encoding
    public let rows: Int
    public let columns: Int
    public internal(set) var exponent: Int
    /// (rows)
    var rowScales: [RowScale]
    /// (rows, columns) as the file has them: signed integers of rows, indices into `levels` of groups, W + 1 of ternary.
    public internal(set) var codes: [Int16]
    /// (rows, groups of 16 columns) 0 ... 15; empty but for groups
    public internal(set) var groupScales: [UInt8]
    /// What the codes of groups stand for; of int6 they are no part of the file.
    public let levels: [Int8]
    /// Root of the mean square of what quantising changes in the layer's results, relative to that of the results.
    public internal(set) var relativeError: Double

    public static let groupSize = 16

    /// W, exactly.
    public func weight(_ row: Int, _ column: Int) -> Int {
        let code = Int(codes[row * columns + column])
        if encoding.groupBits == 0 { return encoding.weightBits == 2 ? code - 1 : code }
        let groups = (columns + Self.groupSize - 1) / Self.groupSize
        return Int(levels[code]) * Int(groupScales[row * groups + column / Self.groupSize])
    }

    /// What the file's matrix stands for, (rows, columns).
    public func values() -> [Float] {
        var result = [Float](repeating: 0, count: rows * columns)
        result.withUnsafeMutableBufferPointer { result in
            for row in 0..<rows {
                let scale = rowScales[row].value
                for column in 0..<columns { result[row * columns + column] = Float(Double(weight(row, column)) * scale) }
            }
        }
        return result
    }

    public var byteCount: Int { encoding.byteCount(rows: rows, columns: columns) }

    /// The tensor's bytes.
    public func encoded() -> EncodedTensor {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        bytes.withUnsafeMutableBytes { write(into: $0) }
        return EncodedTensor(encoding: encoding, rows: rows, columns: columns, exponent: Int32(exponent), bytes: bytes)
    }

    private func write(into out: UnsafeMutableRawBufferPointer) {
        let lines = encoding.lineCounts(columns: columns), perBlock = lines.first + lines.second
        let blocks = (rows + Layout.rowBlock - 1) / Layout.rowBlock
        if encoding.weightBits == 2 { fillTernaryPadding(out, byteCount: blocks * perBlock * 64) }
        for row in 0..<rows {
            let block = row / 16 * perBlock * 64, lane = row % 16 * 4
            for column in 0..<columns {
                put(codes[row * columns + column], column, into: out, at: block, lane: lane + column % 4, firstLines: lines.first)
            }
        }
        var at = blocks * perBlock * 64
        if encoding.groupBits > 0 {
            let groups = (columns + Self.groupSize - 1) / Self.groupSize, pairs = (groups + 1) / 2
            for row in 0..<rows {
                for group in 0..<groups {
                    let place = at + (row / 16 * pairs + group / 2) * 16 + row % 16
                    out[place] |= groupScales[row * groups + group] << UInt8(4 * (group % 2))
                }
            }
            at += blocks * pairs * 16
        }
        for row in 0..<rows {
            let scale = UInt16(rowScales[row].exponent - exponent) << 11 | UInt16(rowScales[row].mantissa - 2048)
            out.storeBytes(of: scale.littleEndian, toByteOffset: at + 2 * row, as: UInt16.self)
        }
        at += 32 * blocks
        for k in 0..<encoding.levelCount { out[at + k] = UInt8(bitPattern: levels[k]) }
    }

    /// One code of a row whose block begins at `block`.
    private func put(_ code: Int16, _ column: Int, into out: UnsafeMutableRawBufferPointer, at block: Int, lane: Int, firstLines: Int) {
        let step = column / 4
        switch encoding {
        case .int8Rows:
            out[block + step * 64 + lane] = UInt8(truncatingIfNeeded: code)
        case .int16Rows:
            out.storeBytes(
                of: code.littleEndian, toByteOffset: block + column / 2 * 64 + lane - column % 4 + column % 2 * 2, as: Int16.self)
        case .ternary5:
            // Digits of a fraction of 256, the first step's the highest: put together by adding, rounded up once all are there.
            ternaryDigits(code, step, out, block + step / 5 * 64 + lane)
        case .ternary4:
            let place = block + step / 4 * 64 + lane, shift = UInt8(2 * (step % 4))
            out[place] = out[place] & ~(3 << shift) | UInt8(code) << shift
        default:
            let bits = encoding.planeBits
            putBits(UInt8(code) & (1 << UInt8(bits.first) - 1), bits.first, step, out, block, lane)
            if bits.second > 0 {
                putBits(UInt8(code) >> UInt8(bits.first), bits.second, step, out, block + firstLines * 64, lane)
            }
        }
    }

    private func putBits(_ value: UInt8, _ bits: Int, _ step: Int, _ out: UnsafeMutableRawBufferPointer, _ plane: Int, _ lane: Int) {
        let steps = 8 / bits
        out[plane + step / steps * 64 + lane] |= value << UInt8(bits * (step % steps))
    }

    private static let ternaryPlaces = [81, 27, 9, 3, 1]

    /// Replaces digit `step mod 5` of a byte of five.
    private func ternaryDigits(_ digit: Int16, _ step: Int, _ out: UnsafeMutableRawBufferPointer, _ place: Int) {
        var number = 0
        for k in 0..<5 {
            let old = (Int(out[place]) * [1, 3, 9, 27, 81][k] % 256 * 3) / 256
            number += (k == step % 5 ? Int(digit) : old) * Self.ternaryPlaces[k]
        }
        out[place] = UInt8((number * 256 + 242) / 243)
    }

    /// W is 0 in padding.
    private func fillTernaryPadding(_ out: UnsafeMutableRawBufferPointer, byteCount: Int) {
        let byte: UInt8 = encoding == .ternary5 ? 128 : 0x55
        for k in 0..<byteCount { out[k] = byte }
    }
}
