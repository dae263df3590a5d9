import Foundation

/// The whole numbers that codes stand for, ascending, and the way from a number to the nearest of them.
struct Levels: Sendable {
    /// At most 128 in magnitude
    let values: [Int8]
    /// Codes by `floor(2 * (x + reach))`: numbers half way between two whole ones are where the nearest level changes.
    private let codes: [UInt8]
    private let reach: Float

    /// Greatest magnitude of a level of groups: stlm-1, section 6.
    static let greatest = 64

    init(_ values: [Int8]) {
        self.values = values
        let most = values.reduce(0) { max($0, abs(Int($1))) } + 1
        reach = Float(most)
        codes = (0...4 * most).map { place in
            let x = Float(place) / 2 - Float(most) + 0.25
            var best = 0
            for k in values.indices where abs(Float(values[k]) - x) < abs(Float(values[best]) - x) { best = k }
            return UInt8(best)
        }
    }

    /// -2^(bits-1) ... 2^(bits-1) - 1
    static func uniform(bits: Int) -> Levels { Levels((-(1 << (bits - 1))..<1 << (bits - 1)).map { Int8($0) }) }

    /// -127 ... 127
    static let int8 = Levels((-127...127).map { Int8($0) })

    var most: Float { reach - 1 }

    /// Index of the level nearest to x.
    @inline(__always)
    func code(_ x: Float) -> Int {
        let clamped = max(-reach, min(reach, x))
        return codes.withUnsafeBufferPointer { Int($0[Int((clamped + reach) * 2)]) }
    }

    /// Levels that fit the weights, each seen relative to the greatest of its group: Lloyd's method (1982), where a weight counts by
    /// its column's importance and the square of its group's greatest.
    static func learned(_ values: [Float], columns: Int, groupSize: Int, bits: Int, importance: [Float]) -> Levels {
        let binCount = 2_048
        var weights = [Double](repeating: 0, count: binCount), sums = weights
        for row in 0..<values.count / max(1, columns) {
            for start in stride(from: 0, to: columns, by: groupSize) {
                let end = min(start + groupSize, columns)
                let base = row * columns
                var greatest: Float = 0
                for j in start..<end { greatest = max(greatest, abs(values[base + j])) }
                if greatest < .leastNormalMagnitude { continue }
                for j in start..<end {
                    let x = values[base + j] / greatest
                    let bin = min(binCount - 1, Int((x + 1) * Float(binCount / 2)))
                    let weight = Double(importance[j]) * Double(greatest) * Double(greatest)
                    weights[bin] += weight
                    sums[bin] += weight * Double(x)
                }
            }
        }
        let count = 1 << bits
        var levels = (0..<count).map { 0.95 * (2 * Double($0) / Double(count - 1) - 1) }
        for _ in 0..<40 {
            var totals = [Double](repeating: 0, count: count), means = totals
            var k = 0
            for bin in 0..<binCount where weights[bin] > 0 {
                let x = sums[bin] / weights[bin]
                while k + 1 < count, x > (levels[k] + levels[k + 1]) / 2 { k += 1 }
                totals[k] += weights[bin]
                means[k] += sums[bin]
            }
            for k in 0..<count where totals[k] > 0 { levels[k] = means[k] / totals[k] }
            levels.sort()
        }
        let unit = levels.map(abs).max()! / Double(greatest)
        return Levels(levels.map { Int8(($0 / unit).rounded()) })
    }
}
