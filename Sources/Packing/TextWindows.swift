import FloatModel
import Foundation
import STLM
import Tokenizers

/// A text as a model reads it: windows of what goes in and what should come out, as `score` cuts them (arithmetic-1, section 10).
struct TextWindows {
    var windows: [FloatWindow] = []
    /// What is scored: tokens or blocks.
    var count: Int { windows.reduce(0) { $0 + $1.targets.count - 1 } }
    /// Bytes of the text that the windows are of.
    var byteCount = 0

    private init() {}

    /// The whole text, or its parts between separators, each without the white space around it and begun anew.
    init(_ text: PackText, _ packed: PackedFile, context: Int) throws(PackError) {
        let bytes = text.bytes
        guard let split = text.split.map({ Array($0.utf8) }), !split.isEmpty else {
            byteCount = bytes.count
            try add(bytes[...], packed, context, hasBeginning: packed.model.bosToken != nil, text.name)
            return
        }
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, !bytes[end...].starts(with: split) { end += 1 }
            var part = bytes[start..<end]
            while let first = part.first, Self.isSpace(first) { part.removeFirst() }
            while let last = part.last, Self.isSpace(last) { part.removeLast() }
            byteCount += part.count
            if !part.isEmpty { try add(part, packed, context, hasBeginning: true, text.name) }
            start = end + split.count
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private mutating func add(
        _ bytes: ArraySlice<UInt8>, _ packed: PackedFile, _ context: Int, hasBeginning: Bool, _ name: String
    ) throws(PackError) {
        let model = packed.model
        let beginning = model.beginning()
        let items = try Self.items(bytes, model, name)
        var (inputs, targets) = (items.inputs, items.targets)
        if hasBeginning, let beginning {
            inputs.insert(beginning, at: 0)
            targets.insert([], at: 0)
        }
        // Target 0 of a window is not read, but must be of the right size.
        let nothing = model.writesBlocks ? [Int](repeating: FloatModel.padSymbol, count: model.blockSize) : [0]
        var at = 0
        while at + 1 < inputs.count {
            let end = min(at + context, inputs.count - 1)
            var window = FloatWindow(inputs: Array(inputs[at..<end]), targets: [nothing] + targets[at + 1...end])
            // With a begin token each window starts from it.
            if let bos = model.bosToken { window.inputs[0] = [Int(bos)] }
            windows.append(window)
            at = end
        }
    }

    /// The text's tokens or blocks, as they go in and as they come out.
    private static func items(
        _ bytes: ArraySlice<UInt8>, _ model: Model, _ name: String
    ) throws(PackError) -> (inputs: [[Int]], targets: [[Int]]) {
        guard let tokenizer = model.tokenizer else { throw .textWithoutTokenizer }
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: TextEncoder.scratchByteCount, alignment: 64)
        defer { scratch.deallocate() }
        let text = Array(bytes)
        var inputs: [[Int]] = [], targets: [[Int]] = [], cut = true
        text.withUnsafeBufferPointer { text in
            var encoder = TextEncoder(tokenizer, blockSize: model.blockSize, text: text, scratch: scratch)
            var numbers = [UInt32](repeating: 0, count: 32)
            func item(_ k: Int, asBlock: Bool) -> [Int] {
                if !asBlock { return [Int(encoder.tokens[k])] }
                numbers.withUnsafeMutableBufferPointer { encoder.writeBlock(k, into: $0.baseAddress!) }
                return numbers.prefix(model.blockSize).map(Int.init)
            }
            do {
                while case let count = try encoder.next(), count > 0 {
                    for k in 0..<count {
                        inputs.append(item(k, asBlock: model.takesBlocks))
                        targets.append(item(k, asBlock: model.writesBlocks))
                    }
                }
            } catch {
                cut = false
            }
        }
        if !cut { throw .textCannotBeCut(name: name) }
        return (inputs, targets)
    }

    /// At most so many positions, from windows spread over all of the text.
    func sample(positionCount: Int) -> TextWindows {
        if count <= positionCount { return self }
        let longest = windows.reduce(1) { max($0, $1.inputs.count) }
        let wanted = max(1, positionCount / longest), step = Double(windows.count) / Double(wanted)
        var result = TextWindows()
        result.windows = (0..<wanted).map { windows[Int(Double($0) * step)] }
        if let only = result.windows.first, wanted == 1, only.inputs.count > positionCount {
            result.windows = [FloatWindow(inputs: Array(only.inputs.prefix(positionCount)), targets: Array(only.targets.prefix(positionCount + 1)))]
        }
        result.byteCount = byteCount * result.count / max(1, count)
        return result
    }
}

extension Model {
    /// What stands before a text that nothing precedes: the begin token, else the first end token or block; nil if there is neither.
    fileprivate func beginning() -> [Int]? {
        if takesBlocks { return (0..<blockSize).map { Int(record.endBlock[$0]) } }
        if let bosToken { return [Int(bosToken)] }
        return record.endCount > 0 ? [Int(record.endTokens[0])] : nil
    }
}
