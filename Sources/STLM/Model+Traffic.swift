import Kernels
import ModelFile

extension Model {
    /// Bytes of weights that a position of decoding reads, each as often as it is read: a layer that is shared counts for each step that
    /// runs it, and a byte decoder's for each slot of a block.
    public var weightByteCountPerPosition: Int64 {
        let rows = takesBlocks ? blockSize * 2 : record.embedder.positionTensor == Layout.none ? 1 : 2
        let table = matrix(record.embedder.table)
        var sum = Int64(rows * table.rowByteCount)
        visitLayers { layer, times in sum += Int64(byteCount(layer)) * Int64(times) }
        return sum
    }

    private func byteCount(_ layer: LinearRecord) -> Int {
        let matrix = matrix(layer.tensor)
        let own = matrix.blockCount * matrix.blockByteCount
        guard let correction = correction(layer) else { return own }
        let down = correction.down.matrix, up = correction.up.matrix
        return own + down.blockCount * down.blockByteCount + up.blockCount * up.blockByteCount
    }
}
