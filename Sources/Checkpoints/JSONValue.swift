/// A JSON text as a tree. Strings are UTF-8; an object keeps the order of its entries, whose keys differ.
enum JSONValue {
    case object([(key: [UInt8], value: JSONValue)])
    case array([JSONValue])
    case string([UInt8])
    /// As it is written.
    case number([UInt8])
    case bool(Bool)
    case null

    /// The value of a key of an object.
    subscript(_ key: String) -> JSONValue? {
        guard case .object(let entries) = self else { return nil }
        return entries.first { $0.key.elementsEqual(key.utf8) }?.value
    }

    /// A string as text.
    var text: String? {
        guard case .string(let bytes) = self else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A whole number from 0 up of at most nine digits.
    var index: Int? {
        guard case .number(let digits) = self, (1...9).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return digits.reduce(0) { 10 * $0 + Int($1 - 0x30) }
    }

    /// What stands there, for a sentence.
    var shortText: String {
        switch self {
        case .object: "an object"
        case .array: "a list"
        case .string(let bytes): quoted(String(decoding: bytes, as: UTF8.self))
        case .number(let digits): String(decoding: digits.prefix(30), as: UTF8.self) + (digits.count > 30 ? "..." : "")
        case .bool(let value): value ? "true" : "false"
        case .null: "null"
        }
    }
}
