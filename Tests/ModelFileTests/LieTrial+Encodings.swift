import ModelFile
import TestSupport

extension LieTrial {
    /// A lie about a corrected matrix in the place of the first attention's output.
    private static func corrected(
        _ lie: Lie, says: [Int] = [], base: Int = 8, down: Int = 1, up: Int = 1, bits: Int = 8, rank: Int = 3,
        _ tell: @escaping @Sendable (inout EvilFile, Int) -> Void
    ) -> LieTrial {
        LieTrial(lie, "tensors", says: says) {
            let tensor = Int($0.field(.attentions, 0, at: 12))
            var numbers = SeededNumbers(seed: 82)
            $0.correct(tensor, base: base, down: down, up: up, bits: bits, rank: rank, &numbers)
            tell(&$0, tensor)
        }
    }

    /// The same, one of its four fields set.
    private static func part(_ lie: Lie, at offset: Int, _ value: UInt32, up: Int = 1) -> LieTrial {
        corrected(lie, says: [Int(value)], up: up) { $0[tensor: $1].set(value, at: offset) }
    }

    private static func recoded(
        _ lie: Lie, says: [Int] = [], _ encoding: Int, _ tell: @escaping @Sendable (inout EvilFile, Int) -> Void
    ) -> LieTrial {
        LieTrial(lie, "tensors", says: says) {
            let tensor = Int($0.field(.attentions, 0, at: 12))
            var numbers = SeededNumbers(seed: 83)
            $0.recode(tensor, encoding, &numbers)
            tell(&$0, tensor)
        }
    }

    /// stlm-1, section 6, encodings 6 ... 13.
    static let encodings: [LieTrial] = [
        recoded(.valueOutOfRange, says: [65], 8) { $0[tensor: $1][$0[tensor: $1].count - 1] = 65 },
        recoded(.valueOutOfRange, says: [-65], 6) { $0[tensor: $1][$0[tensor: $1].count - 4] = 0xBF },
        recoded(.valueOutOfRange, says: [-128], 9) { $0[tensor: $1][$0[tensor: $1].count - 32] = 0x80 },
        recoded(.countOutOfRange, says: [8_193, 8_192], 7) { $0.set(.tensors, $1, at: 8, UInt32(8_193)) },
        recoded(.countOutOfRange, says: [65_537, 65_536], 11) { $0.set(.tensors, $1, at: 8, UInt32(65_537)) },
        recoded(.exponentOutOfRange, says: [128], 12) { $0.set(.tensors, $1, at: 12, Int32(128)) },
        recoded(.wrongTensorSize, 10) { $0[tensor: $1].removeLast() },
        recoded(.wrongTensorSize, 11) { $0[tensor: $1] += [0, 0] },

        part(.indexOutOfRange, at: 0, 4_000),
        part(.indexOutOfRange, at: 4, 4_001),
        part(.indexOutOfRange, at: 8, 4_002),
        part(.wrongActivationBits, at: 12, 4),
        part(.wrongActivationBits, at: 12, 8, up: 2),
        corrected(.exponentOutOfRange, says: [1]) { $0.set(.tensors, $1, at: 12, Int32(1)) },
        corrected(.wrongTensorSize, says: [16, 20]) { $0[tensor: $1] += [0, 0, 0, 0] },
        corrected(.countOutOfRange, says: [1_025, 1_024], rank: 1_025) { _, _ in },
        // Itself, a vector, matrices of other shapes.
        corrected(.wrongEncoding, says: [13]) { $0[tensor: $1].set(UInt32($1), at: 0) },
        corrected(.wrongEncoding, says: [3]) { $0[tensor: $1].set(UInt32($0.normWeight), at: 0) },
        corrected(.wrongEncoding, says: [3]) { $0[tensor: $1].set(UInt32($0.normWeight), at: 4) },
        corrected(.wrongShape) { $0[tensor: $1].set($0[tensor: $1].number(at: 8, as: UInt32.self), at: 0) },
        corrected(.wrongShape) { $0[tensor: $1].set($0[tensor: $1].number(at: 0, as: UInt32.self), at: 4) },
        corrected(.wrongShape) { $0[tensor: $1].set($0[tensor: $1].number(at: 0, as: UInt32.self), at: 8) },
        // A layer whose base, or what corrects it, has 16 bits.
        LieTrial(.wrongActivationBits, "attentions", says: [8]) {
            var numbers = SeededNumbers(seed: 84)
            $0.correct(Int($0.field(.attentions, 0, at: 12)), base: 2, down: 1, up: 1, bits: 8, rank: 2, &numbers)
        },
        LieTrial(.wrongActivationBits, "attentions", says: [8]) {
            var numbers = SeededNumbers(seed: 84)
            $0.correct(Int($0.field(.attentions, 0, at: 12)), base: 6, down: 2, up: 1, bits: 8, rank: 2, &numbers)
        },
        // No rows enter a stream from a corrected matrix.
        LieTrial(.wrongEncoding, "embedder", says: [13]) {
            var numbers = SeededNumbers(seed: 84)
            $0.correct($0.embedding, base: 8, down: 1, up: 1, bits: 8, rank: 2, &numbers)
        },
    ]
}
