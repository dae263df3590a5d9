/// e^x of eight numbers to about one unit of the last place (after Moshier's Cephes, `expf`); 0 below −87.
@inline(__always)
func fastExponential(_ argument: SIMD8<Float>) -> SIMD8<Float> {
    let isTiny = argument .< -87
    let x = argument.replacing(with: 88, where: argument .> 88).replacing(with: -87, where: isTiny)
    // Adding 1.5 · 2²³ rounds to a whole number, which then stands in the low bits.
    let shifted = x * 1.44269504 + 12_582_912
    let whole = shifted - 12_582_912
    let rest = x - whole * 0.693359375 + whole * 2.12194440e-4
    var sum = rest * 1.9875691500e-4 + 1.3981999507e-3
    sum = sum * rest + 8.3334519073e-3
    sum = sum * rest + 4.1665795894e-2
    sum = sum * rest + 1.6666665459e-1
    sum = sum * rest + 5.0000001201e-1
    sum = sum * (rest * rest) + rest + 1
    let bits = unsafeBitCast(shifted, to: SIMD8<UInt32>.self) &+ (127 &- 0x4B40_0000 as UInt32)
    let power = unsafeBitCast(bits &<< 23, to: SIMD8<Float>.self)
    return (sum * power).replacing(with: 0, where: isTiny)
}

/// Σ of a buffer in eight sums side by side, of `value(element)`.
@inline(__always)
func laneSum(_ values: UnsafePointer<Float>, _ count: Int, _ value: (SIMD8<Float>) -> SIMD8<Float>) -> Float {
    var sums = SIMD8<Float>.zero
    var index = 0
    while index &+ 8 <= count {
        sums += value(UnsafeRawPointer(values + index).loadUnaligned(as: SIMD8<Float>.self))
        index &+= 8
    }
    var sum = (sums.lowHalf + sums.highHalf).sum()
    while index < count {
        sum += value(SIMD8(repeating: values[index]))[0]
        index &+= 1
    }
    return sum
}
