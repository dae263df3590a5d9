import FixedPoint
import ModelFile

// What is set between texts, and when it may be.
extension GeneratorState {
    /// The random numbers begin anew.
    package mutating func setSeed(_ seed: UInt64) {
        self.seed = seed
        random = SplitMix64(seed: seed)
        (isSeeded, isRandomKept) = (true, true)
    }

    @export(interface)
    package mutating func setSampling(_ sampling: SamplingSettings) throws(STLMError) {
        try sampling.check()
        if !plan.serves(sampling, model) { throw .samplingNeedsMemory }
        settings = sampling
    }

    @export(interface)
    package mutating func addStop(_ bytes: UnsafePointer<UInt8>?, count: Int) throws(STLMError) {
        guard let bytes, count >= 1, count <= TextStream.stopByteLimit else { throw .stopOutOfRange(byteCount: count) }
        if stopCount == TextStream.stopLimit { throw .tooManyStops }
        (stops + stopCount * TextStream.stopByteLimit).update(from: bytes, count: count)
        stopByteCounts[stopCount] = count
        stopCount += 1
    }

    package mutating func removeStops() throws(STLMError) {
        if phase != .rest { throw .workUnderWay }
        stopCount = 0
    }

    /// Forgets the sequence; the random numbers begin anew with the last seed.
    @export(interface)
    package mutating func reset() {
        forget()
        random = SplitMix64(seed: seed)
        isRandomKept = isSeeded
    }
}
