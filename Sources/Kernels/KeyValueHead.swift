import FixedPoint

/// What keys and values are kept as: arithmetic-1, section 6.2, step 3.
@frozen
public enum KeyValueType: UInt8, Sendable {
    /// Keys and values of 16 bits.
    case int16
    /// Keys and values of 8 bits.
    case int8
    /// Keys of 8 bits, values of 4.
    case int4

    public static let count: UInt8 = 3
    /// Heads of at most so many elements have keys of 8 bits by `quantizeBytes`.
    public static let smallHeadSize = 16

    public var name: StaticString {
        switch self {
        case .int16: "int16"
        case .int8: "int8"
        case .int4: "int4"
        }
    }

    /// Bytes of a head's keys.
    /// - Parameters:
    ///   - capacity: positions, a multiple of 16
    public func keyByteCount(capacity: Int, headSize: Int) -> Int {
        self == .int16 ? capacity &* ((headSize &+ 1) &>> 1) &* 4 : capacity &* ((headSize &+ 3) &>> 2) &* 4
    }

    /// Bytes of a head's values.
    public func valueByteCount(capacity: Int, headSize: Int) -> Int {
        switch self {
        case .int16: capacity &* headSize &* 2
        case .int8: capacity &* headSize
        case .int4: (capacity &>> 1) &* headSize
        }
    }
}

extension VectorScale {
    /// The mantissa, below 2^17, and the exponent in the 15 bits above it: the order of packed scales is that of their exponents.
    @inlinable @inline(__always)
    public init(packed: Int32) { self.init(mantissa: packed & 0x1FFFF, exponent: packed &>> 17) }

    @inlinable @inline(__always)
    public var packed: Int32 { exponent &<< 17 | mantissa }
}

/// Keys and values of one layer and key-value head.
///
/// Positions are grouped so that kernels find the same elements of several side by side: of keys 16 positions, of values 2, 4 or 8.
@frozen
public struct KeyValueHead {
    public var type: KeyValueType
    /// int16: (positions / 16, headSize / 2, 16 positions, 2) Int16; else (positions / 16, headSize / 4, 16 positions, 4) Int8.
    /// Each division rounded up; zero beyond headSize
    public var keys: UnsafeMutableRawPointer
    /// int16: (positions / 2, headSize, 2 positions) Int16; int8: (positions / 4, headSize, 4 positions) Int8; int4: (positions / 8,
    /// headSize, 4) bytes, of which byte k has position k in its low half and position k + 4 in its high half, n for 2 n - 15. Each division
    /// rounded up; 64 bytes after the last can be read
    public var values: UnsafeMutableRawPointer
    /// (positions rounded up to 16) packed scales, as are those below
    public var keyScales: UnsafeMutablePointer<Int32>
    public var valueScales: UnsafeMutablePointer<Int32>

    public init(
        type: KeyValueType, keys: UnsafeMutableRawPointer, values: UnsafeMutableRawPointer, keyScales: UnsafeMutablePointer<Int32>,
        valueScales: UnsafeMutablePointer<Int32>
    ) {
        self.type = type
        self.keys = keys
        self.values = values
        self.keyScales = keyScales
        self.valueScales = valueScales
    }

    /// Bytes before a key's first element.
    @inline(__always)
    private func keyOffset(_ position: Int, _ headSize: Int) -> Int {
        let lines = type == .int16 ? (headSize &+ 1) &>> 1 : (headSize &+ 3) &>> 2
        return (position &>> 4) &* lines &* 64 &+ (position & 15) &* 4
    }

    /// Bytes before a value's first element.
    @inline(__always)
    private func valueOffset(_ position: Int, _ headSize: Int) -> Int {
        switch type {
        case .int16: (position &>> 1) &* headSize &* 4 &+ (position & 1) &* 2
        case .int8: (position &>> 2) &* headSize &* 4 &+ (position & 3)
        case .int4: (position &>> 3) &* headSize &* 4 &+ (position & 3)
        }
    }

    /// Where a key and a value begin.
    @inline(__always)
    func keyPlace(_ position: Int, _ headSize: Int) -> UnsafeMutableRawPointer { keys + keyOffset(position, headSize) }

    @inline(__always)
    func valuePlace(_ position: Int, _ headSize: Int) -> UnsafeMutableRawPointer { values + valueOffset(position, headSize) }

    @inline(__always)
    func key(_ position: Int, _ element: Int, headSize: Int) -> Int32 {
        let key = keyPlace(position, headSize)
        if type == .int16 { return Int32(key.load(fromByteOffset: (element &>> 1) &* 64 &+ (element & 1) &* 2, as: Int16.self)) }
        return Int32(key.load(fromByteOffset: (element &>> 2) &* 64 &+ (element & 3), as: Int8.self))
    }

    /// An element in units of its scale.
    @inline(__always)
    func value(_ position: Int, _ element: Int, headSize: Int) -> Int32 {
        let value = valuePlace(position, headSize) + 4 &* element
        switch type {
        case .int16: return Int32(value.load(as: Int16.self))
        case .int8: return Int32(value.load(as: Int8.self))
        case .int4:
            let both = value.load(as: UInt8.self)
            return 2 &* Int32(position & 4 == 0 ? both & 15 : both &>> 4) &- 15
        }
    }

    /// Puts a key in its place.
    /// - Parameters:
    ///   - codes: (headSize) Int16, or Int8 where keys are of 8 bits
    public func setKey(_ codes: UnsafeRawPointer, _ scale: VectorScale, position: Int, headSize: Int) {
        keyScales[position] = scale.packed
        // Lines of 64 bytes have 4 bytes of a position.
        let bytes = type == .int16 ? 2 &* headSize : headSize
        var place = keyPlace(position, headSize)
        var done = 0
        while done &+ 4 <= bytes {
            place.storeBytes(of: codes.loadUnaligned(fromByteOffset: done, as: UInt32.self), as: UInt32.self)
            place += 64
            done &+= 4
        }
        if done == bytes { return }
        place.storeBytes(of: 0, as: UInt32.self)
        place.copyMemory(from: codes + done, byteCount: bytes &- done)
    }

    /// Puts a value in its place. Not at the same time as another of int4 at the same `position / 8`, with which it shares words.
    /// - Parameters:
    ///   - codes: (headSize) Int16, Int8 or, one a byte, codes of 4 bits
    public func setValue(_ codes: UnsafeRawPointer, _ scale: VectorScale, position: Int, headSize: Int) {
        valueScales[position] = scale.packed
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
            let from = codes.assumingMemoryBound(to: UInt8.self)
            let to = (place - (position & 3)).assumingMemoryBound(to: UInt32.self)
            let shift = UInt32(position & 3) &* 8 &+ UInt32(position & 4), others = ~(15 as UInt32 &<< shift)
            for i in 0..<headSize { to[i] = to[i] & others | UInt32(from[i]) &<< shift }
        }
    }
}
