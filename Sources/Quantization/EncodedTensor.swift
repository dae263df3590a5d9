import ModelFile

/// A tensor as the model file stores it.
public struct EncodedTensor: Equatable, Sendable {
    public var encoding: Encoding
    public var rows: Int
    public var columns: Int
    public var exponent: Int32
    public var bytes: [UInt8]

    public init(encoding: Encoding, rows: Int, columns: Int, exponent: Int32, bytes: [UInt8]) {
        (self.encoding, self.rows, self.columns, self.exponent, self.bytes) = (encoding, rows, columns, exponent, bytes)
    }

    public var record: TensorRecord {
        TensorRecord(encoding: encoding, rows: rows, columns: columns, exponent: exponent)
    }
}
