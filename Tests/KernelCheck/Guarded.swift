import CPlatform
import Guard

/// Memory that ends where a page begins that cannot be touched. Below what is taken of it lies a canary.
struct Guarded: ~Copyable {
    private static let canary: UInt64 = 0xA5A5_A5A5_A5A5_A5A5
    private static let canaryWords = 8

    private let end: UnsafeMutableRawPointer
    private let capacity: Int
    private var start: UnsafeMutableRawPointer

    /// - Parameters:
    ///   - capacity: bytes, the most that is taken at once
    init(_ capacity: Int) {
        self.capacity = capacity + 8 * Self.canaryWords
        guard let end = guard_reserve(self.capacity) else {
            trial.print("has no memory")
            stlm_exit(2)
        }
        self.end = end
        start = end
    }

    deinit { guard_release(end, capacity) }

    /// The last `count` elements before the page, with what they held.
    mutating func take<Element: BitwiseCopyable>(_ count: Int, of _: Element.Type) -> UnsafeMutablePointer<Element> {
        let byteCount = count * MemoryLayout<Element>.stride
        precondition(byteCount + 8 * Self.canaryWords <= capacity)
        start = end - byteCount
        for k in 1...Self.canaryWords { start.storeBytes(of: Self.canary, toByteOffset: -8 * k, as: UInt64.self) }
        return start.assumingMemoryBound(to: Element.self)
    }

    /// False if something was written right below what was taken.
    var isIntact: Bool {
        for k in 1...Self.canaryWords where start.loadUnaligned(fromByteOffset: -8 * k, as: UInt64.self) != Self.canary { return false }
        return true
    }
}

/// Whether two buffers hold the same numbers.
func areEqual<Element: FixedWidthInteger>(_ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>, _ count: Int) -> Bool {
    for i in 0..<count where a[i] != b[i] { return false }
    return true
}
