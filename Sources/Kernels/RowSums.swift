// acc of arithmetic-1, section 4, for blocks of 16 rows: the reference.

/// Sums of one block of 16 rows for one vector of activation codes.
/// - Parameters:
///   - block: index of the block.
///   - activations: int8 or int16 codes by `activationBits`, zero up to the end of the last line.
///   - sums: (16) exact.
@inline(__always)
func rowSums(
    _ matrix: Matrix, block: Int, activations: UnsafeRawPointer, activationBits: Int, sums: UnsafeMutablePointer<Int64>
) {
    let codes = matrix.codes + (block &* matrix.lineCount &* 64)
    switch matrix.encoding {
    case .int16Rows:
        rowSumsInt16(codes, lineCount: matrix.lineCount, activations, sums)
    case .int8Rows where activationBits == 16:
        rowSumsInt8Int16(codes, lineCount: matrix.lineCount, activations, sums)
    case .int8Rows:
        withUnsafeTemporary16 { narrow in
            rowSumsInt8(codes, lineCount: matrix.lineCount, activations, narrow)
            for r in 0..<16 { sums[r] = Int64(narrow[r]) }
        }
    case _ where activationBits == 16:
        rowSumsPacked(matrix, block: block, activations.assumingMemoryBound(to: Int16.self), sums)
    default:
        rowSumsPacked(matrix, block: block, activations.assumingMemoryBound(to: Int8.self), sums)
    }
}

@inline(__always)
func withUnsafeTemporary16(_ body: (UnsafeMutablePointer<Int32>) -> Void) {
    var storage = InlineArray<16, Int32>(repeating: 0)
    withUnsafeMutableBytes(of: &storage) { body($0.baseAddress!.assumingMemoryBound(to: Int32.self)) }
}

/// Reference: int8 codes, int8 activations. At most 65,536 products of 2^14: 32 bits hold the sum.
@inline(never)
public func rowSumsInt8(
    _ codes: UnsafeRawPointer, lineCount: Int, _ activations: UnsafeRawPointer, _ sums: UnsafeMutablePointer<Int32>
) {
    let x = activations.assumingMemoryBound(to: Int8.self)
    // Four rows at a time, whose sums the compiler keeps in registers.
    for group in 0..<4 {
        var w = codes.assumingMemoryBound(to: Int8.self) + (group &* 16)
        var s0: Int32 = 0, s1: Int32 = 0, s2: Int32 = 0, s3: Int32 = 0
        for line in 0..<lineCount {
            let x0 = Int32(x[4 &* line]), x1 = Int32(x[4 &* line &+ 1])
            let x2 = Int32(x[4 &* line &+ 2]), x3 = Int32(x[4 &* line &+ 3])
            s0 &+= Int32(w[0]) &* x0 &+ Int32(w[1]) &* x1 &+ Int32(w[2]) &* x2 &+ Int32(w[3]) &* x3
            s1 &+= Int32(w[4]) &* x0 &+ Int32(w[5]) &* x1 &+ Int32(w[6]) &* x2 &+ Int32(w[7]) &* x3
            s2 &+= Int32(w[8]) &* x0 &+ Int32(w[9]) &* x1 &+ Int32(w[10]) &* x2 &+ Int32(w[11]) &* x3
            s3 &+= Int32(w[12]) &* x0 &+ Int32(w[13]) &* x1 &+ Int32(w[14]) &* x2 &+ Int32(w[15]) &* x3
            w += 64
        }
        sums[4 &* group] = s0
        sums[4 &* group &+ 1] = s1
        sums[4 &* group &+ 2] = s2
        sums[4 &* group &+ 3] = s3
    }
}

/// Reference: int8 codes, int16 activations.
@inline(never)
public func rowSumsInt8Int16(
    _ codes: UnsafeRawPointer, lineCount: Int, _ activations: UnsafeRawPointer, _ sums: UnsafeMutablePointer<Int64>
) {
    let w = codes.assumingMemoryBound(to: Int8.self)
    let x = activations.assumingMemoryBound(to: Int16.self)
    for r in 0..<16 { sums[r] = 0 }
    for line in 0..<lineCount {
        let x0 = Int32(x[4 &* line]), x1 = Int32(x[4 &* line &+ 1])
        let x2 = Int32(x[4 &* line &+ 2]), x3 = Int32(x[4 &* line &+ 3])
        for r in 0..<16 {
            let k = line &* 64 &+ r &* 4
            // Four products of 2^22 fit in 32 bits.
            let part = Int32(w[k]) &* x0 &+ Int32(w[k &+ 1]) &* x1 &+ Int32(w[k &+ 2]) &* x2 &+ Int32(w[k &+ 3]) &* x3
            sums[r] &+= Int64(part)
        }
    }
}

/// Reference: int16 codes, int16 activations.
@inline(never)
public func rowSumsInt16(
    _ codes: UnsafeRawPointer, lineCount: Int, _ activations: UnsafeRawPointer, _ sums: UnsafeMutablePointer<Int64>
) {
    let w = codes.assumingMemoryBound(to: Int16.self)
    let x = activations.assumingMemoryBound(to: Int16.self)
    for r in 0..<16 { sums[r] = 0 }
    for line in 0..<lineCount {
        let x0 = Int32(x[2 &* line]), x1 = Int32(x[2 &* line &+ 1])
        for r in 0..<16 {
            let k = line &* 32 &+ r &* 2
            // A product of -2^15 and 2^15 - 1 fits in 32 bits; two of them need 64.
            sums[r] &+= Int64(Int32(w[k]) &* x0) &+ Int64(Int32(w[k &+ 1]) &* x1)
        }
    }
}

/// Reference: groups and ternary codes, int8 or int16 activations.
@inline(__always)
func rowSumsPacked<Activation: FixedWidthInteger>(
    _ matrix: Matrix, block: Int, _ x: UnsafePointer<Activation>, _ sums: UnsafeMutablePointer<Int64>
) {
    for r in 0..<16 { sums[r] = 0 }
    var column = 0
    while column < matrix.columns {
        let end = min(column &+ 16, matrix.columns)
        for r in 0..<16 {
            // 16 products of 960 and 2^15 fit in 32 bits.
            var part: Int32 = 0
            for j in column..<end { part &+= Int32(truncatingIfNeeded: matrix.code(block &* 16 &+ r, j)) &* Int32(x[j]) }
            sums[r] &+= Int64(part)
        }
        column = end
    }
}
