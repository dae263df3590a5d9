/// What a character is to the rules that cut a text into pieces: stlm-1, section 8.8.
public enum CharacterClass: UInt8, Sendable {
    case other = 0, letter, number, white
}

/// The class of a code point: that of Formats/character-classes.txt.
// Modules that have the body of a function have its tables too.
@export(interface)
public func characterClass(_ scalar: UInt32) -> CharacterClass {
    if scalar < 0x80 { return asciiClass(UInt8(truncatingIfNeeded: scalar)) }
    // The last group of ranges that begins at or before the code point.
    var low = 0
    var high = characterClassIndex.count
    while high &- low > 1 {
        let middle = (low &+ high) / 2
        if characterClassIndex[middle] &>> 11 <= scalar { low = middle } else { high = middle }
    }
    var at = Int(characterClassIndex[low] & 0x7FF)
    let end = low &+ 1 < characterClassIndex.count ? Int(characterClassIndex[low &+ 1] & 0x7FF) : characterClassRanges.count
    var position = characterClassIndex[low] &>> 11
    while at < end {
        let head = nextNumber(&at)
        position &+= head &>> 2
        if scalar < position { return .other }
        position &+= nextNumber(&at) &+ 1
        if scalar < position { return CharacterClass(rawValue: UInt8(head & 3)) ?? .other }
    }
    return .other
}

@inline(__always)
func asciiClass(_ byte: UInt8) -> CharacterClass {
    if (byte | 0x20) &- 0x61 < 26 { return .letter }
    if byte == 0x20 || byte &- 0x09 < 5 { return .white }
    return byte &- 0x30 < 10 ? .number : .other
}

/// One number of the table: seven bits a byte, low bits first, the top bit set where more follow.
@inline(__always)
private func nextNumber(_ at: inout Int) -> UInt32 {
    var value: UInt32 = 0
    var shift: UInt32 = 0
    while true {
        let byte = UInt32(characterClassRanges[at])
        at &+= 1
        value |= (byte & 0x7F) &<< shift
        if byte < 0x80 { return value }
        shift &+= 7
    }
}
