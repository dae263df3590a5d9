/// How a tensor's bytes stand for its numbers: stlm-1, section 6.
@frozen
public enum Encoding: UInt32, Sendable {
    case int8Rows = 1, int16Rows, int32Vector, rotation, piecewiseLinear
    case int2Groups, int3Groups, int4Groups, int5Groups, int6Groups
    /// Five or four weights of -1, 0 and 1 a byte.
    case ternary5, ternary4
    /// A matrix with a correction of low rank.
    case corrected

    public var name: StaticString {
        switch self {
        case .int8Rows: "int8 rows"
        case .int16Rows: "int16 rows"
        case .int32Vector: "int32 vector"
        case .rotation: "rotation"
        case .piecewiseLinear: "piecewise linear"
        case .int2Groups: "int2 groups"
        case .int3Groups: "int3 groups"
        case .int4Groups: "int4 groups"
        case .int5Groups: "int5 groups"
        case .int6Groups: "int6 groups"
        case .ternary5: "ternary, 5 a byte"
        case .ternary4: "ternary, 4 a byte"
        case .corrected: "corrected"
        }
    }

    /// Weights of its own, in rows with one scale each.
    @inlinable public var isMatrix: Bool {
        switch self {
        case .int8Rows, .int16Rows, .ternary5, .ternary4: true
        case .int32Vector, .rotation, .piecewiseLinear, .corrected: false
        default: true
        }
    }

    /// Bits of a code in groups (2 ... 6); 0 for all else.
    @inlinable public var groupBits: Int {
        rawValue >= Encoding.int2Groups.rawValue && rawValue <= Encoding.int6Groups.rawValue ? Int(rawValue) &- 4 : 0
    }

    /// `w` of arithmetic-1, section 4: integers of the matrix are at most 2^(w - 1) in magnitude.
    @inlinable public var weightBits: Int {
        switch self {
        case .int8Rows: 8
        case .int16Rows: 16
        case .ternary5, .ternary4: 2
        default: 11
        }
    }

    /// Bits of a code in its first and second plane, of groups.
    @inlinable public var planeBits: (first: Int, second: Int) {
        switch groupBits {
        case 2: (2, 0)
        case 3: (2, 1)
        case 4: (4, 0)
        case 5: (4, 1)
        default: (4, 2)
        }
    }

    /// Lines of 64 bytes for every 16 rows of a matrix, in the first and second plane; a matrix without planes has all in the first.
    @inlinable
    public func lineCounts(columns: Int) -> (first: Int, second: Int) {
        switch self {
        case .int8Rows: return ((columns &+ 3) / 4, 0)
        case .int16Rows: return ((columns &+ 1) / 2, 0)
        case .ternary5: return ((columns &+ 19) / 20, 0)
        case .ternary4: return ((columns &+ 15) / 16, 0)
        default:
            let bits = planeBits
            return ((columns &* bits.first &+ 31) / 32, (columns &* bits.second &+ 31) / 32)
        }
    }

    /// Of groups: their entries of levels.
    @inlinable public var levelCount: Int { groupBits == 0 || groupBits == 6 ? 0 : 1 &<< groupBits }

    /// Scales of groups, in bytes for every 16 rows.
    @inlinable
    public func groupScaleByteCount(columns: Int) -> Int { groupBits == 0 ? 0 : (columns &+ 31) / 32 &* 16 }

    /// Exact size of a tensor's region, for counts within the limits.
    public func exactByteCount(rows: Int, columns: Int) -> Int64 {
        switch self {
        case .int32Vector: return 4 * Int64(columns)
        case .rotation: return 4 * Int64(rows) * Int64(columns)
        case .piecewiseLinear: return 4 * (3 * Int64(columns) + 1)
        case .corrected: return 16
        default:
            let blocks = Layout.align(rows, Layout.rowBlock) / Layout.rowBlock
            let lines = lineCounts(columns: columns)
            let blockByteCount = (lines.first + lines.second) * 64 + groupScaleByteCount(columns: columns) + 32
            return Int64(blocks) * Int64(blockByteCount) + Int64(levelCount)
        }
    }

    /// The same of a tensor that is in memory.
    public func byteCount(rows: Int, columns: Int) -> Int { Int(exactByteCount(rows: rows, columns: columns)) }
}
