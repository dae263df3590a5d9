/// Codes of 16 bits from one form to the other, in planes or not.
/// - Parameters:
///   - codes: (count) in the other form of 16 bits
public func turn(_ codes: UnsafeRawPointer, count: Int, into turned: UnsafeMutableRawPointer, _ form: CodeForm) {
    for i in 0..<count {
        if form == .planes {
            let code = codes.load(fromByteOffset: 2 &* i, as: Int16.self)
            turned.storeBytes(of: Int8(truncatingIfNeeded: code &>> 8), toByteOffset: i, as: Int8.self)
            turned.storeBytes(of: UInt8(truncatingIfNeeded: code), toByteOffset: count &+ i, as: UInt8.self)
        } else {
            let high = Int16(codes.load(fromByteOffset: i, as: Int8.self)), low = codes.load(fromByteOffset: count &+ i, as: UInt8.self)
            turned.storeBytes(of: high &<< 8 | Int16(low), toByteOffset: 2 &* i, as: Int16.self)
        }
    }
}
