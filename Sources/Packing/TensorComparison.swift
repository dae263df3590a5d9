import ModelFile

/// Which tensors of two files differ, by their names.
public struct TensorComparison: Sendable {
    /// A tensor as one of the files has it.
    public struct Stored: Sendable, Equatable {
        public var encoding: String
        /// Those of a correction included.
        public var byteCount: Int
    }

    public struct Difference: Sendable {
        public var name: String
        /// nil where the file has no tensor of that name.
        public var first: Stored?
        public var second: Stored?
        /// The same encoding and size, and other numbers.
        public var isOfNumbersOnly: Bool { first == second }
    }

    /// In the order of the first file, then what only the second has.
    public private(set) var differences: [Difference] = []
    /// Tensors with names in either file.
    public private(set) var tensorCount = 0

    init(_ first: ModelFile, _ second: ModelFile) {
        let a = NamedTensors(first), b = NamedTensors(second)
        for index in a.order {
            tensorCount += 1
            let name = a.name(index)
            guard let other = b.targets[name] else {
                differences.append(Difference(name: name, first: a.stored(index), second: nil))
                continue
            }
            if !first.holdsTheSame(index, as: other, of: second) {
                differences.append(Difference(name: name, first: a.stored(index), second: b.stored(other)))
            }
        }
        for index in b.order where a.targets[b.name(index)] == nil {
            tensorCount += 1
            differences.append(Difference(name: b.name(index), first: nil, second: b.stored(index)))
        }
    }
}

/// The tensors of a file that have names, in the file's order.
private struct NamedTensors {
    let file: ModelFile
    /// Of every name.
    private(set) var targets: [String: Int] = [:]
    private var firstNames: [Int: String] = [:]

    init(_ file: ModelFile) {
        self.file = file
        for k in 0..<file.nameCount {
            let record = file.name(k), target = Int(record.isAlias ? file.name(Int(record.target)).target : record.target)
            let name = String(decoding: file.nameText(k), as: UTF8.self)
            targets[name] = target
            if firstNames[target] == nil { firstNames[target] = name }
        }
    }

    var order: [Int] { firstNames.keys.sorted() }
    func name(_ index: Int) -> String { firstNames[index]! }

    func stored(_ index: Int) -> TensorComparison.Stored {
        guard let corrected = file.corrected(index) else {
            return .init(encoding: encodingName(index), byteCount: file.storedByteCount(index))
        }
        let parts = [corrected.base, corrected.down, corrected.up].map { Int($0) }
        return .init(
            encoding: encodingName(parts[0]) + " corrected", byteCount: parts.reduce(file.storedByteCount(index)) { $0 + file.storedByteCount($1) })
    }

    private func encodingName(_ index: Int) -> String {
        let encoding = Encoding(rawValue: file.tensor(index).encoding)!
        return WeightWidth(encoding)?.rawValue ?? encoding.name.description
    }
}

extension ModelFile {
    fileprivate func storedByteCount(_ index: Int) -> Int { Int(region(firstWeightsRegion + index).byteCount) }

    fileprivate func holdsTheSame(_ index: Int, as other: Int, of file: ModelFile) -> Bool {
        let a = tensor(index), b = file.tensor(other)
        if (a.encoding, a.rows, a.columns, a.exponent) != (b.encoding, b.rows, b.columns, b.exponent) { return false }
        if let own = corrected(index), let others = file.corrected(other) {
            return own.activationBits == others.activationBits
                && zip([own.base, own.down, own.up], [others.base, others.down, others.up]).allSatisfy {
                    holdsTheSame(Int($0), as: Int($1), of: file)
                }
        }
        let own = UnsafeRawBufferPointer(start: tensorBytes(index), count: storedByteCount(index))
        return own.elementsEqual(UnsafeRawBufferPointer(start: file.tensorBytes(other), count: file.storedByteCount(other)))
    }
}
