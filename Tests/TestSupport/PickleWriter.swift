/// Writes pickles of protocol 2, opcode by opcode, so that tests can tell every truth and every lie.
public struct PickleWriter {
    public private(set) var bytes: [UInt8] = [0x80, 2]
    private var memoCount = 0
    private var globals: [String: Int] = [:]

    public init() {}

    /// Opcodes or operands as they are.
    public mutating func raw(_ raw: [UInt8]) { bytes += raw }

    public mutating func none() { raw([0x4E]) }
    public mutating func bool(_ value: Bool) { raw([value ? 0x88 : 0x89]) }
    public mutating func mark() { raw([0x28]) }
    public mutating func emptyTuple() { raw([0x29]) }
    public mutating func emptyDictionary() { raw([0x7D]) }
    public mutating func emptyList() { raw([0x5D]) }
    /// Everything since the mark.
    public mutating func tuple() { raw([0x74]) }
    public mutating func setItems() { raw([0x75]) }
    public mutating func appends() { raw([0x65]) }
    public mutating func reduce() { raw([0x52]) }
    public mutating func newObject() { raw([0x81]) }
    public mutating func build() { raw([0x62]) }
    public mutating func persistentId() { raw([0x51]) }
    public mutating func stop() { raw([0x2E]) }

    public mutating func integer(_ value: Int) {
        if (0..<256).contains(value) {
            raw([0x4B, UInt8(value)])
        } else if let small = Int32(exactly: value) {
            raw([0x4A] + littleEndian(UInt64(UInt32(bitPattern: small)), 4))
        } else {
            raw([0x8A, 8] + littleEndian(UInt64(bitPattern: Int64(value)), 8))
        }
    }

    public mutating func real(_ value: Double) { raw([0x47] + littleEndian(value.bitPattern, 8).reversed()) }

    public mutating func text(_ value: String) {
        raw([0x58] + littleEndian(UInt64(value.utf8.count), 4) + Array(value.utf8))
    }

    /// A class or function; remembered, so that the second use is a recall, as Python writes it.
    public mutating func global(_ module: String, _ name: String) {
        if let number = globals[module + "." + name] { return recall(number) }
        raw([0x63] + Array("\(module)\n\(name)\n".utf8))
        globals[module + "." + name] = memoize()
    }

    /// Stores the top of the stack and returns its number.
    @discardableResult
    public mutating func memoize() -> Int {
        raw(memoCount < 256 ? [0x71, UInt8(memoCount)] : [0x72] + littleEndian(UInt64(memoCount), 4))
        memoCount += 1
        return memoCount - 1
    }

    public mutating func recall(_ number: Int) {
        raw(number < 256 ? [0x68, UInt8(number)] : [0x6A] + littleEndian(UInt64(number), 4))
    }

    public mutating func integers(_ values: [Int]) {
        mark()
        for value in values { integer(value) }
        tuple()
    }

    /// A new `collections.OrderedDict`, empty.
    public mutating func orderedDictionary() {
        global("collections", "OrderedDict")
        emptyTuple()
        reduce()
    }
}

func littleEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
}
