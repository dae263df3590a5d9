/// What makes logits of the core's result x (H) at a position.
public enum FloatHead: Sendable {
    /// Logits (V) of the next id: output (V, H) of the normalised x.
    case linear(norm: FloatNorm, output: FloatLinear)
    /// Logits (C, 258) of all slots of the next block at once.
    case byteSlots(FloatByteSlots)
    /// Logits (C, 258) of the next block, slot after slot.
    case byteDecoder(FloatByteDecoder)
}
