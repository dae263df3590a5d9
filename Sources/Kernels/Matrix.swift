/// A matrix of row-scaled codes, interleaved by 16 rows: stlm-1, section 6.
@frozen
public struct Matrix {
    /// (rows / 16, lines, 16 rows, 4 bytes) int8 or int16
    public var codes: UnsafeRawPointer
    /// (rows rounded up to 16) u16
    public var rowScales: UnsafePointer<UInt16>
    public var rows: Int
    public var columns: Int
    /// Lines of 64 bytes in a block of 16 rows.
    public var lineCount: Int
    public var exponent: Int
    public var codeBits: Int

    /// - Parameters:
    ///   - bytes: a weights region of that encoding and shape, at a multiple of 4.
    public init(bytes: UnsafeRawPointer, rows: Int, columns: Int, exponent: Int, codeBits: Int) {
        codes = bytes
        self.rows = rows
        self.columns = columns
        lineCount = codeBits == 8 ? (columns + 3) / 4 : (columns + 1) / 2
        self.exponent = exponent
        self.codeBits = codeBits
        let blocks = (rows + 15) / 16
        rowScales = (bytes + blocks * lineCount * 64).assumingMemoryBound(to: UInt16.self)
    }

    @inlinable public var blockCount: Int { (rows &+ 15) / 16 }

    /// The code at a row and column.
    @inlinable @inline(__always)
    public func code(_ row: Int, _ column: Int) -> Int64 {
        if codeBits == 8 {
            let offset = ((row &>> 4) &* lineCount &+ (column &>> 2)) &* 64 &+ (row & 15) &* 4 &+ (column & 3)
            return Int64(codes.load(fromByteOffset: offset, as: Int8.self))
        }
        let offset = ((row &>> 4) &* lineCount &+ (column &>> 1)) &* 64 &+ (row & 15) &* 4 &+ (column & 1) &* 2
        return Int64(codes.load(fromByteOffset: offset, as: Int16.self))
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
