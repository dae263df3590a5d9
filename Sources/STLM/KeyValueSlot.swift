import FixedPoint
import Kernels
import ModelFile

/// How one layer's keys and values lie in the arena: (kvHeads) keys, (kvHeads) values, then the scales of keys and those of values, each
/// (kvHeads, capacity); a head's as `KeyValueHead` has them.
struct KeyValueLayout {
    let type: KeyValueType
    let headSize: Int
    let headCount: Int
    /// Positions of a head, in whole groups.
    let capacity: Int

    init(_ record: AttentionRecord, _ positionCount: Int, _ type: KeyValueType) {
        self.type = type
        headSize = Int(record.headSize)
        headCount = Int(record.kvHeadCount)
        capacity = Layout.align(positionCount, 16)
    }

    /// For queries and keys.
    var mixingExponent: Int { type.mixingExponent(headSize: headSize) }
    /// Of one head.
    var keyByteCount: Int { type.keyByteCount(capacity: capacity, headSize: headSize) }
    var valueByteCount: Int { type.valueByteCount(capacity: capacity, headSize: headSize) }
    var valueOffset: Int { headCount * keyByteCount }
    /// Kernels read 64 bytes beyond the last value, which the scales are.
    var scaleOffset: Int { valueOffset + headCount * valueByteCount }
    /// What a file's numbers allow need not fit in an Int of 32 bits; what has a place in an arena does.
    var byteCount: Int64 {
        let values = Int64(headCount) * Int64(keyByteCount + valueByteCount), scales = Int64(headCount) * Int64(capacity) * 8
        return (values + scales + 63) / 64 * 64
    }
}

/// One layer's keys and values in the arena.
struct KeyValueSlot {
    let base: UnsafeMutableRawPointer
    let layout: KeyValueLayout

    init(_ base: UnsafeMutableRawPointer, _ record: AttentionRecord, _ scope: AttentionScope) {
        self.base = base
        layout = KeyValueLayout(record, scope.capacity, scope.keyValueType)
    }

    private var keyScales: UnsafeMutablePointer<Int32> { (base + layout.scaleOffset).assumingMemoryBound(to: Int32.self) }
    private var valueScales: UnsafeMutablePointer<Int32> { keyScales + layout.headCount * layout.capacity }

    func head(_ head: Int) -> KeyValueHead {
        KeyValueHead(
            type: layout.type, keys: base + head * layout.keyByteCount, values: base + (layout.valueOffset + head * layout.valueByteCount),
            keyScales: keyScales + head * layout.capacity, valueScales: valueScales + head * layout.capacity)
    }

    /// EL of arithmetic-1, section 6.2: the least exponent among the values at the first `positionCount` positions.
    func leastValueExponent(positionCount: Int, _ kernels: KernelSet) -> Int {
        var least = Int32.max
        for h in 0..<layout.headCount { least = min(least, minimum(valueScales + h * layout.capacity, count: positionCount, kernels)) }
        return Int(VectorScale(packed: least).exponent)
    }
}
