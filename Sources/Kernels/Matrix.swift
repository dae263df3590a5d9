import ModelFile

/// A matrix of row-scaled weights, interleaved by 16 rows: stlm-1, section 6.
@frozen
public struct Matrix {
    public var encoding: Encoding
    /// (rows / 16, lineCount) lines of 64 bytes: of groups those of the first plane, then those of the second
    public var codes: UnsafeRawPointer
    /// Of groups: (rows / 16, columns / 32, 16) two scales of 4 bits
    public var groupScales: UnsafePointer<UInt8>
    /// (rows rounded up to 16) u16
    public var rowScales: UnsafePointer<UInt16>
    /// Of groups of fewer than 6 bits: (2^bits)
    public var levels: UnsafePointer<Int8>
    public var rows: Int
    public var columns: Int
    /// Lines of 64 bytes in a block of 16 rows, those of both planes.
    public var lineCount: Int
    /// Those of the first plane.
    public var firstLineCount: Int
    public var exponent: Int
    /// Which tensor of its file it is; -1 where nobody asks.
    public var tensor = -1

    /// - Parameters:
    ///   - bytes: a weights region of that encoding, which is one of a matrix, and shape, at a multiple of 4.
    public init(_ encoding: Encoding, bytes: UnsafeRawPointer, rows: Int, columns: Int, exponent: Int) {
        self.encoding = encoding
        self.rows = rows
        self.columns = columns
        self.exponent = exponent
        let blocks = (rows + 15) / 16
        let lines = encoding.lineCounts(columns: columns)
        firstLineCount = lines.first
        lineCount = lines.first + lines.second
        codes = bytes
        let codesEnd = bytes + blocks * lineCount * 64
        groupScales = codesEnd.assumingMemoryBound(to: UInt8.self)
        let scalesEnd = codesEnd + blocks * encoding.groupScaleByteCount(columns: columns)
        rowScales = scalesEnd.assumingMemoryBound(to: UInt16.self)
        levels = (scalesEnd + blocks * 32).assumingMemoryBound(to: Int8.self)
    }

    @inlinable public var blockCount: Int { (rows &+ 15) / 16 }

    /// Bytes that reading a block of 16 rows takes.
    public var blockByteCount: Int { lineCount &* 64 &+ encoding.groupScaleByteCount(columns: columns) &+ 32 }

    /// Of all of it, as the file has it.
    public var byteCount: Int { encoding.byteCount(rows: rows, columns: columns) }

    /// Bytes that reading one row takes, about.
    public var rowByteCount: Int { blockByteCount / 16 }

    /// `W` of arithmetic-1, section 4, at a row and column.
    @inlinable @inline(__always)
    public func code(_ row: Int, _ column: Int) -> Int64 {
        let block = row &>> 4, r = row & 15
        switch encoding {
        case .int8Rows:
            return Int64(codes.load(fromByteOffset: place(block, column &>> 2, r, column), as: Int8.self))
        case .int16Rows:
            let offset = (block &* lineCount &+ (column &>> 1)) &* 64 &+ r &* 4 &+ (column & 1) &* 2
            return Int64(codes.load(fromByteOffset: offset, as: Int16.self))
        case .ternary5:
            let v = Int(codes.load(fromByteOffset: place(block, column / 20, r, column), as: UInt8.self))
            return Int64(Self.digit(v, (column &>> 2) % 5)) &- 1
        case .ternary4:
            return Int64(min(2, bits(0, 2, block, r, column))) &- 1
        default:
            let scales = groupScales[(block &* ((columns &+ 31) &>> 5) &+ (column &>> 5)) &* 16 &+ r]
            return Int64(level(block, r, column)) &* Int64(column & 16 == 0 ? scales & 15 : scales &>> 4)
        }
    }

    /// Of groups: the level of a row of a block, and a column.
    @inlinable @inline(__always)
    func level(_ block: Int, _ r: Int, _ column: Int) -> Int {
        let plane = encoding.planeBits
        var code = bits(0, plane.first, block, r, column)
        if plane.second > 0 { code |= bits(firstLineCount, plane.second, block, r, column) &<< plane.first }
        return encoding == .int6Groups ? code &- 32 : Int(levels[code])
    }

    /// Digit `k` of five: `W` + 1.
    @inlinable @inline(__always)
    static func digit(_ v: Int, _ k: Int) -> Int {
        let power = k == 0 ? 1 : k == 1 ? 3 : k == 2 ? 9 : k == 3 ? 27 : 81
        return (((v &* power) & 255) &* 3) &>> 8
    }

    /// The bits of a row of a block, and a column, in a plane of `count` bits that begins at a line of the block.
    @inlinable @inline(__always)
    func bits(_ firstLine: Int, _ count: Int, _ block: Int, _ r: Int, _ column: Int) -> Int {
        // 8 / count groups of 4 columns a line: 1, 2 and 4 bits are 8, 4 and 2.
        let shift = count == 1 ? 3 : count == 2 ? 2 : 1
        let group = column &>> 2
        let byte = codes.load(fromByteOffset: place(block, firstLine &+ group &>> shift, r, column), as: UInt8.self)
        return Int(byte) &>> (count &* (group & (1 &<< shift &- 1))) & (1 &<< count &- 1)
    }

    /// Offset of the byte of a row and column in a line of a block.
    @inlinable @inline(__always)
    func place(_ block: Int, _ line: Int, _ r: Int, _ column: Int) -> Int {
        (block &* lineCount &+ line) &* 64 &+ r &* 4 &+ (column & 3)
    }

    /// `u` of arithmetic-1, section 4: 2048 ... 4095.
    @inlinable @inline(__always)
    public static func mantissa(_ rowScale: UInt16) -> Int64 { 2048 &+ Int64(rowScale & 2047) }

    /// `d` of arithmetic-1, section 4: 0 ... 31.
    @inlinable @inline(__always)
    public static func downShift(_ rowScale: UInt16) -> Int { Int(rowScale &>> 11) }
}

/// Scale of a vector of codes: element i stands for `code[i] * mantissa * 2^-exponent`.
@frozen
public struct VectorScale: Equatable {
    public var mantissa: Int32
    public var exponent: Int32

    @inlinable
    public init(mantissa: Int32, exponent: Int32) {
        self.mantissa = mantissa
        self.exponent = exponent
    }
}
