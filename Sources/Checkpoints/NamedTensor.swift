import Foundation

/// A tensor of a state dict: a name and a view of a storage. No value is read before `floats()`.
public struct NamedTensor: Sendable {
    public let name: String
    /// Empty for a scalar.
    public let shape: [Int]
    /// In elements, one a dimension, never negative.
    public let strides: [Int]
    /// First element of the view within its storage.
    public let elementOffset: Int
    /// Product of the shape; never more than the storage holds.
    public let elementCount: Int
    let storage: TensorStorage

    public var elementType: ElementType { storage.elementType }
    public var storageKey: String { storage.key }

    /// Equal for two names exactly if they are the same view of the same storage.
    public var identity: TensorIdentity {
        TensorIdentity(storageKey: storageKey, offset: elementOffset, shape: shape, strides: strides)
    }

    /// Checks the view against the real length of its storage.
    init(name: String, shape: [Int], strides: [Int], elementOffset: Int, storage: TensorStorage) throws(CheckpointError) {
        func wrong(_ what: String) -> CheckpointError {
            .tensor(name: name, "The tensor \(quoted(name)) \(what); save the checkpoint again.")
        }
        guard shape.count == strides.count, shape.count <= 8 else {
            throw wrong("has \(shape.count) dimensions and \(strides.count) strides, where at most 8 of each are read")
        }
        guard shape.allSatisfy({ $0 >= 0 }), strides.allSatisfy({ $0 >= 0 }), elementOffset >= 0 else {
            throw wrong("has a negative size, stride or offset: shape \(shapeText(shape)), strides \(shapeText(strides)), "
                + "offset \(elementOffset)")
        }
        var count = 1, last = elementOffset, overflowed = false
        for (size, stride) in zip(shape, strides) where !shape.contains(0) {
            let product = count.multipliedReportingOverflow(by: size)
            let reach = (size - 1).multipliedReportingOverflow(by: stride)
            let sum = last.addingReportingOverflow(reach.partialValue)
            overflowed = overflowed || product.overflow || reach.overflow || sum.overflow
            (count, last) = (product.partialValue, sum.partialValue)
        }
        if shape.contains(0) { count = 0 }
        guard count == 0 || !overflowed && last < storage.elementCount else {
            throw wrong("of shape \(shapeText(shape)), strides \(shapeText(strides)) and offset \(elementOffset) reaches past "
                + "its storage \(quoted(storage.key)) of \(storage.elementCount) elements")
        }
        // A stride of zero would let a few bytes claim any number of elements.
        guard count <= storage.elementCount else {
            throw wrong("of shape \(shapeText(shape)) has more elements than the \(storage.elementCount) of its storage "
                + quoted(storage.key))
        }
        (self.name, self.shape, self.strides, self.storage) = (name, shape, strides, storage)
        (self.elementOffset, self.elementCount) = (elementOffset, count)
    }

    /// The values in row-major order, whatever the strides.
    ///
    /// - Throws: `CheckpointError.zip` if the storage is damaged, `CheckpointError.tensor` if a value is not a finite
    ///   32-bit number or the element type is complex.
    public func floats() throws(CheckpointError) -> [Float] {
        if elementType == .complex64 || elementType == .complex128 {
            throw .tensor(name: name, "The tensor \(quoted(name)) holds complex numbers, which no supported model has; "
                + "use a checkpoint of the main branch of STLM.")
        }
        let content = try storage.content()
        var values = [Float](repeating: 0, count: elementCount)
        guard elementCount > 0 else { return values }
        // The trailing dimensions that lie evenly in storage are decoded in one run.
        let (runCount, runStride, outer) = longestRun()
        content.withUnsafeBytes { raw in
            values.withUnsafeMutableBufferPointer { output in
                let decoder = ElementDecoder(type: elementType, isBigEndian: storage.isBigEndian, storage: raw.baseAddress!)
                var place = [Int](repeating: 0, count: outer)
                var source = elementOffset
                for first in stride(from: 0, to: elementCount, by: runCount) {
                    decoder.decode(from: source, step: runStride, count: runCount, into: output.baseAddress! + first)
                    for axis in stride(from: outer - 1, through: 0, by: -1) {
                        place[axis] += 1
                        source += strides[axis]
                        if place[axis] < shape[axis] { break }
                        source -= strides[axis] * shape[axis]
                        place[axis] = 0
                    }
                }
            }
        }
        if let index = values.firstIndex(where: { !$0.isFinite }) {
            let kind = values[index].isNaN ? "NaN" : "an infinity, or a number too large for 32 bits,"
            throw .tensor(name: name, "The tensor \(quoted(name)) holds \(kind) at element \(index) of \(elementCount); "
                + "use a checkpoint from before training diverged.")
        }
        return values
    }

    /// How many elements follow one another at one stride, that stride, and how many dimensions remain outside.
    private func longestRun() -> (count: Int, stride: Int, outer: Int) {
        var outer = shape.count, count = 1, step = 1
        while outer > 0 {
            let size = shape[outer - 1], stride = strides[outer - 1]
            if size != 1 {
                if count == 1 { step = stride } else if stride != step * count { break }
                count *= size
            }
            outer -= 1
        }
        return (count, step, outer)
    }
}
