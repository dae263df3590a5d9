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

    /// Puts keys and values of successive positions in their places. Like `setValue` not at the same time as another position nearby.
    /// - Parameters:
    ///   - bytes: (positions, `positionByteCount`), of 16 bits at a multiple of 2
    /// - Returns: false if quantising makes no such numbers
    public func restore(_ positions: Range<Int>, headSize: Int, from bytes: UnsafeRawPointer) -> Bool {
        let stride = type.positionByteCount(headSize: headSize)
        var isPossible = true
        var position = positions.lowerBound, from = bytes
        while position < positions.upperBound {
            let isGroup = position & 7 == 0 && position &+ 8 <= positions.upperBound, count = isGroup ? 8 : 1
            for k in 0..<count where !restoreKey(position &+ k, headSize: headSize, from: from + k &* stride) { isPossible = false }
            let values = from + (8 &+ (type == .int16 ? 2 &* headSize : headSize))
            if isGroup {
                restoreValues(position, headSize: headSize, from: values, stride)
            } else {
                restoreValue(position, headSize: headSize, from: values)
            }
            position &+= count
            from += count &* stride
        }
        return isPossible
    }

    /// The scales and the key of a position; its value is only looked at.
    /// - Returns: false if quantising makes no such numbers
    private func restoreKey(_ position: Int, headSize: Int, from bytes: UnsafeRawPointer) -> Bool {
        let keyScale = VectorScale(packed: bytes.loadUnaligned(as: Int32.self))
        let valueScale = VectorScale(packed: bytes.loadUnaligned(fromByteOffset: 4, as: Int32.self))
        var isPossible = keyScale.isPossible && valueScale.isPossible
        let codes = bytes + 8
        setKey(codes, keyScale, position: position, headSize: headSize)
        valueScales[position] = valueScale.packed
        if type == .int16 {
            // Keys, then values: all codes of 16 bits.
            let codes = codes.assumingMemoryBound(to: Int16.self)
            var least = Int16.max
            for i in 0..<2 &* headSize { least = min(least, codes[i]) }
            if least == .min { isPossible = false }
        } else {
            let codes = codes.assumingMemoryBound(to: Int8.self), isNarrow = type == .int4
            var least = Int8.max
            for i in 0..<(isNarrow ? headSize : 2 &* headSize) { least = min(least, codes[i]) }
            if least == .min { isPossible = false }
            // The last pair of an odd number of codes of 4 bits is half empty.
            if isNarrow, headSize & 1 == 1, UInt8(bitPattern: codes[headSize &+ headSize &>> 1]) > 15 { isPossible = false }
        }
        return isPossible
    }

    /// - Parameters:
    ///   - codes: (headSize) Int16 or Int8, or pairs of codes of 4 bits
    private func restoreValue(_ position: Int, headSize: Int, from codes: UnsafeRawPointer) {
        let place = valuePlace(position, headSize)
        switch type {
        case .int16:
            let from = codes.assumingMemoryBound(to: Int16.self), to = place.assumingMemoryBound(to: Int16.self)
            for i in 0..<headSize { to[2 &* i] = from[i] }
        case .int8:
            let from = codes.assumingMemoryBound(to: UInt8.self), to = place.assumingMemoryBound(to: UInt8.self)
            for i in 0..<headSize { to[4 &* i] = from[i] }
        case .int4:
            // A byte is shared with the position 4 before or after.
            let from = codes.assumingMemoryBound(to: UInt8.self), to = place.assumingMemoryBound(to: UInt8.self)
            let shift = UInt8(position & 4), others = ~(15 as UInt8 &<< shift)
            for i in 0..<headSize {
                let nibble = (from[i &>> 1] &>> UInt8(4 &* (i & 1))) & 15
                to[4 &* i] = to[4 &* i] & others | nibble &<< shift
            }
        }
    }

    /// The values of 8 positions, the first a multiple of 8, in whole words: those of which a word has elements side by side.
    /// - Parameters:
    ///   - codes: as for one position, `stride` bytes from one to the next
    private func restoreValues(_ position: Int, headSize: Int, from codes: UnsafeRawPointer, _ stride: Int) {
        switch type {
        case .int16:
            for pair in 0..<4 {
                let to = valuePlace(position &+ 2 &* pair, headSize).assumingMemoryBound(to: UInt32.self)
                let a = (codes + 2 &* pair &* stride).assumingMemoryBound(to: UInt16.self)
                let b = (codes + (2 &* pair &+ 1) &* stride).assumingMemoryBound(to: UInt16.self)
                for i in 0..<headSize { to[i] = UInt32(a[i]) | UInt32(b[i]) &<< 16 }
            }
        case .int8:
            for half in 0..<2 {
                let to = valuePlace(position &+ 4 &* half, headSize).assumingMemoryBound(to: UInt32.self)
                let a = (codes + 4 &* half &* stride).assumingMemoryBound(to: UInt8.self)
                for i in 0..<headSize { to[i] = Self.word(a, i, stride) }
            }
        case .int4:
            let to = valuePlace(position, headSize).assumingMemoryBound(to: UInt32.self)
            let a = codes.assumingMemoryBound(to: UInt8.self), b = a + 4 &* stride
            for k in 0..<headSize &>> 1 {
                let low = Self.word(a, k, stride), high = Self.word(b, k, stride)
                to[2 &* k] = low & 0x0F0F_0F0F | (high & 0x0F0F_0F0F) &<< 4
                to[2 &* k &+ 1] = (low &>> 4) & 0x0F0F_0F0F | high & 0xF0F0_F0F0
            }
            if headSize & 1 == 1 {
                let k = headSize &>> 1
                to[2 &* k] = Self.word(a, k, stride) & 0x0F0F_0F0F | (Self.word(b, k, stride) & 0x0F0F_0F0F) &<< 4
            }
        }
    }

    /// The same byte of four positions.
    @inline(__always)
    private static func word(_ a: UnsafePointer<UInt8>, _ i: Int, _ stride: Int) -> UInt32 {
        UInt32(a[i]) | UInt32(a[i &+ stride]) &<< 8 | UInt32(a[i &+ 2 &* stride]) &<< 16 | UInt32(a[i &+ 3 &* stride]) &<< 24
    }
}
