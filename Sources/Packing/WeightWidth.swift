import ModelFile

/// What a user calls the encodings of matrices.
public enum WeightWidth: String, Sendable, CaseIterable {
    case int2, int3, int4, int5, int6, int8, int16
    /// Weights of -1, 0 and 1 times a scale: five a byte, and four a byte, which is read faster.
    case ternary, ternary4

    public var encoding: Encoding {
        switch self {
        case .int2: .int2Groups
        case .int3: .int3Groups
        case .int4: .int4Groups
        case .int5: .int5Groups
        case .int6: .int6Groups
        case .int8: .int8Rows
        case .int16: .int16Rows
        case .ternary: .ternary5
        case .ternary4: .ternary4
        }
    }

    public init?(_ encoding: Encoding) {
        guard let width = Self.allCases.first(where: { $0.encoding == encoding }) else { return nil }
        self = width
    }

    /// Those that any matrix can have, the smallest first.
    static let general: [WeightWidth] = [.int2, .int3, .int4, .int5, .int6, .int8, .int16]
}

/// A width, and the rank of what corrects it, if anything does: int4, or int4+r8.
public struct WeightType: Sendable, Equatable {
    public var width: WeightWidth
    /// 0: no correction
    public var rank: Int

    public var text: String { width.rawValue + (rank > 0 ? "+r\(rank)" : "") }

    public init(_ width: WeightWidth, rank: Int = 0) { (self.width, self.rank) = (width, rank) }

    /// nil for what is no type.
    public init?(_ text: String) {
        let parts = text.split(separator: "+", omittingEmptySubsequences: false)
        guard let first = parts.first, let width = WeightWidth(rawValue: String(first)), parts.count <= 2 else { return nil }
        (self.width, rank) = (width, 0)
        guard parts.count == 2 else { return }
        guard parts[1].hasPrefix("r"), let rank = Int(parts[1].dropFirst()), (1...Limit.rank).contains(rank) else { return nil }
        self.rank = rank
    }
}
