// One position of a head as a session file has it: Formats/session-1.md, section 4. Neither the room for other positions nor the order that
// kernels want shows in it.

extension KeyValueType {
    /// Bytes of a position: two scales, the key's codes, the value's.
    public func positionByteCount(headSize: Int) -> Int {
        switch self {
        case .int16: 8 &+ 4 &* headSize
        case .int8: 8 &+ 2 &* headSize
        case .int4: 8 &+ headSize &+ (headSize &+ 1) &>> 1
        }
    }
}

extension VectorScale {
    /// What quantising makes: arithmetic-1, section 3 and 6.2. Exponents follow from fields of a model file that are far within this range.
    var isPossible: Bool { mantissa >= 1 &<< 14 && exponent >= -1_024 && exponent < 1_024 }
}

extension KeyValueHead {
    /// Writes key and value of a position.
    /// - Parameters:
    ///   - bytes: `positionByteCount`, at any address
    public func save(_ position: Int, headSize: Int, into bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: keyScales[position], as: Int32.self)
        bytes.storeBytes(of: valueScales[position], toByteOffset: 4, as: Int32.self)
        let keys = bytes + 8, keyByteCount = type == .int16 ? 2 &* headSize : headSize
        var place = UnsafeRawPointer(keyPlace(position, headSize))
        var done = 0
        while done &+ 4 <= keyByteCount {
            keys.storeBytes(of: place.load(as: UInt32.self), toByteOffset: done, as: UInt32.self)
            place += 64
            done &+= 4
        }
        (keys + done).copyMemory(from: place, byteCount: keyByteCount &- done)

        let values = keys + keyByteCount
        let value = UnsafeRawPointer(valuePlace(position, headSize))
        switch type {
        case .int16:
            for i in 0..<headSize {
                values.storeBytes(of: value.load(fromByteOffset: 4 &* i, as: Int16.self), toByteOffset: 2 &* i, as: Int16.self)
            }
        case .int8:
            for i in 0..<headSize {
                values.storeBytes(of: value.load(fromByteOffset: 4 &* i, as: Int8.self), toByteOffset: i, as: Int8.self)
            }
        case .int4:
            let shift = UInt8(position & 4)
            func nibble(_ i: Int) -> UInt8 { i < headSize ? (value.load(fromByteOffset: 4 &* i, as: UInt8.self) &>> shift) & 15 : 0 }
            for k in 0..<(headSize &+ 1) &>> 1 {
                values.storeBytes(of: nibble(2 &* k) | nibble(2 &* k &+ 1) &<< 4, toByteOffset: k, as: UInt8.self)
            }
        }
    }

    /// Puts a key and a value in their place. Like `setValue` not at the same time as another position nearby.
    /// - Parameters:
    ///   - bytes: `positionByteCount`, of 16 bits at a multiple of 2
    /// - Returns: false if quantising makes no such numbers
    public func restore(_ position: Int, headSize: Int, from bytes: UnsafeRawPointer) -> Bool {
        let keyScale = VectorScale(packed: bytes.loadUnaligned(as: Int32.self))
        let valueScale = VectorScale(packed: bytes.loadUnaligned(fromByteOffset: 4, as: Int32.self))
        let keys = bytes + 8, values = keys + (type == .int16 ? 2 &* headSize : headSize)
        var isPossible = keyScale.isPossible && valueScale.isPossible
        setKey(keys, keyScale, position: position, headSize: headSize)
        switch type {
        case .int16:
            // Keys, then values: all codes of 16 bits.
            let codes = keys.assumingMemoryBound(to: Int16.self)
            var least = Int16.max
            for i in 0..<2 &* headSize { least = min(least, codes[i]) }
            if least == .min { isPossible = false }
            setValue(values, valueScale, position: position, headSize: headSize)
        case .int8:
            let codes = keys.assumingMemoryBound(to: Int8.self)
            var least = Int8.max
            for i in 0..<2 &* headSize { least = min(least, codes[i]) }
            if least == .min { isPossible = false }
            setValue(values, valueScale, position: position, headSize: headSize)
        case .int4:
            let codes = keys.assumingMemoryBound(to: Int8.self)
            for i in 0..<headSize where codes[i] == .min { isPossible = false }
            if headSize & 1 == 1, values.load(fromByteOffset: headSize &>> 1, as: UInt8.self) > 15 { isPossible = false }
            restoreNibbles(values, valueScale, position: position, headSize: headSize)
        }
        return isPossible
    }

    /// `setValue` for codes of which a byte holds two.
    private func restoreNibbles(_ pairs: UnsafeRawPointer, _ scale: VectorScale, position: Int, headSize: Int) {
        valueScales[position] = scale.packed
        let place = valuePlace(position, headSize).assumingMemoryBound(to: UInt8.self)
        let shift = UInt8(position & 4), others = ~(15 as UInt8 &<< shift)
        for i in 0..<headSize {
            let nibble = (pairs.load(fromByteOffset: i &>> 1, as: UInt8.self) &>> UInt8(4 &* (i & 1))) & 15
            place[4 &* i] = place[4 &* i] & others | nibble &<< shift
        }
    }
}
