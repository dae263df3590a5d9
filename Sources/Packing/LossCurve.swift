/// What files of other sizes would lose, as far as the estimate of matrices one by one can tell.
struct LossCurve {
    /// Bytes of matrices, and loss relative to the float model's bits.
    private var points: [(byteCount: Int, loss: Double)] = []
    private let chosenByteCount: Int
    /// Of the chosen matrices.
    let chosenLoss: Double

    /// Sizes that are asked for.
    private static let count = 48

    /// - Parameter bitsPerRow: what the float model pays for a row, which makes divergences relative.
    init(_ allocation: Allocation, _ chosen: [Int], bitsPerRow: Double) {
        (chosenByteCount, chosenLoss) = (allocation.bytes(chosen), allocation.loss(chosen) / max(bitsPerRow, 1e-9))
        // Beyond 8 bits everywhere nothing is to be seen but that files grow.
        let plain = allocation.items.map { item in item.options.lastIndex { $0.width != .int16 } ?? 0 }
        let least = allocation.bytes(allocation.smallest), most = max(allocation.bytes(plain), chosenByteCount)
        for step in 0..<Self.count {
            let limit = least + (most - least) * step / max(1, Self.count - 1)
            guard let option = allocation.within(byteCount: limit) else { continue }
            let point = (byteCount: allocation.bytes(option), loss: allocation.loss(option) / max(bitsPerRow, 1e-9))
            if let last = points.last, last.byteCount >= point.byteCount || last.loss <= point.loss { continue }
            points.append(point)
        }
    }

    /// - Parameter fileByteCount: of the file with the chosen matrices; what is no matrix is as large in the others.
    func points(fileByteCount: Int) -> [PackReport.CurvePoint] {
        points.map { .init(fileByteCount: $0.byteCount + fileByteCount - chosenByteCount, loss: $0.loss) }
    }
}
