/// A text seen as characters of four classes. A byte that is no part of a well-formed UTF-8 character (Unicode, table 3-7) is a
/// character of its own, of class other: stlm-1, section 8.8.
package struct ClassedText {
    let bytes: UnsafePointer<UInt8>
    let byteCount: Int

    package init(bytes: UnsafePointer<UInt8>, byteCount: Int) {
        self.bytes = bytes
        self.byteCount = byteCount
    }

    /// The class of the character at an offset below `byteCount`, and the offset behind it.
    @inline(__always)
    func character(at offset: Int) -> (kind: CharacterClass, end: Int) {
        let first = bytes[offset]
        if first < 0x80 { return (asciiClass(first), offset &+ 1) }
        guard let character = UTF8Character(bytes + offset, count: byteCount &- offset) else { return (.other, offset &+ 1) }
        return (characterClass(character.scalar), offset &+ character.byteCount)
    }

    /// True if the text has a character at an offset and it is not white.
    @inline(__always)
    func isSolid(at offset: Int) -> Bool { offset < byteCount && character(at: offset).kind != .white }

    /// The end of the run of characters of one class from an offset on.
    func runEnd(of kind: CharacterClass, from offset: Int) -> Int {
        var at = offset
        while at < byteCount {
            let next = character(at: at)
            if next.kind != kind { break }
            at = next.end
        }
        return at
    }
}
