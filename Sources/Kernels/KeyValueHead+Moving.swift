import FixedPoint

// A position's key and value that take another position's place, when positions before them were dropped. To a lower place in rising
// order: the place of a value of 4 bits shares bytes with those 4 before and after.
extension KeyValueHead {
    /// What the codes of a key and their scale stand for: v of arithmetic-1, section 6.2.4.
    /// - Parameters:
    ///   - key: (headSize) Int32
    /// - Returns: its fraction bits
    public func readKey(_ position: Int, headSize: Int, into key: UnsafeMutablePointer<Int32>) -> Int {
        let scale = VectorScale(packed: keyScales[position]), mantissa = Int64(scale.mantissa)
        for i in 0..<headSize {
            key[i] = Int32(truncatingIfNeeded: roundingShiftRight(Int64(self.key(position, i, headSize: headSize)) &* mantissa, 1))
        }
        return Int(scale.exponent) &- 1
    }

    /// Copies a key as it is.
    public func moveKey(from: Int, to: Int, headSize: Int) {
        keyScales[to] = keyScales[from]
        let source = keyPlace(from, headSize), target = keyPlace(to, headSize)
        // Lines of 64 bytes have 4 bytes of a position.
        for line in 0..<type.keyByteCount(capacity: 1, headSize: headSize) / 4 {
            target.storeBytes(of: source.load(fromByteOffset: 64 &* line, as: UInt32.self), toByteOffset: 64 &* line, as: UInt32.self)
        }
    }

    /// Copies a value.
    public func moveValue(from: Int, to: Int, headSize: Int) {
        valueScales[to] = valueScales[from]
        let source = valuePlace(from, headSize), target = valuePlace(to, headSize)
        switch type {
        case .int16:
            let source = source.assumingMemoryBound(to: Int16.self), target = target.assumingMemoryBound(to: Int16.self)
            for i in 0..<headSize { target[2 &* i] = source[2 &* i] }
        case .int8:
            let source = source.assumingMemoryBound(to: UInt8.self), target = target.assumingMemoryBound(to: UInt8.self)
            for i in 0..<headSize { target[4 &* i] = source[4 &* i] }
        case .int4:
            let source = source.assumingMemoryBound(to: UInt8.self), target = target.assumingMemoryBound(to: UInt8.self)
            let right = UInt8(from & 4), left = UInt8(to & 4), others = ~(15 as UInt8 &<< left)
            for i in 0..<headSize {
                target[4 &* i] = target[4 &* i] & others | (source[4 &* i] &>> right & 15) &<< left
            }
        }
    }
}
