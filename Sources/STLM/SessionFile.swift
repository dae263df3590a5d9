import Kernels
import ModelFile

/// The first 64 bytes of a session file, field by field: Formats/session-1.md, section 2.
struct SessionFileHeader {
    static let magic: UInt64 = 0x1A0A_0D53_4C54_5389  // 89 53 54 4C 53 0D 0A 1A, read little-endian
    static let version: UInt16 = 1
    static let byteCount = 64
    static let hasRandom: UInt32 = 1

    var magic = Self.magic
    var version = Self.version
    var modelFormatVersion: UInt16 = 0
    var headerChecksum: UInt32 = 0
    var fileByteCount: UInt64 = 0
    var modelByteCount: UInt64 = 0
    var modelChecksum: UInt32 = 0
    var keyValueType: UInt32 = 0
    var inputCount: UInt32 = 0
    var inputSize: UInt32 = 0
    var recentCount: UInt32 = 0
    var flags: UInt32 = 0
    var randomState: UInt64 = 0

    /// Positions whose keys and values are in the file: all but the last.
    var positionCount: Int { max(0, Int(inputCount) - 1) }

    /// What `headerChecksum` should be.
    var ownChecksum: UInt32 {
        var copy = self
        copy.headerChecksum = 0
        return withUnsafeBytes(of: &copy) { CRC32.of($0.baseAddress!, byteCount: $0.count) }
    }
}

/// What was written of a session file so far.
struct SessionWriter {
    private let kernels: KernelSet
    private(set) var sum = CRC32()
    /// False once the bytes were not taken.
    private(set) var isWritten = true

    init(_ kernels: KernelSet) { self.kernels = kernels }

    mutating func put(_ bytes: UnsafeRawBufferPointer, _ write: (UnsafeRawBufferPointer) -> Bool) {
        if !isWritten || bytes.isEmpty { return }
        sum.update(bytes.baseAddress!, byteCount: bytes.count, kernels)
        isWritten = write(bytes)
    }
}

/// What was read of a session file so far.
struct SessionReader {
    /// Fills a buffer with the next bytes; false if there are not so many.
    typealias Read = (UnsafeMutableRawBufferPointer) -> Bool

    private let kernels: KernelSet
    private(set) var sum = CRC32()
    /// False once a number was read that no session has. It counts only if the checksum is right: else the file is damaged.
    var isPossible = true

    init(_ kernels: KernelSet) { self.kernels = kernels }

    mutating func fill(_ bytes: UnsafeMutableRawBufferPointer, _ read: Read) throws(SessionFileError) {
        if bytes.isEmpty { return }
        if !read(bytes) { throw .truncated }
        add(UnsafeRawBufferPointer(bytes))
    }

    /// Counts bytes that were read.
    mutating func add(_ bytes: UnsafeRawBufferPointer) { sum.update(bytes.baseAddress!, byteCount: bytes.count, kernels) }
}

extension Session {
    /// Bytes of the file of so many inputs and recent tokens.
    func sessionFileByteCount(inputCount: Int, recentCount: Int) -> Int64 {
        // A file may claim a length that no Int of 32 bits holds.
        var positionByteCount: Int64 = 0
        for index in model.coreSteps {
            guard let record = attention(ofStep: index) else { continue }
            positionByteCount += Int64(record.kvHeadCount) * Int64(plan.keyValueType.positionByteCount(headSize: Int(record.headSize)))
        }
        let numbers = inputCount * model.inputSize + recentCount
        return Int64(SessionFileHeader.byteCount + 4 * numbers + 4) + Int64(max(0, inputCount - 1)) * positionByteCount
    }

    func attention(ofStep index: Int) -> AttentionRecord? {
        let attention = model.file.step(index).attention
        return attention == Layout.none ? nil : model.file.attention(Int(attention))
    }

    /// Calls `body` with each run of positions of a head that is copied at once, in the order of the file, until it returns false.
    /// - Parameters:
    ///   - body: takes the head, its size, the positions, and room for them in the arena, free between steps: one of two in turn, so that
    ///     what is in the other still holds
    func forEachRun(
        positionCount: Int, _ body: (KeyValueHead, Int, Range<Int>, UnsafeMutableRawBufferPointer) -> Bool
    ) {
        var cache = arena + plan.keyValues.offset
        var room = plan.wide, other = plan.other
        for index in model.coreSteps {
            defer {
                cache += Int(model.cacheByteCount(model.file.step(index), positionCount: plan.contextTokenCount, plan.keyValueType))
            }
            guard let record = attention(ofStep: index) else { continue }
            let size = Int(record.headSize), bytes = plan.keyValueType.positionByteCount(headSize: size)
            let scope = AttentionScope(
                keyValueType: plan.keyValueType, capacity: plan.contextTokenCount, firstPosition: 0, isCausal: true)
            let slot = KeyValueSlot(cache, record, scope)
            // Room for the queries, keys and values of a row is room for a position of a head. Whole groups of 16 are faster.
            let fitting = max(1, min(room.byteCount, 65_536) / bytes), most = fitting < 16 ? fitting : fitting & ~15
            for head in 0..<Int(record.kvHeadCount) {
                var first = 0
                while first < positionCount {
                    let end = min(first + most, positionCount)
                    let memory = UnsafeMutableRawBufferPointer(start: arena + room.offset, count: (end - first) * bytes)
                    if !body(slot.head(head), size, first..<end, memory) { return }
                    swap(&room, &other)
                    first = end
                }
            }
        }
    }
}
