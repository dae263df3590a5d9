import ModelFile

extension EvilFile {
    /// Takes steps out of the schedule.
    fileprivate mutating func removeSteps(_ steps: Range<Int>) { self[.schedule].removeSubrange(steps.lowerBound * 32..<steps.upperBound * 32) }

    fileprivate mutating func swapSteps(_ a: Int, _ b: Int) {
        for k in 0..<32 { self[.schedule].swapAt(32 * a + k, 32 * b + k) }
    }
}

extension LieTrial {
    private static func step(
        _ lie: Lie, _ index: Int, at offset: Int, _ value: UInt32, says: [Int], in sample: [UInt8] = Samples.slots
    ) -> LieTrial {
        LieTrial(lie, "schedule", says: says, in: sample) { $0.set(.schedule, index, at: offset, value) }
    }

    /// stlm-1, section 4, in models with blocks. The byte embedder has steps 0 to 3, 8, 16, 16 and 16 wide, the core steps 4 and 5,
    /// the byte slots 6 to 12, the byte decoder 6 and 7. Each step has an attention and a feed-forward of its own.
    static let schedule: [LieTrial] = [
        step(.unknownCode, 4, at: 20, 0, says: [4, 0]),
        step(.unknownCode, 12, at: 20, 4, says: [12, 4]),
        step(.notAscending, 5, at: 20, 1, says: [5]),
        step(.notAscending, 7, at: 20, 2, says: [7]),
        step(.stepWithoutSection, 5, at: 20, 3, says: [5], in: Samples.pooled),
        step(.stepWithoutSection, 0, at: 20, 1, says: [0], in: Samples.written),
        LieTrial(.wrongShape, "embedder", says: [16, 12], in: Samples.slots) { $0.removeSteps(3..<4) },
        LieTrial(.wrongShape, "embedder", says: [8, 12], in: Samples.slots) { $0.removeSteps(0..<4) },
        LieTrial(.wrongShape, "embedder", says: [8, 12], in: Samples.slots) {
            // No step but those of the head, which begins anew.
            $0.removeSteps(0..<6)
        },
        LieTrial(.wrongShape, "schedule", says: [0, 16, 8], in: Samples.slots) { $0.swapSteps(0, 1) },
        LieTrial(.wrongShape, "schedule", says: [4, 8, 12], in: Samples.slots) { $0.swapSteps(4, 6); $0.set(.schedule, 4, at: 20, UInt32(2)) },

        step(.wrongShape, 0, at: 0, 1, says: [0, 16, 8]),
        step(.wrongShape, 6, at: 0, 4, says: [6, 12, 8]),
        step(.wrongShape, 1, at: 4, 0, says: [1, 8, 16]),
        step(.wrongShape, 6, at: 4, 4, says: [6, 12, 20], in: Samples.decoder),
        step(.wrongShape, 0, at: 8, 2, says: [0, 16, 8]),
        step(.wrongShape, 1, at: 12, 0, says: [1, 8, 16]),
        step(.wrongShape, 4, at: 12, 0, says: [4, 8, 12]),

        step(.reservedNotZero, 0, at: 24, 3, says: [0]),
        step(.valueOutOfRange, 4, at: 24, 1, says: [4, 1]),
        // A stream of another width cannot be added.
        step(.wrongShape, 0, at: 24, 0, says: [0, 16, 8]),
        LieTrial(.valueOutOfRange, "schedule", says: [6, 1], in: Samples.slots) {
            $0.set(.schedule, 6, at: 4, EvilFile.none)
            $0.set(.schedule, 6, at: 12, EvilFile.none)
        },

        step(.exponentOutOfRange, 0, at: 28, 63, says: [0, 63]),
        step(.exponentOutOfRange, 6, at: 28, UInt32(bitPattern: -33), says: [6, -33]),
        step(.exponentOutOfRange, 5, at: 28, 9, says: [5, 9]),
        step(.exponentOutOfRange, 7, at: 28, 9, says: [7, 9], in: Samples.decoder),
        LieTrial(.exponentOutOfRange, "embedder", says: [9], in: Samples.slots) { $0.set(.schedule, 3, at: 28, UInt32(9)) },

        step(.slotWithoutAttention, 0, at: 16, 0, says: [0]),
        step(.slotWithoutAttention, 6, at: 16, 1, says: [6]),
        step(.slotWithoutAttention, 7, at: 16, 0, says: [7], in: Samples.decoder),
        step(.slotWithoutAttention, 4, at: 16, EvilFile.none, says: [4]),
        step(.slotUsedTwice, 5, at: 16, 0, says: [5, 0]),
        LieTrial(.slotUnused, "schedule", says: [13, 2], in: Samples.slots) { $0.set(.model, at: 16, UInt32(13)) },
    ]
}
