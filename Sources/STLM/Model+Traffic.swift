import Kernels
import ModelFile

extension Model {
    /// Bytes of weights that a position of decoding reads, each as often as it is read: a layer that is shared counts for each step that
    /// runs it, and a byte decoder's for each slot of a block.
    public var weightByteCountPerPosition: Int {
        let rows = takesBlocks ? blockSize * 2 : record.embedder.positionTensor == Layout.none ? 1 : 2
        let table = matrix(record.embedder.table)
        var sum = rows * table.rowByteCount
        for index in 0..<headSteps.lowerBound { sum += byteCount(file.step(index)) }
        var head = byteCount(record.head.output)
        for index in headSteps { head += byteCount(file.step(index)) }
        if writesBlocks { sum += byteCount(record.head.projection) }
        return sum + head * (record.head.kind == HeadKind.byteDecoder.rawValue ? blockSize : 1)
    }

    private func byteCount(_ layer: LinearRecord) -> Int {
        let matrix = matrix(layer.tensor)
        let own = matrix.blockCount * matrix.blockByteCount
        guard let correction = correction(layer) else { return own }
        let down = correction.down.matrix, up = correction.up.matrix
        return own + down.blockCount * down.blockByteCount + up.blockCount * up.blockByteCount
    }

    private func byteCount(_ step: StepRecord) -> Int {
        var sum = 0
        if step.attention != Layout.none {
            let attention = file.attention(Int(step.attention))
            sum += byteCount(attention.qkv) + byteCount(attention.output)
        }
        if step.feedForward != Layout.none {
            let feedForward = file.feedForward(Int(step.feedForward))
            sum += byteCount(feedForward.up) + byteCount(feedForward.down)
            if feedForward.kind == FeedForwardKind.gated.rawValue { sum += byteCount(feedForward.gate) }
        }
        return sum
    }
}
