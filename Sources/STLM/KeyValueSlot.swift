import Kernels
import ModelFile

/// How one layer's keys and values lie in the arena: (kvHeads) keys, (kvHeads) values, then key mantissas, key exponents, value
/// mantissas and value exponents, each (kvHeads, capacity); a head's as `KeyValueHead` has them.
struct KeyValueLayout {
    let headSize: Int
    let headCount: Int
    /// Positions of a head, in whole groups.
    let capacity: Int

    init(_ record: AttentionRecord, _ positionCount: Int) {
        headSize = Int(record.headSize)
        headCount = Int(record.kvHeadCount)
        capacity = Layout.align(positionCount, 16)
    }

    /// Of one head.
    var keyByteCount: Int { capacity * Layout.align(headSize, 2) * 2 }
    var valueByteCount: Int { capacity * headSize * 2 }
    /// Of all heads, for one of the four.
    var scaleByteCount: Int { headCount * capacity * 4 }
    var valueOffset: Int { headCount * keyByteCount }
    /// Kernels read 64 bytes beyond the last value, which the scales are.
    var scaleOffset: Int { valueOffset + headCount * valueByteCount }
    var byteCount: Int { Layout.align(scaleOffset + 4 * scaleByteCount, 64) }
}

/// One layer's keys and values in the arena.
struct KeyValueSlot {
    let base: UnsafeMutableRawPointer
    let layout: KeyValueLayout

    init(_ base: UnsafeMutableRawPointer, _ record: AttentionRecord, _ positionCount: Int) {
        self.base = base
        layout = KeyValueLayout(record, positionCount)
    }

    private func scales(_ index: Int, _ head: Int) -> UnsafeMutablePointer<Int32> {
        let first = base + (layout.scaleOffset + index * layout.scaleByteCount)
        return first.assumingMemoryBound(to: Int32.self) + head * layout.capacity
    }

    func head(_ head: Int) -> KeyValueHead {
        KeyValueHead(
            keys: (base + head * layout.keyByteCount).assumingMemoryBound(to: Int16.self),
            values: (base + (layout.valueOffset + head * layout.valueByteCount)).assumingMemoryBound(to: Int16.self),
            keyMantissas: scales(0, head), keyExponents: scales(1, head), valueMantissas: scales(2, head),
            valueExponents: scales(3, head))
    }

    /// EL of arithmetic-1, section 6.2: the least exponent among the values at the first `positionCount` positions.
    func leastValueExponent(positionCount: Int, _ kernels: KernelSet) -> Int {
        var least = Int32.max
        for h in 0..<layout.headCount { least = min(least, minimum(scales(3, h), count: positionCount, kernels)) }
        return Int(least)
    }
}
