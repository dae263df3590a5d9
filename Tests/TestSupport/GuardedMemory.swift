import Foundation

/// Memory between two pages that cannot be touched: a read or write beyond either end stops the test at once.
///
/// The content ends where the upper page begins, but for what its alignment takes. The bytes just below it
/// hold a pattern that `isSlackIntact` checks.
public final class GuardedMemory {
    private static let pageByteCount = sysconf(Int32(_SC_PAGESIZE))
    private static let pattern: UInt8 = 0xA5

    private let map: UnsafeMutableRawPointer
    private let mapByteCount: Int
    private var slackByteCount = 0
    public let capacity: Int
    /// The bytes in use: the last `take` of them, or all.
    public private(set) var bytes: UnsafeMutableRawBufferPointer

    public init(byteCount: Int, alignment: Int = 1) {
        let page = Self.pageByteCount
        capacity = (max(1, byteCount) + page - 1) / page * page
        mapByteCount = capacity + 2 * page
        map = mmap(nil, mapByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(map != MAP_FAILED, "no memory for a test")
        mprotect(map, page, PROT_NONE)
        mprotect(map + page + capacity, page, PROT_NONE)
        bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        take(byteCount, alignment: alignment)
    }

    public convenience init(_ content: some Collection<UInt8>, alignment: Int = 1) {
        self.init(byteCount: content.count, alignment: alignment)
        bytes.copyBytes(from: content)
    }

    deinit { munmap(map, mapByteCount) }

    /// Uses only so many bytes, as near to the upper page as the alignment allows, and fills the rest with the pattern.
    public func take(_ byteCount: Int, alignment: Int = 1) {
        precondition(byteCount <= capacity, "the guarded memory is too small")
        let start = (capacity - byteCount) / alignment * alignment
        let content = map + Self.pageByteCount
        slackByteCount = min(start, Self.pageByteCount)
        memset(content + (start - slackByteCount), Int32(Self.pattern), slackByteCount)
        bytes = UnsafeMutableRawBufferPointer(start: content + start, count: byteCount)
    }

    /// False if something was written just below the content.
    public var isSlackIntact: Bool {
        UnsafeRawBufferPointer(start: bytes.baseAddress! - slackByteCount, count: slackByteCount).allSatisfy { $0 == Self.pattern }
    }

    public var base: UnsafeMutableRawPointer { bytes.baseAddress! }
}

/// An array of numbers in guarded memory.
public final class GuardedArray<Element: BitwiseCopyable> {
    public let memory: GuardedMemory
    public let count: Int
    public let pointer: UnsafeMutablePointer<Element>

    public init(_ elements: [Element]) {
        count = elements.count
        memory = GuardedMemory(byteCount: count * MemoryLayout<Element>.stride, alignment: MemoryLayout<Element>.alignment)
        pointer = memory.base.bindMemory(to: Element.self, capacity: max(1, count))
        elements.withUnsafeBytes { memory.bytes.copyMemory(from: $0) }
    }

    public convenience init(count: Int, repeating element: Element) {
        self.init([Element](repeating: element, count: count))
    }

    public var elements: [Element] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
}
