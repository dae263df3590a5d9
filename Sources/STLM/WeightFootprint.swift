import Kernels
import ModelFile

/// Parts of a model file, which make up all of it.
public enum FilePart: Int, Sendable {
    case embedder, core, head, tables, tokenizer, padding

    public static let count = 6

    public var name: StaticString {
        switch self {
        case .embedder: "embedder"
        case .core: "core"
        case .head: "head"
        case .tables: "tables"
        case .tokenizer: "tokenizer"
        case .padding: "padding"
        }
    }
}

/// Where the bytes of a model file belong, and which of them one position of decoding reads.
public struct WeightFootprint: Sendable {
    /// (parts) bytes: a tensor is counted once, with the first part that uses it (a tied table is the embedder's); what none uses is
    /// counted with the tables.
    private var parts = InlineArray<6, Int>(repeating: 0)
    /// Bytes that a position reads, each once: all matrices, norms and biases of its steps, and of tables that are only looked up in the
    /// pages that their rows lie on.
    public private(set) var touchedByteCount = 0

    public func byteCount(_ part: FilePart) -> Int { parts[part.rawValue] }

    public init(_ model: Model) {
        let file = model.file
        var walk = TensorWalk(file: file)
        let embedder = model.record.embedder
        let slotCount = max(1, model.blockSize)

        // Tables that are looked up: they belong to their part first, and count as read at the end, unless a layer reads all of them.
        walk.own(embedder.table)
        walk.own(embedder.positionTensor)
        walk.read(model, model.embedderSteps)
        parts[FilePart.embedder.rawValue] = walk.take()
        walk.read(model, model.coreSteps)
        parts[FilePart.core.rawValue] = walk.take()
        let head = model.record.head
        walk.read(norm: head.inputNorm)
        walk.read(head.projection)
        walk.own(head.byteTable)
        walk.own(head.positionTensor)
        walk.read(model, model.headSteps)
        walk.read(norm: head.outputNorm)
        walk.read(head.output)
        parts[FilePart.head.rawValue] = walk.take()

        walk.lookUp(embedder.table, rowCount: model.takesBlocks ? slotCount : 1)
        walk.lookUp(embedder.positionTensor, rowCount: model.takesBlocks ? slotCount : 1)
        walk.lookUp(head.byteTable, rowCount: slotCount)
        walk.lookUp(head.positionTensor, rowCount: slotCount)
        for index in 0..<file.stepCount where file.step(index).attention != Layout.none {
            walk.lookUp(file.attention(Int(file.step(index).attention)).rotationTensor, rowCount: 1)
        }
        touchedByteCount = walk.readByteCount

        var tokenizer = 0
        var kind = RegionKind.tokenizer.rawValue
        while kind <= RegionKind.adjacency.rawValue {
            tokenizer += file.tableByteCount(RegionKind(rawValue: kind)!)
            kind += 1
        }
        parts[FilePart.tokenizer.rawValue] = tokenizer
        parts[FilePart.padding.rawValue] = file.paddingByteCount
        var rest = file.byteCount
        for part in 0..<FilePart.count { rest -= parts[part] }
        parts[FilePart.tables.rawValue] = rest
    }
}

/// A set of tensors; a file has fewer than 65,536 regions.
private struct TensorSet {
    private var words = InlineArray<1024, UInt64>(repeating: 0)

    /// False if it was there already.
    mutating func insert(_ tensor: UInt32) -> Bool {
        let word = Int(tensor >> 6), bit = UInt64(1) << UInt64(tensor & 63)
        if words[word] & bit != 0 { return false }
        words[word] |= bit
        return true
    }
}

/// A walk over the tensors in the order in which a position uses them.
private struct TensorWalk {
    let file: ModelFile
    private var owned = TensorSet()
    private var counted = TensorSet()
    /// Of the part at hand.
    private var ownByteCount = 0
    private(set) var readByteCount = 0

    init(file: ModelFile) { self.file = file }

    /// Bytes of the part that ends here.
    mutating func take() -> Int {
        let byteCount = ownByteCount
        ownByteCount = 0
        return byteCount
    }

    private func byteCount(_ tensor: UInt32) -> Int { Int(file.region(file.firstWeightsRegion + Int(tensor)).byteCount) }

    /// A tensor of the part at hand.
    mutating func own(_ tensor: UInt32) {
        if tensor == Layout.none || !owned.insert(tensor) { return }
        ownByteCount += byteCount(tensor)
        guard let parts = file.corrected(Int(tensor)) else { return }
        own(parts.base)
        own(parts.down)
        own(parts.up)
    }

    /// The same, all of which a position reads.
    mutating func read(_ tensor: UInt32) {
        if tensor == Layout.none { return }
        own(tensor)
        if counted.insert(tensor) { readByteCount += byteCount(tensor) }
        guard let parts = file.corrected(Int(tensor)) else { return }
        read(parts.base)
        read(parts.down)
        read(parts.up)
    }

    mutating func read(_ layer: LinearRecord) {
        read(layer.tensor)
        if layer.tensor != Layout.none { read(layer.bias) }
    }

    mutating func read(norm index: UInt32) {
        if index == Layout.none { return }
        let norm = file.norm(Int(index))
        read(norm.weight)
        read(norm.bias)
    }

    mutating func read(_ model: Model, _ steps: Range<Int>) {
        for index in steps {
            let step = file.step(index)
            read(norm: step.attentionNorm)
            if step.attention != Layout.none {
                let attention = file.attention(Int(step.attention))
                read(attention.qkv)
                own(attention.rotationTensor)
                read(attention.output)
            }
            read(norm: step.feedForwardNorm)
            if step.feedForward != Layout.none {
                let feedForward = file.feedForward(Int(step.feedForward))
                read(feedForward.gate)
                read(feedForward.up)
                read(feedForward.activationTensor)
                read(feedForward.down)
            }
        }
    }

    /// Some rows of a tensor, wherever they are: the pages that they can lie on, at most all of it.
    mutating func lookUp(_ tensor: UInt32, rowCount: Int) {
        if tensor == Layout.none { return }
        // A corrected matrix is looked up in its base.
        if let parts = file.corrected(Int(tensor)) { return lookUp(parts.base, rowCount: rowCount) }
        if !counted.insert(tensor) { return }
        let pages = rowCount * pageCount(ofRow: file.tensor(Int(tensor)))
        readByteCount += min(byteCount(tensor), pages * MemoryBudget.pageByteCount)
    }

    private func pageCount(ofRow record: TensorRecord) -> Int {
        func across(_ byteCount: Int) -> Int { byteCount == 0 ? 0 : (byteCount - 1) / MemoryBudget.pageByteCount + 2 }
        let columns = Int(record.columns)
        guard let encoding = Encoding(rawValue: record.encoding), encoding.isMatrix else { return across(columns * 4) }
        // A row lies between 15 others; its scale lies with those of all rows, behind the codes, and there the levels are.
        let lines = encoding.lineCounts(columns: columns)
        return across((lines.first + lines.second) * 64) + across(encoding.groupScaleByteCount(columns: columns)) + 2
    }
}
