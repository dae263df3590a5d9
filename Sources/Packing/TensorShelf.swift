import FloatModel
import Foundation
import ModelFile
import Quantization

/// The tensors of a file in the making: each content once, with all its names.
///
/// Sharing is found twice: parts that hold the same `FloatMatrix`, and different ones that encode to the same bytes.
package final class TensorShelf {
    package struct Entry {
        package var tensor: EncodedTensor
        package var names: [TensorName]
        package var startsBlock: Bool
        /// Bytes that the names would take if each were stored by itself.
        package var unsharedByteCount: Int
        package var part: ModelPart
        package var section: ModelSection
        /// The matrix it was made of, if it is one.
        var matrix: FloatMatrix?
        /// Of a matrix: relative to the results of its layer, as `QuantizedMatrix.relativeError`.
        package var relativeError = 0.0
        /// Of a corrected matrix: bytes of the tensors that it is the sum of, and its type.
        var correction: (byteCount: Int, type: WeightType)?
    }

    package private(set) var entries: [Entry] = []
    private var byMatrix: [ObjectIdentifier: UInt32] = [:]
    private var byContent: [Int: [UInt32]] = [:]
    /// Keeps the objects whose identity is a key alive.
    private var matrices: [FloatMatrix] = []
    var nextStartsBlock = false
    var part = ModelPart.embedding
    var section = ModelSection.embedder
    var isHeadOfBlocks = false

    /// The tensor of a matrix, encoded by `encode` if it is new.
    func place(_ matrix: FloatMatrix, error: @autoclosure () -> Double = 0, _ encode: () -> EncodedTensor) -> UInt32 {
        if let index = byMatrix[ObjectIdentifier(matrix)] { return index }
        let index = place(encode(), names: matrix.names)
        (entries[Int(index)].matrix, entries[Int(index)].relativeError) = (matrix, error())
        byMatrix[ObjectIdentifier(matrix)] = index
        matrices.append(matrix)
        return index
    }

    /// A corrected matrix: its three parts, and the tensor that names them.
    func place(_ matrix: FloatMatrix, _ corrected: CorrectedMatrix) -> UInt32 {
        if let index = byMatrix[ObjectIdentifier(matrix)] { return index }
        let parts = [corrected.base, corrected.down, corrected.up].map { place($0.encoded()) }
        let bytes = (parts + [16]).flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) }
        let tensor = EncodedTensor(encoding: .corrected, rows: matrix.rows, columns: matrix.columns, exponent: 0, bytes: bytes)
        let index = place(matrix, error: corrected.relativeError) { tensor }
        entries[Int(index)].correction = (
            corrected.byteCount + bytes.count, WeightType(WeightWidth(corrected.base.encoding)!, rank: corrected.down.rows))
        return index
    }

    func place(_ tensor: EncodedTensor, names: [TensorName] = []) -> UInt32 {
        var hasher = Hasher()
        hasher.combine(tensor.encoding.rawValue)
        hasher.combine(tensor.rows)
        hasher.combine(tensor.columns)
        tensor.bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        let hash = hasher.finalize()
        for index in byContent[hash] ?? [] where entries[Int(index)].tensor == tensor {
            entries[Int(index)].names += names
            // A table that no name stands for is the packer's own; storing it once is no sharing.
            if !names.isEmpty { entries[Int(index)].unsharedByteCount += Self.unshared(tensor, names) }
            return index
        }
        let index = UInt32(entries.count)
        entries.append(Entry(
            tensor: tensor, names: names, startsBlock: nextStartsBlock, unsharedByteCount: Self.unshared(tensor, names),
            part: part, section: section))
        nextStartsBlock = false
        byContent[hash, default: []].append(index)
        return index
    }

    private static func unshared(_ tensor: EncodedTensor, _ names: [TensorName]) -> Int {
        if names.isEmpty { return tensor.bytes.count }
        let rows = names.reduce(0) { $0 + $1.rowCount }
        return tensor.bytes.count * rows / max(1, tensor.rows)
    }

    /// Name records and their text: stlm-1, section 7. The first name of each run of rows is the record, others are aliases of it.
    func names(text: inout [UInt8]) -> [NameRecord] {
        var records: [NameRecord] = []
        for (index, entry) in entries.enumerated() {
            var firstOfRows: [Range<Int>: UInt32] = [:]
            for name in entry.names {
                let range = TextRange(offset: UInt32(text.count), byteCount: UInt32(name.name.utf8.count))
                text += Array(name.name.utf8)
                let rows = name.firstRow..<name.firstRow + name.rowCount
                if let primary = firstOfRows[rows] {
                    records.append(NameRecord(text: range, target: primary, firstRow: Layout.aliasFlag, rowCount: 0))
                } else {
                    firstOfRows[rows] = UInt32(records.count)
                    records.append(NameRecord(
                        text: range, target: UInt32(index), firstRow: UInt32(rows.lowerBound), rowCount: UInt32(rows.count)))
                }
            }
        }
        return records
    }
}

/// What a tensor is for, in reports.
public enum ModelPart: String, CaseIterable, Sendable {
    case embedding, positions, attention
    case feedForward = "feed-forward"
    case norms
    case head
}
