import ModelFile
import TestSupport
import Testing

/// One told lie: how to tell it, and what the refusal must say.
struct LieTrial: Sendable, CustomTestStringConvertible {
    let lie: Lie
    /// The name of the region that the refusal must name.
    let region: String
    /// Numbers that must stand in the sentence.
    let says: [Int]
    let sample: [UInt8]
    private let tellParts: (@Sendable (inout EvilFile) -> Void)?
    private let tellBytes: (@Sendable (inout [UInt8]) -> Void)?

    /// A lie in the content of regions; offsets and checksums are made true afterwards.
    init(
        _ lie: Lie, _ region: String, says: [Int] = [], in sample: [UInt8] = Samples.rich,
        _ tell: @escaping @Sendable (inout EvilFile) -> Void
    ) {
        (self.lie, self.region, self.says, self.sample) = (lie, region, says, sample)
        (tellParts, tellBytes) = (tell, nil)
    }

    /// A lie in the header or the region table; only what `tell` repairs is repaired.
    init(
        bytes lie: Lie, _ region: String, says: [Int] = [], in sample: [UInt8] = Samples.rich,
        _ tell: @escaping @Sendable (inout [UInt8]) -> Void
    ) {
        (self.lie, self.region, self.says, self.sample) = (lie, region, says, sample)
        (tellParts, tellBytes) = (nil, tell)
    }

    var testDescription: String { "\(lie) in \(region) \(says)" }

    func told() -> [UInt8] {
        var parts = EvilFile(sample)
        tellParts?(&parts)
        var bytes = parts.bytes()
        tellBytes?(&bytes)
        return bytes
    }
}

/// Every sentence of the format has a file that breaks it and nothing else.
@Suite struct LieTests {
    static let trials = LieTrial.layout + LieTrial.model + LieTrial.blocks + LieTrial.schedule + LieTrial.parts + LieTrial.records
        + LieTrial.tokenizer + LieTrial.encodings + LieTrial.ledger + LieTrial.transcript

    @Test(arguments: trials) func isRefusedWithItsOwnSentence(_ trial: LieTrial) throws {
        let before = refusal(trial.sample), after = refusal(trial.told())
        #expect(before == nil)
        let error = try #require(after)
        #expect(error.lie == trial.lie, "\(sentence(error))")
        #expect("\(error.region)" == trial.region)
        check(error, trial.says)
    }

    /// Numbers, region and record stand in the sentence, and it ends with what to do.
    private func check(_ error: ModelFileError, _ says: [Int]) {
        let text = sentence(error), template = "\(error.lie.template)"
        for (mark, value) in [("%a", "\(error.a)"), ("%b", "\(error.b)"), ("%i", "\(error.index)"), ("%r", "\(error.region)")]
        where template.contains(mark) {
            #expect(text.contains(value), "\(text)")
        }
        for number in says { #expect(text.contains("\(number)"), "\(number) in: \(text)") }
        #expect(!text.contains("%") && !text.contains("\n"))
        let advice = text.split(separator: ";").last.map(String.init) ?? ""
        let verbs = ["copy", "pack", "use a", "make one", "map the file"]
        #expect(text.contains(";") && verbs.contains { advice.contains($0) }, "what to do: \(text)")
    }

    @Test func everyCaseOfLieIsTold() {
        let told = Set(Self.trials.map(\.lie)).union([.misalignedMemory])
        var raw: UInt8 = 0
        while let lie = Lie(rawValue: raw) {
            #expect(told.contains(lie), "\(lie)")
            raw += 1
        }
        #expect(raw > 40)
    }

    @Test func rejectsMisalignedMemory() {
        let memory = GuardedMemory(byteCount: Samples.plain.count + 64, alignment: 64)
        for offset in [1, 8, 32, 63] {
            (memory.base + offset).copyMemory(from: Samples.plain, byteCount: Samples.plain.count)
            do {
                _ = try ModelFile(memory.base + offset, byteCount: Samples.plain.count)
                Issue.record("accepted at offset \(offset)")
            } catch {
                #expect(error.lie == .misalignedMemory)
                check(error, [64])
            }
        }
    }

    /// Only the header of so large a file is read before it is refused.
    @Test func rejectsAFileOverTheLimit() {
        var bytes = Samples.plain
        let count = 1 << 40 + 1
        bytes.set(UInt64(count), at: 16)
        bytes.repairHeader(size: false)
        let memory = GuardedMemory(bytes, alignment: 64)
        do {
            _ = try ModelFile(memory.base, byteCount: count)
            Issue.record("accepted")
        } catch {
            #expect(error.lie == .countOutOfRange && "\(error.region)" == "header")
            check(error, [count, 1 << 40])
        }
    }

    @Test func wrongWeightsAreFoundOnDemand() throws {
        let evil = EvilFile(Samples.rich)
        let firstWeights = evil.firstWeights
        for index in 0..<evil.regions.count - firstWeights {
            var bytes = Samples.rich
            let offset = Int(bytes.number(at: bytes.regionField(firstWeights + index, 8), as: UInt64.self))
            bytes[offset] ^= 0x10
            try open(bytes) { file in
                #expect(throws: ModelFileError.self) { try file.verifyWeights() }
                do {
                    try file.verifyWeights(region: firstWeights + index)
                    Issue.record("accepted")
                } catch {
                    #expect((error as? ModelFileError)?.lie == .wrongChecksum && (error as? ModelFileError)?.index == firstWeights + index)
                }
            }
        }
    }
}
