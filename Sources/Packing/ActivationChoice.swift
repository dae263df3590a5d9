import FloatModel
import ModelFile
import STLM

/// What it costs that a layer reads activations of 8 bits in place of 16, in bits of divergence a row: measured on the runtime, one matrix
/// at a time, in a file whose other layers read 16.
struct ActivationCosts {
    /// One for each matrix, which several layers may share; that of the greatest cost per work first.
    private(set) var costs: [(matrix: FloatMatrix, cost: Double, work: Double)] = []

    /// - Parameters:
    ///   - wide: the model with weights of 8 bits and activations of 16
    ///   - tensors: the index of each matrix's tensor in it, and how many layers read it
    init(
        _ wide: PackedFile, _ tensors: [(matrix: FloatMatrix, tensor: Int, layerCount: Int)], _ reference: FloatReference, context: Int,
        progress: (Double) -> Void
    ) throws(PackError) {
        func divergence() throws(PackError) -> Double {
            let sum = try wide.divergence(from: reference, context: context)
            return sum.bits / Double(max(1, sum.rowCount))
        }
        let least = try divergence()
        for (number, item) in tensors.enumerated() {
            wide.setActivationBits(8, tensor: item.tensor)
            costs.append((item.matrix, max(0, try divergence() - least), Double(item.matrix.values.count * item.layerCount)))
            wide.setActivationBits(16, tensor: item.tensor)
            progress(Double(number + 1) / Double(tensors.count))
        }
        costs.sort { $0.cost * $1.work > $1.cost * $0.work }
    }

    /// Matrices that must read 16 bits so that what the others cost is at most so much: with little work, as 16 bits take twice that of 8.
    func wide(remaining most: Double) -> [FloatMatrix] {
        var rest = costs.reduce(0) { $0 + $1.cost }
        var result: [FloatMatrix] = []
        for item in costs {
            if rest <= most { break }
            result.append(item.matrix)
            rest -= item.cost
        }
        return result
    }
}

extension PackedFile {
    /// Changes every layer of a tensor, in this copy in memory only: what is read when a session begins.
    func setActivationBits(_ bits: UInt32, tensor: Int) {
        var count = 0
        func set(_ kind: RegionKind, _ record: Int, _ offset: Int) {
            let place = UnsafeMutableRawPointer(mutating: file.tableBytes(kind)) + record * kind.recordByteCount + offset
            if place.load(as: UInt32.self) != UInt32(tensor) { return }
            place.storeBytes(of: bits, toByteOffset: 8, as: UInt32.self)
            count += 1
        }
        // The linear records of stlm-1, sections 3.2, 5.2 and 5.3.
        for index in 0..<file.attentionCount { for offset in [0, 12] { set(.attentions, index, offset) } }
        for index in 0..<file.feedForwardCount { for offset in [8, 20, 32] { set(.feedForwards, index, offset) } }
        for offset in [248, 276] { set(.model, 0, offset) }
        precondition(count > 0, "no layer reads tensor \(tensor)")
        model = Model(file)
    }
}
