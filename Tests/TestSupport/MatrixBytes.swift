/// The bytes of a matrix and what they stand for, from section 6 of stlm-1 alone.
public struct MatrixBytes: Sendable {
    public enum Fill: CaseIterable, Sendable {
        case random
        /// Every row at one end throughout: the greatest sums.
        case ends
        /// Ends in any order.
        case mixedEnds
    }

    /// Those of section 6 that are matrices.
    public static let encodings = [1, 2] + Array(6...12)

    public let encoding: Int
    public let rows: Int
    public let columns: Int
    public var bytes: [UInt8] = []

    /// Any legal bytes, in the padding too, on which no result depends.
    public init(_ encoding: Int, rows: Int, columns: Int, _ fill: Fill, _ numbers: inout SeededNumbers) {
        (self.encoding, self.rows, self.columns) = (encoding, rows, columns)
        // What every byte of a code at an end is, the last of a code by itself.
        let low: [UInt8] = encoding == 1 ? [0x80] : encoding == 2 ? [0, 0x80] : [0]
        let high: [UInt8] = encoding == 1 ? [0x7F] : encoding == 2 ? [0xFF, 0x7F] : [0xFF]
        var isHigh = false
        bytes = (0..<byteCount).map { k in
            if k >= levelsOffset {
                let last = byteCount - 1
                if fill == .random { return UInt8(bitPattern: Int8(numbers.int(-64...64))) }
                return UInt8(bitPattern: k == levelsOffset || k != last && numbers.next() % 2 == 0 ? -64 : 64)
            }
            if fill == .random || k >= rowScalesOffset { return UInt8(truncatingIfNeeded: numbers.next()) }
            if k >= groupScalesOffset { return 0xFF }
            if fill == .ends { isHigh = k / 4 % 16 % 2 == 1 } else if k % low.count == 0 { isHigh = numbers.next() % 2 == 0 }
            if fill == .mixedEnds, low.count == 1, encoding > 2 { return UInt8(truncatingIfNeeded: numbers.next()) }
            return isHigh ? high[k % high.count] : low[k % low.count]
        }
    }

    // MARK: Where things lie

    /// Bits of a code in groups; 0 elsewhere.
    private var groupBits: Int { (6...10).contains(encoding) ? encoding - 4 : 0 }
    private var planes: [Int] { [[], [], [2], [2, 1], [4], [4, 1], [4, 2]][groupBits] }
    private var blocks: Int { (rows + 15) / 16 }

    private func lineCount(planeOf bits: Int) -> Int { (columns * bits + 31) / 32 }

    private var lineCount: Int {
        switch encoding {
        case 1: (columns + 3) / 4
        case 2: (columns + 1) / 2
        case 11: (columns + 19) / 20
        case 12: (columns + 15) / 16
        default: planes.map(lineCount(planeOf:)).reduce(0, +)
        }
    }

    private var groupScalesOffset: Int { blocks * lineCount * 64 }
    private var rowScalesOffset: Int { groupScalesOffset + (groupBits > 0 ? blocks * ((columns + 31) / 32) * 16 : 0) }
    private var levelsOffset: Int { rowScalesOffset + 32 * blocks }
    public var byteCount: Int { levelsOffset + ((2...5).contains(groupBits) ? 1 << groupBits : 0) }

    /// `w` of arithmetic-1, section 4.
    public var weightBits: Int { Self.weightBits(encoding) }
    public static func weightBits(_ encoding: Int) -> Int { encoding == 1 ? 8 : encoding == 2 ? 16 : encoding > 10 ? 2 : 11 }
    public static func mostColumns(_ encoding: Int) -> Int { (6...10).contains(encoding) ? 8_192 : 65_536 }

    // MARK: What they stand for

    public func rowScale(_ r: Int) -> UInt16 {
        UInt16(bytes[rowScalesOffset + 2 * r]) | UInt16(bytes[rowScalesOffset + 2 * r + 1]) << 8
    }

    public mutating func setRowScale(_ r: Int, _ q: UInt16) {
        bytes[rowScalesOffset + 2 * r] = UInt8(q & 255)
        bytes[rowScalesOffset + 2 * r + 1] = UInt8(q >> 8)
    }

    /// Of row `r` and column `j` the bits in a plane of `p` bits, whose lines begin at line `first` of each block.
    private func bits(_ r: Int, _ j: Int, plane p: Int, first: Int) -> Int {
        let k = 8 / p
        let byte = bytes[(r / 16 * lineCount + first) * 64 + j / (4 * k) * 64 + (r % 16) * 4 + j % 4]
        return Int(byte) >> (p * ((j / 4) % k)) & ((1 << p) - 1)
    }

    /// `W[r][j]`.
    public func weight(_ r: Int, _ j: Int) -> Int {
        switch encoding {
        case 1:
            return Int(Int8(bitPattern: bytes[((r / 16) * lineCount + j / 4) * 64 + (r % 16) * 4 + j % 4]))
        case 2:
            let at = ((r / 16) * lineCount + j / 2) * 64 + (r % 16) * 4 + (j % 2) * 2
            return Int(Int16(bitPattern: UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8))
        case 11:
            let v = Int(bytes[(r / 16 * lineCount + j / 20) * 64 + (r % 16) * 4 + j % 4])
            let power = [1, 3, 9, 27, 81][(j / 4) % 5]
            return (v * power % 256 * 3) / 256 - 1
        case 12:
            return min(2, bits(r, j, plane: 2, first: 0)) - 1
        default:
            var code = bits(r, j, plane: planes[0], first: 0)
            if planes.count > 1 { code += bits(r, j, plane: planes[1], first: lineCount(planeOf: planes[0])) << planes[0] }
            let level = groupBits == 6 ? code - 32 : Int(Int8(bitPattern: bytes[levelsOffset + code]))
            let g = j / 16
            let scales = bytes[groupScalesOffset + (r / 16 * ((columns + 31) / 32) + g / 2) * 16 + r % 16]
            return level * Int(g % 2 == 0 ? scales & 15 : scales >> 4)
        }
    }

    /// (rows, columns)
    public var weights: [[Int32]] { (0..<rows).map { r in (0..<columns).map { Int32(weight(r, $0)) } } }
}
