import ModelFile
import TestSupport

/// Seeded changes to a model file: some keep every rule of the format and go to its ends, others are blind.
struct Mutation {
    var numbers: SeededNumbers

    init(seed: UInt64) { numbers = SeededNumbers(seed: seed) }

    /// A fraction bit count that the format allows, its ends most likely.
    private mutating func fractionBits() -> Int32 { numbers.pick([-32, -31, 0, 31, 62, Int32(numbers.int(-32...62))]) }
    private mutating func word() -> UInt32 { numbers.pick([0, 1, .max, 1 << 31, 1 << 31 - 1, UInt32(truncatingIfNeeded: numbers.next())]) }

    /// Several changes that the format allows.
    mutating func legal(_ file: inout EvilFile) {
        for _ in 0..<numbers.int(1...8) {
            switch numbers.int(0...9) {
            case 0: streams(&file)
            case 1, 2: exponent(&file, numbers.int(0...file.count(.tensors) - 1))
            case 3: if file.has(.norms) { norm(&file, numbers.int(0...file.count(.norms) - 1)) }
            case 4: attention(&file, numbers.int(0...file.count(.attentions) - 1))
            case 5: feedForward(&file, numbers.int(0...file.count(.feedForwards) - 1))
            case 6: settings(&file)
            default: content(&file, numbers.int(0...file.count(.tensors) - 1))
            }
        }
    }

    /// Fraction bits of the logits and of all streams, which still follow one another: stlm-1, section 4.
    private mutating func streams(_ file: inout EvilFile) {
        let residual = fractionBits()
        file.set(.model, at: 24, residual)
        file.set(.model, at: 288, fractionBits())
        let steps = 0..<file.count(.schedule)
        func replaces(_ step: Int) -> Bool { file.field(.schedule, step, at: 24) == 1 }
        let last = steps.last { file.field(.schedule, $0, at: 20) == 1 && replaces($0) } ?? -1
        var bits = last < 0 ? residual : fractionBits()
        file.set(.model, at: 220, bits)
        var isHead = false
        for step in steps {
            let section = file.field(.schedule, step, at: 20)
            if section == 1, replaces(step) { bits = step == last ? residual : fractionBits() }
            if section == 2 { bits = residual }
            if section == 3 {
                if !isHead || replaces(step) { bits = fractionBits() }
                // The head's start, which its first step keeps unless it replaces.
                if !isHead { file.set(.model, at: 268, replaces(step) ? fractionBits() : bits) }
                isHead = true
            }
            file.set(.schedule, step, at: 28, bits)
        }
    }

    /// Any symbols that end a text.
    private mutating func endBlock(_ file: inout EvilFile) {
        for slot in 0..<Int(file.field(.model, at: 20)) { file.set(.model, at: 144 + 2 * slot, UInt16(numbers.pick([0, 97, 256, 257]))) }
    }

    private mutating func exponent(_ file: inout EvilFile, _ tensor: Int) {
        switch file.field(.tensors, tensor, at: 0) {
        case 1, 2, 6...12: file.set(.tensors, tensor, at: 12, numbers.pick([-64, -63, 0, 126, 127, Int32(numbers.int(-64...127))]))
        case 3, 5:
            let bits = fractionBits()
            file.set(.tensors, tensor, at: 12, bits)
            // A norm and its bias have the same.
            for norm in 0..<file.count(.norms) where file.field(.norms, norm, at: 8) == tensor { file.set(.norms, norm, at: 12, bits) }
        default: break
        }
    }

    private mutating func norm(_ file: inout EvilFile, _ index: Int) {
        file.set(.norms, index, at: 0, UInt32(numbers.int(1...2)))
        file.set(.norms, index, at: 16, numbers.pick([0, 1, UInt64.max, 1 << 63, 1 << 62, numbers.next() >> UInt64(numbers.int(0...63))]))
        let bias = file.field(.norms, index, at: 8)
        if bias == .max {
            file.set(.norms, index, at: 12, fractionBits())
        } else {
            exponent(&file, Int(bias))
        }
    }

    private mutating func attention(_ file: inout EvilFile, _ index: Int) {
        file.set(.attentions, index, at: 44, numbers.pick([1 << 30, UInt32(1 << 31 - 1), UInt32(numbers.int(1 << 30...1 << 31 - 1))]))
        file.set(.attentions, index, at: 48, Int32(numbers.pick([0, 64, numbers.int(0...64)])))
        if numbers.int(0...2) == 0 { file.set(.attentions, index, at: numbers.pick([8, 20]), UInt32(16)) }
        if numbers.int(0...3) == 0 { file.set(.model, at: 28, UInt32(numbers.int(0...1))) }
    }

    private mutating func feedForward(_ file: inout EvilFile, _ index: Int) {
        if file.field(.feedForwards, index, at: 44) == .max { file.set(.feedForwards, index, at: 4, UInt32(numbers.int(0...6))) }
        if numbers.int(0...2) == 0 { file.set(.feedForwards, index, at: numbers.pick([28, 40]), UInt32(16)) }
    }

    private mutating func settings(_ file: inout EvilFile) {
        file.set(.model, at: 60, numbers.pick([0, 1, 65_536, UInt32(6_553_600)]))
        file.set(.model, at: 64, numbers.pick([0, 1, 5, UInt32.max]))
        file.set(.model, at: 68, numbers.pick([1, 60_000, UInt32(65_536)]))
        file.set(.model, at: 72, numbers.pick([0, 1, UInt32(65_536)]))
        file.set(.model, at: 76, numbers.pick([6_554, 65_536, UInt32(6_553_600)]))
        file.set(.model, at: 80, numbers.pick([0, 1, 64, UInt32(65_536)]))
        endBlock(&file)
    }

    /// The bytes of a tensor, all ends or all chance. Breakpoints stay ascending.
    private mutating func content(_ file: inout EvilFile, _ tensor: Int) {
        var bytes = file[tensor: tensor]
        let encoding = file.field(.tensors, tensor, at: 0)
        // What a corrected matrix refers to stays.
        if encoding == 13 { return }
        if encoding > 5 {
            let fill = numbers.pick(MatrixBytes.Fill.allCases)
            file[tensor: tensor] = MatrixBytes(
                Int(encoding), rows: Int(file.field(.tensors, tensor, at: 4)), columns: Int(file.field(.tensors, tensor, at: 8)), fill, &numbers
            ).bytes
            return
        }
        let style = numbers.int(0...4)
        let byte = UInt8(truncatingIfNeeded: numbers.next())
        let wide = encoding != 1 && encoding != 4
        for k in bytes.indices {
            let isTop = wide ? k % (encoding == 2 ? 2 : 4) == (encoding == 2 ? 1 : 3) : encoding == 1 || k % 2 == 1
            switch style {
            case 0: bytes[k] = UInt8(truncatingIfNeeded: numbers.next())
            case 1: bytes[k] = isTop ? 0x80 : 0
            case 2: bytes[k] = isTop ? 0x7F : 0xFF
            case 3: bytes[k] = byte
            default: bytes[k] = isTop ? numbers.pick([0x80, 0x7F]) : 0
            }
        }
        if encoding <= 2 {
            let rows = (Int(file.field(.tensors, tensor, at: 4)) + 15) / 16 * 16
            let scales = numbers.int(0...2)
            for row in 0..<rows {
                let scale: UInt16 = scales == 0 ? UInt16(truncatingIfNeeded: numbers.next()) : scales == 1 ? 0xFFFF : 0x07FF
                bytes.set(scale, at: bytes.count - 2 * rows + 2 * row)
            }
        }
        if encoding == 5 {
            let columns = Int(file.field(.tensors, tensor, at: 8))
            var points: Set<Int32> = [numbers.pick([.min, .max, 0])]
            while points.count < columns { points.insert(numbers.anyInt32()) }
            for (k, point) in points.sorted().enumerated() { bytes.set(point, at: 4 * k) }
        }
        file[tensor: tensor] = bytes
    }

    /// A few words anywhere in the tables, or in a region's size.
    mutating func blind(_ file: inout EvilFile) {
        for _ in 0..<numbers.int(1...4) {
            let region = numbers.int(0...file.regions.count - 1)
            let count = file.regions[region].bytes.count
            if count < 4 { continue }
            let at = numbers.int(0...count / 4 - 1) * 4
            let old = file.regions[region].bytes.number(at: at, as: UInt32.self)
            let value = numbers.pick([word(), old &+ 1, old &- 1, old ^ 1 << UInt32(numbers.int(0...31)), UInt32(numbers.int(0...40))])
            file.regions[region].bytes.set(value, at: at)
        }
        if numbers.int(0...9) == 0 { file.regions.swapAt(0, numbers.int(0...file.regions.count - 1)) }
        if numbers.int(0...9) == 0 {
            let region = numbers.int(0...file.regions.count - 1)
            file.regions[region].bytes.removeLast(min(numbers.pick([1, 4, 32]), file.regions[region].bytes.count - 1))
        }
    }
}
