import STLM
import TestSupport

/// A synthetic model with blocks, by name.
public struct ByteLevelSource: Sendable, CustomStringConvertible {
    public let description: String
    public let source: SyntheticSTLM

    public init(_ name: String, _ source: SyntheticSTLM) { (description, self.source) = (name, source) }

    /// One for each pair of embedder and head, all else as it is by default.
    public static let pairs: [ByteLevelSource] = SyntheticSTLM.byteLevelPairs.map {
        ByteLevelSource("\($0.embedder) to \($0.head)", SyntheticSTLM(embedder: $0.embedder, head: $0.head))
    }

    /// The same model with some properties changed.
    public func changed(_ name: String, _ change: (inout SyntheticSTLM) -> Void) -> ByteLevelSource {
        var source = source
        change(&source)
        return ByteLevelSource("\(description), \(name)", source)
    }
}

/// Seeded inputs and outputs of a model: ids or blocks.
public struct SeededPieces {
    private var numbers: SeededNumbers

    public init(seed: UInt64) { numbers = SeededNumbers(seed: seed) }

    /// What goes into each of some positions.
    public mutating func inputs(_ model: Model, _ count: Int) -> [[Int]] {
        (0..<count).map { _ in model.takesBlocks ? block(model.blockSize) : [numbers.int(0...model.vocabularySize - 1)] }
    }

    /// The blocks of each of some positions, where blocks come out of a model of tokens.
    public mutating func targets(_ model: Model, _ count: Int) -> [[Int]]? {
        if model.takesBlocks || !model.writesBlocks { return nil }
        return (0..<count).map { _ in block(model.blockSize) }
    }

    /// Words with pads behind them, noise, and now and then what no text has: an end in the midst, or nothing but pads.
    public mutating func block(_ size: Int) -> [Int] {
        let length = numbers.int(1...size)
        return switch numbers.int(0...9) {
        case 0: [Int](repeating: 256, count: size)
        case 1: (0..<size).map { _ in numbers.int(0...257) }
        case 2...4: (0..<size).map { _ in numbers.int(0...255) }
        default: (0..<size).map { $0 < length ? numbers.int(97...122) : 256 }
        }
    }
}
