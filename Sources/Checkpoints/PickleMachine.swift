/// Walks the opcodes of a pickle and records what they describe.
///
/// The walk is a loop over a flat stack: nothing recurses, so nesting is limited by memory alone, and memory by the limits.
struct PickleMachine {
    /// Real checkpoints need about 40 values a tensor.
    static let nodeLimit = 2_000_000
    static let opcodeLimit = 16_000_000
    static let byteLimit = 64 << 20

    private let bytes: [UInt8]
    private var cursor = 0
    private var stack: [Int] = []
    private var marks: [Int] = []
    /// A dictionary, because the file chooses the numbers.
    private var memo: [UInt64: Int] = [:]
    private(set) var nodes: [PickleNode] = []

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Runs to STOP and returns the index of the result.
    mutating func run() throws(CheckpointError) -> Int {
        guard bytes.count <= Self.byteLimit else {
            throw .pickle("The pickle is \(bytes.count) bytes long and the limit is \(Self.byteLimit); "
                + "save the checkpoint without the objects that make it so large.")
        }
        guard bytes.count >= 2, bytes[0] == 0x80 else {
            throw .pickle("The pickle does not begin with a protocol number; save the checkpoint with pickle protocol 2.")
        }
        guard (2...5).contains(bytes[1]) else {
            throw .pickle("The pickle uses protocol \(bytes[1]) and 2 to 5 are read; save it with protocol 2.")
        }
        for _ in 0..<Self.opcodeLimit {
            let opcode = try byte()
            if opcode == 0x2E {  // STOP
                let root = try pop()
                guard stack.isEmpty, marks.isEmpty else {
                    throw .pickle("The pickle stops at byte \(cursor - 1) with \(stack.count) values left over; "
                        + "save the checkpoint again.")
                }
                return root
            }
            try perform(opcode)
        }
        throw .pickle("The pickle has more than \(Self.opcodeLimit) instructions; save the checkpoint without the objects "
            + "that make it so large.")
    }

    private mutating func perform(_ opcode: UInt8) throws(CheckpointError) {
        switch opcode {
        case 0x80: cursor += 1  // PROTO; its number was judged at the start
        case 0x95: cursor += 8  // FRAME: a hint for buffered readers
        case 0x28: marks.append(stack.count)  // MARK
        case 0x30: try popOrUnmark()  // POP
        case 0x31: _ = try popToMark()  // POP_MARK
        case 0x32: try push(top())  // DUP
        case 0x4E: try push(.none)
        case 0x88: try push(.bool(true))
        case 0x89: try push(.bool(false))
        case 0x4A: try push(.integer(Int(Int32(truncatingIfNeeded: number(4)))))  // BININT
        case 0x4B: try push(.integer(Int(number(1))))  // BININT1
        case 0x4D: try push(.integer(Int(number(2))))  // BININT2
        case 0x8A: try pushLong(count: Int(number(1)))  // LONG1
        case 0x8B: try pushLong(count: length(4))  // LONG4
        case 0x47: try push(.real(Double(bitPattern: number(8).byteSwapped)))  // BINFLOAT is big-endian
        case 0x8C: try push(.text(text(length(1))))  // SHORT_BINUNICODE
        case 0x58: try push(.text(text(length(4))))  // BINUNICODE
        case 0x8D: try push(.text(text(length(8))))  // BINUNICODE8
        case 0x43, 0x55: try push(.bytes(Array(take(length(1)))))  // SHORT_BINBYTES, SHORT_BINSTRING
        case 0x42, 0x54: try push(.bytes(Array(take(length(4)))))  // BINBYTES, BINSTRING
        case 0x8E, 0x96: try push(.bytes(Array(take(length(8)))))  // BINBYTES8, BYTEARRAY8
        case 0x5D: try push(.list)
        case 0x7D: try push(.dictionary)
        case 0x8F: try push(.set)
        case 0x29: try push(.tuple)
        case 0x85: try pushTuple(1)
        case 0x86: try pushTuple(2)
        case 0x87: try pushTuple(3)
        case 0x74: try push(PickleNode(kind: .tuple, items: popToMark()))  // TUPLE
        case 0x6C: try push(PickleNode(kind: .list, items: popToMark()))  // LIST
        case 0x91: try push(PickleNode(kind: .set, items: popToMark()))  // FROZENSET
        case 0x64: try push(PickleNode(kind: .dictionary, pairs: pairs(popToMark())))  // DICT
        case 0x61: let item = try pop(); try extend([item])  // APPEND
        case 0x65, 0x90: let items = try popToMark(); try extend(items)  // APPENDS, ADDITEMS
        case 0x73: let value = try pop(), key = try pop(); try set([.init(key: key, value: value)])  // SETITEM
        case 0x75: let items = try pairs(popToMark()); try set(items)  // SETITEMS
        case 0x63: let module = try line(), name = try line(); try pushGlobal(module, name)
        case 0x93: try pushStackGlobal()
        case 0x52, 0x81: let arguments = try pop(), callee = try pop(); try push(.call(callee: callee, arguments: arguments))
        case 0x92:  // NEWOBJ_EX; keyword arguments are kept as the object's only item
            let keywords = try pop(), arguments = try pop(), callee = try pop()
            try push(PickleNode(kind: .call(callee: callee, arguments: arguments), items: [keywords]))
        case 0x62: try build()
        case 0x51: let name = try pop(); try push(.persistent(name))  // BINPERSID
        case 0x71: let key = try number(1); memo[key] = try top()  // BINPUT
        case 0x72: let key = try number(4); memo[key] = try top()  // LONG_BINPUT
        case 0x94: memo[UInt64(memo.count)] = try top()  // MEMOIZE
        case 0x68: let key = try number(1); try recall(key)  // BINGET
        case 0x6A: let key = try number(4); try recall(key)  // LONG_BINGET
        default:
            throw .pickle("The pickle holds the instruction 0x\(String(opcode, radix: 16)) at byte \(cursor - 1), which "
                + "checkpoints do not use; save it with torch.save and pickle protocol 2.")
        }
    }

    // MARK: The stack

    private mutating func push(_ kind: PickleNode.Kind) throws(CheckpointError) { try push(PickleNode(kind: kind)) }

    private mutating func push(_ node: PickleNode) throws(CheckpointError) {
        guard nodes.count < Self.nodeLimit else {
            throw .pickle("The pickle describes more than \(Self.nodeLimit) values; save the checkpoint without the objects "
                + "that make it so large.")
        }
        stack.append(nodes.count)
        nodes.append(node)
    }

    private mutating func push(_ index: Int) throws(CheckpointError) { stack.append(index) }

    private func top() throws(CheckpointError) -> Int {
        guard let index = stack.last, stack.count > marks.last ?? 0 else { throw underflow() }
        return index
    }

    private mutating func pop() throws(CheckpointError) -> Int {
        let index = try top()
        stack.removeLast()
        return index
    }

    /// POP discards the newest mark when nothing stands above it.
    private mutating func popOrUnmark() throws(CheckpointError) {
        if let mark = marks.last, stack.count == mark { marks.removeLast() } else { _ = try pop() }
    }

    private mutating func popToMark() throws(CheckpointError) -> [Int] {
        guard let mark = marks.popLast() else { throw underflow() }
        let items = Array(stack[mark...])
        stack.removeSubrange(mark...)
        return items
    }

    private func underflow() -> CheckpointError {
        .pickle("The pickle takes a value at byte \(cursor - 1) where none is left; copy or save the checkpoint again.")
    }

    private mutating func recall(_ key: UInt64) throws(CheckpointError) {
        guard let index = memo[key] else {
            throw .pickle("The pickle recalls value \(key) at byte \(cursor - 1), which it never stored; "
                + "copy or save the checkpoint again.")
        }
        try push(index)
    }

    // MARK: Building values

    private mutating func pushTuple(_ count: Int) throws(CheckpointError) {
        var items: [Int] = []
        for _ in 0..<count { items.append(try pop()) }
        try push(PickleNode(kind: .tuple, items: items.reversed()))
    }

    /// A two's complement integer of up to eight bytes.
    private mutating func pushLong(count: Int) throws(CheckpointError) {
        let digits = try take(count)
        guard count <= 8 else { return try push(.hugeInteger) }
        var value: Int = (digits.last ?? 0) >= 0x80 ? -1 : 0
        for digit in digits.reversed() { value = value << 8 | Int(digit) }
        try push(.integer(value))
    }

    private mutating func pushStackGlobal() throws(CheckpointError) {
        let name = try pop(), module = try pop()
        guard case .text(let moduleText) = nodes[module].kind, case .text(let nameText) = nodes[name].kind else {
            throw .pickle("The pickle names a class at byte \(cursor - 1) by something other than text; "
                + "copy or save the checkpoint again.")
        }
        try pushGlobal(moduleText, nameText)
    }

    /// A file may recall one class name a million times, so a long one would cost its length each time it is compared.
    private mutating func pushGlobal(_ module: String, _ name: String) throws(CheckpointError) {
        guard module.utf8.count + name.utf8.count <= 1000 else {
            throw .pickle("The pickle holds a class name of \(module.utf8.count + name.utf8.count) bytes before byte \(cursor); "
                + "copy or save the checkpoint again.")
        }
        try push(.global(module: module, name: name))
    }

    private func pairs(_ items: [Int]) throws(CheckpointError) -> [PickleNode.Pair] {
        guard items.count % 2 == 0 else {
            throw .pickle("The pickle sets \(items.count) keys and values at byte \(cursor - 1), an odd number; "
                + "copy or save the checkpoint again.")
        }
        return stride(from: 0, to: items.count, by: 2).map { .init(key: items[$0], value: items[$0 + 1]) }
    }

    private mutating func extend(_ items: [Int]) throws(CheckpointError) {
        let target = try top()
        switch nodes[target].kind {
        case .list, .set, .call: nodes[target].items.append(contentsOf: items)
        default: throw misplaced("appends to")
        }
    }

    private mutating func set(_ pairs: [PickleNode.Pair]) throws(CheckpointError) {
        let target = try top()
        switch nodes[target].kind {
        case .dictionary, .call: nodes[target].pairs.append(contentsOf: pairs)
        default: throw misplaced("sets a key of")
        }
    }

    private mutating func build() throws(CheckpointError) {
        let state = try pop(), target = try top()
        guard case .call = nodes[target].kind else { throw misplaced("gives a state to") }
        nodes[target].state = state
    }

    private func misplaced(_ act: String) -> CheckpointError {
        .pickle("The pickle \(act) a value that cannot take it, at byte \(cursor - 1); copy or save the checkpoint again.")
    }

    // MARK: Operands

    private mutating func byte() throws(CheckpointError) -> UInt8 { try take(1).first ?? 0 }

    private mutating func take(_ count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
        guard cursor <= bytes.count, count <= bytes.count - cursor else {
            throw .pickle("The pickle ends after \(bytes.count) bytes, where byte \(cursor) should begin \(count) more; "
                + "copy or save the checkpoint again.")
        }
        cursor += count
        return bytes[cursor - count..<cursor]
    }

    private mutating func number(_ count: Int) throws(CheckpointError) -> UInt64 {
        var value: UInt64 = 0
        for (index, byte) in try take(count).enumerated() { value |= UInt64(byte) << UInt64(8 * index) }
        return value
    }

    private mutating func length(_ count: Int) throws(CheckpointError) -> Int {
        let value = try number(count)
        guard value <= UInt64(bytes.count) else {
            throw .pickle("The pickle claims a value of \(value) bytes at byte \(cursor) and is only \(bytes.count) bytes "
                + "long; copy or save the checkpoint again.")
        }
        return Int(value)
    }

    private mutating func text(_ count: Int) throws(CheckpointError) -> String {
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            throw .pickle("The pickle holds text before byte \(cursor) that is not valid UTF-8; save the checkpoint again.")
        }
        return text
    }

    /// The rest of a line, without its end.
    private mutating func line() throws(CheckpointError) -> String {
        guard cursor < bytes.count, let end = bytes[cursor...].firstIndex(of: 0x0A) else {
            throw .pickle("The pickle breaks off inside a class name at byte \(cursor); copy or save the checkpoint again.")
        }
        let name = try text(end - cursor)
        cursor += 1
        return name
    }
}
