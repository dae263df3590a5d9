import Kernels
import ModelFile

/// One layer's keys and values in the arena.
struct KeyValueSlot {
    /// Bytes of a slot: (kvHeads, context, headSize) Int16 and (kvHeads, context) VectorScale, twice.
    static func byteCount(_ record: AttentionRecord, _ context: Int) -> Int {
        2 * Layout.align(codeByteCount(record, context), 64) + 2 * Layout.align(scaleByteCount(record, context), 64)
    }

    static func codeByteCount(_ record: AttentionRecord, _ context: Int) -> Int {
        Int(record.kvHeadCount) * context * Int(record.headSize) * 2
    }

    static func scaleByteCount(_ record: AttentionRecord, _ context: Int) -> Int {
        Int(record.kvHeadCount) * context * MemoryLayout<VectorScale>.stride
    }

    let keys: UnsafeMutablePointer<Int16>
    let values: UnsafeMutablePointer<Int16>
    let keyScales: UnsafeMutablePointer<VectorScale>
    let valueScales: UnsafeMutablePointer<VectorScale>

    init(_ base: UnsafeMutableRawPointer, _ record: AttentionRecord, _ context: Int) {
        let codes = Layout.align(Self.codeByteCount(record, context), 64)
        let scales = Layout.align(Self.scaleByteCount(record, context), 64)
        keys = base.assumingMemoryBound(to: Int16.self)
        values = (base + codes).assumingMemoryBound(to: Int16.self)
        keyScales = (base + 2 * codes).assumingMemoryBound(to: VectorScale.self)
        valueScales = (base + 2 * codes + scales).assumingMemoryBound(to: VectorScale.self)
    }

    /// Head `head` of the slot.
    func head(_ head: Int, headSize: Int, context: Int) -> KeyValueHead {
        KeyValueHead(
            keys: keys + head &* context &* headSize, keyScales: keyScales + head &* context,
            values: values + head &* context &* headSize, valueScales: valueScales + head &* context)
    }
}
