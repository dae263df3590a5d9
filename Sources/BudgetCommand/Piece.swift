import Console
import STLM

/// What is drawn in one colour of all that is resident; the pieces add up to it.
struct Piece {
    static let count = 9
    let index: Int

    init(_ index: Int) { self.index = index }

    var name: StaticString {
        switch index {
        case 0: "weights and tables"
        case 1: "keys and values"
        case 2: "activations"
        case 3: "rest of the arena"
        case 4: "prompt"
        case 5: "grammar"
        case 6: "stacks"
        case 7: "program"
        default: "rounding to pages"
        }
    }

    var style: StaticString {
        switch index {
        case 0: "w8"
        case 1: "w3"
        case 2: "w6"
        case 3: "w5"
        case 4, 6: "w1"
        case 5: "w4"
        case 7: "w0"
        default: "wp"
        }
    }

    func byteCount(_ budget: MemoryBudget) -> Int {
        switch index {
        case 0: budget.fileByteCount
        case 1: budget.byteCount(.keysAndValues)
        case 2: budget.byteCount(.activations)
        case 3: budget.plan.arenaByteCount - budget.byteCount(.keysAndValues) - budget.byteCount(.activations)
        case 4: budget.promptByteCount
        case 5: budget.constraintByteCount
        case 6: budget.stackByteCount
        case 7: budget.program.imageByteCount
        default: budget.roundingByteCount
        }
    }
}

extension Writer {
    /// Text as it stands in a page.
    mutating func escaped(_ bytes: UnsafeBufferPointer<UInt8>) {
        for k in 0..<bytes.count {
            switch bytes[k] {
            case UInt8(ascii: "&"): text("&amp;")
            case UInt8(ascii: "<"): text("&lt;")
            case UInt8(ascii: ">"): text("&gt;")
            case UInt8(ascii: "\""): text("&quot;")
            case UInt8(ascii: "'"): text("&#39;")
            case 0..<0x20: byte(0x20)
            default: byte(bytes[k])
            }
        }
    }
}
