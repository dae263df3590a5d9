/// The number format of a tensor's elements in a checkpoint.
public enum ElementType: String, Sendable, Equatable {
    case float16, bfloat16, float32, float64
    case int8, uint8, int16, int32, int64, bool
    /// Recognised so that the tensor can be named; its values are not read.
    case complex64, complex128

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .int8, .uint8, .bool: return 1
        case .float16, .bfloat16, .int16: return 2
        case .float32, .int32: return 4
        case .float64, .int64, .complex64: return 8
        case .complex128: return 16
        }
    }

    /// The type that a torch storage class holds, such as `torch.FloatStorage`; nil if unknown.
    init?(storageClass name: String) {
        switch name {
        case "torch.HalfStorage": self = .float16
        case "torch.BFloat16Storage": self = .bfloat16
        case "torch.FloatStorage": self = .float32
        case "torch.DoubleStorage": self = .float64
        case "torch.CharStorage": self = .int8
        case "torch.ByteStorage": self = .uint8
        case "torch.ShortStorage": self = .int16
        case "torch.IntStorage": self = .int32
        case "torch.LongStorage": self = .int64
        case "torch.BoolStorage": self = .bool
        case "torch.ComplexFloatStorage": self = .complex64
        case "torch.ComplexDoubleStorage": self = .complex128
        default: return nil
        }
    }
}
