import Foundation

/// Bounds-checked little-endian loads from a block of bytes; nothing here can trap, whatever the offset.
struct LittleEndianBytes: Sendable {
    let data: Data
    let count: Int

    init(_ data: Data) {
        // A slice keeps the indices of its parent; everything below counts from zero.
        self.data = data.startIndex == 0 ? data : Data(data)
        count = data.count
    }

    /// True if `length` bytes from `offset` on lie inside the block.
    func holds(_ offset: Int, _ length: Int) -> Bool {
        offset >= 0 && length >= 0 && offset <= count && length <= count - offset
    }

    func byte(_ offset: Int) -> UInt8? { holds(offset, 1) ? data[offset] : nil }

    func word16(_ offset: Int) -> Int? { load(offset, 2).map { Int($0) } }

    func word32(_ offset: Int) -> UInt32? { load(offset, 4).map { UInt32($0) } }

    func signed32(_ offset: Int) -> Int? { word32(offset).map { Int(Int32(bitPattern: $0)) } }

    func word64(_ offset: Int) -> UInt64? { load(offset, 8) }

    private func load(_ offset: Int, _ length: Int) -> UInt64? {
        guard holds(offset, length) else { return nil }
        var value: UInt64 = 0
        for index in 0..<length { value |= UInt64(data[offset + index]) << UInt64(8 * index) }
        return value
    }

    /// True if the block begins with these bytes.
    func begins(with prefix: [UInt8]) -> Bool {
        count >= prefix.count && data.prefix(prefix.count).elementsEqual(prefix)
    }

    func begins(with text: String) -> Bool { begins(with: Array(text.utf8)) }
}
