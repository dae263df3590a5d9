import ModelFile

extension EvilFile {
    static let none: UInt32 = 0xFFFF_FFFF

    /// The index of the first tensor of an encoding.
    func tensor(encoding: UInt32) -> Int { (0..<count(.tensors)).first { field(.tensors, $0, at: 0) == encoding }! }
    var embedding: Int { Int(field(.model, at: 212)) }
    var normWeight: Int { Int(field(.norms, at: 4)) }
    func nameRecord(alias: Bool) -> Int { (0..<count(.names)).first { (field(.names, $0, at: 12) == 0x8000_0000) == alias }! }
}

extension LieTrial {
    private static func tensor(
        _ lie: Lie, encoding: UInt32, at offset: Int, _ value: UInt32, says: [Int]? = nil
    ) -> LieTrial {
        LieTrial(lie, "tensors", says: says ?? [Int(value)]) { $0.set(.tensors, $0.tensor(encoding: encoding), at: offset, value) }
    }

    private static func minus(_ value: Int32) -> UInt32 { UInt32(bitPattern: value) }

    /// stlm-1, sections 6 and 7.
    static let records: [LieTrial] = [
        tensor(.unknownCode, encoding: 1, at: 0, 0),
        tensor(.unknownCode, encoding: 1, at: 0, 14),
        tensor(.wrongTensorSize, encoding: 1, at: 0, 2, says: []),
        tensor(.countOutOfRange, encoding: 1, at: 4, 0),
        tensor(.countOutOfRange, encoding: 1, at: 4, 1_048_577, says: [1_048_577, 1_048_576]),
        tensor(.countOutOfRange, encoding: 3, at: 4, 2, says: [2, 1]),
        tensor(.countOutOfRange, encoding: 5, at: 4, 2, says: [2, 1]),
        tensor(.countOutOfRange, encoding: 1, at: 8, 0),
        tensor(.countOutOfRange, encoding: 1, at: 8, 65_537, says: [65_537, 65_536]),
        tensor(.countOutOfRange, encoding: 3, at: 8, 1_048_577),
        tensor(.countOutOfRange, encoding: 5, at: 8, 65, says: [65, 64]),
        tensor(.exponentOutOfRange, encoding: 1, at: 12, 128),
        tensor(.exponentOutOfRange, encoding: 1, at: 12, minus(-65), says: [-65]),
        tensor(.exponentOutOfRange, encoding: 3, at: 12, 63),
        tensor(.exponentOutOfRange, encoding: 3, at: 12, minus(-33), says: [-33]),
        tensor(.exponentOutOfRange, encoding: 4, at: 12, 15),
        tensor(.exponentOutOfRange, encoding: 5, at: 12, 63),
        tensor(.reservedNotZero, encoding: 1, at: 28, 1, says: []),
        LieTrial(.wrongTensorSize, "tensors") { $0[tensor: $0.tensor(encoding: 4)] += [0, 0, 0, 0] },
        LieTrial(.notAscending, "tensors") {
            let index = $0.tensor(encoding: 5)
            $0[tensor: index].set(Int32.max, at: 0)
        },
        LieTrial(.tensorWithoutRegion, "tensors") { $0.regions.removeLast() },
        LieTrial(.tensorWithoutRegion, "tensors") { $0.regions.append($0.regions.last!) },

        LieTrial(.countOutOfRange, "schedule", says: [4_097, 4_096]) { $0.repeatRecord(.schedule, count: 4_097) },
        LieTrial(.countOutOfRange, "attentions", says: [4_097, 4_096]) { $0.repeatRecord(.attentions, count: 4_097) },
        LieTrial(.countOutOfRange, "feed-forwards", says: [4_097, 4_096]) { $0.repeatRecord(.feedForwards, count: 4_097) },
        LieTrial(.countOutOfRange, "norms", says: [4_097, 4_096]) { $0.repeatRecord(.norms, count: 4_097) },
        LieTrial(.countOutOfRange, "names", says: [262_145, 262_144]) { $0.repeatRecord(.names, count: 262_145) },
        LieTrial(.countOutOfRange, "text", says: [16_777_217, 16_777_216]) {
            $0[.text] += [UInt8](repeating: 0x61, count: 16_777_217 - $0[.text].count)
        },

        LieTrial(.textOutOfRange, "names", says: [3, 999_999]) { $0.set(.names, 3, at: 0, UInt32(999_999)) },
        LieTrial(.textOutOfRange, "names", says: [2]) { $0.set(.names, 2, at: 4, UInt32.max) },
        LieTrial(.indexOutOfRange, "names", says: [4_003]) { $0.set(.names, $0.nameRecord(alias: false), at: 8, UInt32(4_003)) },
        LieTrial(.indexOutOfRange, "names", says: [4_004]) { $0.set(.names, $0.nameRecord(alias: true), at: 8, UInt32(4_004)) },
        LieTrial(.reservedNotZero, "names") { $0.set(.names, $0.nameRecord(alias: true), at: 12, UInt32(0x8000_0001)) },
        LieTrial(.reservedNotZero, "names") { $0.set(.names, $0.nameRecord(alias: true), at: 16, UInt32(1)) },
        LieTrial(.wrongShape, "names", says: [0]) { $0.set(.names, $0.nameRecord(alias: false), at: 16, UInt32(0)) },
        LieTrial(.wrongShape, "names", says: [261, 260]) { $0.set(.names, $0.nameRecord(alias: false), at: 16, UInt32(261)) },
        LieTrial(.wrongShape, "names") { $0.set(.names, $0.nameRecord(alias: false), at: 12, UInt32(0x7FFF_FFFF)) },
        LieTrial(.aliasOfAlias, "names") {
            let alias = $0.nameRecord(alias: true)
            $0.set(.names, alias, at: 8, UInt32(alias))
        },
        LieTrial(.nulInText, "text", says: [5]) { $0[.text][5] = 0 },
    ]
}
