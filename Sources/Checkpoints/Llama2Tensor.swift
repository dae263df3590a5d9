/// One weight of a llama2.c file, under the name that Llama gives it, such as `layers.0.attention.wq.weight`.
public struct Llama2Tensor: Sendable, Equatable {
    public let name: String
    /// (rows, columns), or (size) for a norm.
    public let shape: [Int]
    /// Where its bytes begin in the file.
    let byteOffset: Int
    /// True for int8 codes followed by one float32 scale a group.
    let isQuantised: Bool

    public var elementCount: Int { shape.reduce(1, *) }
}
