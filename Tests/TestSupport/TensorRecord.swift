/// How a tensor is described in a pickle, true or not.
public struct TensorRecord: Sendable {
    public var name: String
    public var shape: [Int]
    public var strides: [Int]
    public var offset: Int
    public var storageKey: String
    /// Such as `FloatStorage`.
    public var storageClass: String
    /// The number of elements that the pickle claims for the storage.
    public var storageCount: Int

    /// A contiguous tensor at the start of its storage.
    public init(name: String, shape: [Int], storageKey: String, storageClass: String = "FloatStorage") {
        (self.name, self.shape, self.storageKey, self.storageClass) = (name, shape, storageKey, storageClass)
        offset = 0
        storageCount = shape.reduce(1, *)
        strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
    }
}
