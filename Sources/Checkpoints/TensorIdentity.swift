/// What two names must have in common to be the same weights: the storage and the view of it.
public struct TensorIdentity: Hashable, Sendable {
    public let storageKey: String
    /// In elements.
    public let offset: Int
    public let shape: [Int]
    /// In elements, one a dimension.
    public let strides: [Int]
}
