/// Largest magnitude and RMS seen at each probe point, over as many passes as were recorded.
public struct ProbeReport: Sendable {
    public struct Entry: Sendable {
        public var maximum = 0.0
        public var sumOfSquares = 0.0
        public var count = 0

        public var rms: Double { count == 0 ? 0 : (sumOfSquares / Double(count)).squareRoot() }
    }

    public private(set) var entries: [ProbePoint: Entry] = [:]

    public init() {}

    public mutating func record(_ point: ProbePoint, _ activations: Activations) {
        var entry = entries[point] ?? Entry()
        entry.maximum = max(entry.maximum, activations.maximumMagnitude)
        entry.sumOfSquares += activations.sumOfSquares
        entry.count += activations.values.count
        entries[point] = entry
    }

    public subscript(point: ProbePoint) -> Entry? { entries[point] }
}
