import FixedPoint
import Foundation
import Testing

/// Memory between pages that must not be touched.
final class GuardedPages {
    private let base: UnsafeMutableRawPointer
    private let total: Int
    private let first: Int
    private let byteCount: Int
    private static let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    private static let mark: UInt8 = 0xC3

    init(_ byteCount: Int) {
        self.byteCount = byteCount
        let body = (byteCount + Self.page - 1) / Self.page * Self.page
        total = body + 2 * Self.page
        base = mmap(nil, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(mprotect(base + Self.page, body, PROT_READ | PROT_WRITE) == 0)
        memset(base + Self.page, 0xA5, body)
        first = Self.page + body - byteCount
        memset(base + Self.page, Int32(Self.mark), body - byteCount)
    }

    deinit { munmap(base, total) }

    /// Ends at a page that cannot be read or written.
    var atEnd: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base + first, count: byteCount) }
    /// Begins right after one.
    var atStart: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base + Self.page, count: byteCount) }

    /// Nothing was written between the first page and the memory at the end.
    func check() {
        let before = UnsafeRawBufferPointer(start: base + Self.page, count: first - Self.page)
        #expect(before.allSatisfy { $0 == Self.mark })
    }
}

/// The generator that sampling draws from, started from a seed.
struct SeededDraws {
    var state: SplitMix64
    init(seed: UInt64) { state = SplitMix64(seed: seed) }
}
