import ModelFile
import TestSupport

extension EvilFile {
    /// Adds a tensor, and returns its index.
    mutating func addTensor(encoding: Int, rows: Int, columns: Int, exponent: Int32 = 0, _ bytes: [UInt8]) -> Int {
        var record = [UInt8](repeating: 0, count: 32)
        record.set(UInt32(encoding), at: 0)
        record.set(UInt32(rows), at: 4)
        record.set(UInt32(columns), at: 8)
        record.set(exponent, at: 12)
        self[.tensors] += record
        if has(.ledger) { self[.tensorErrors] += [UInt8](repeating: 0, count: 8) }
        regions.append(Region(kind: 64, alignment: 64, bytes: bytes))
        return count(.tensors) - 1
    }

    /// Adds a matrix of an encoding, with any codes.
    mutating func addMatrix(_ encoding: Int, rows: Int, columns: Int, exponent: Int32 = 20, _ numbers: inout SeededNumbers) -> Int {
        let matrix = MatrixBytes(encoding, rows: rows, columns: columns, .random, &numbers)
        return addTensor(encoding: encoding, rows: rows, columns: columns, exponent: exponent, matrix.bytes)
    }

    private func size(_ tensor: Int) -> (rows: Int, columns: Int) {
        (Int(field(.tensors, tensor, at: 4)), Int(field(.tensors, tensor, at: 8)))
    }

    /// Puts a matrix of another encoding, with any codes, in the place of a matrix.
    mutating func recode(_ tensor: Int, _ encoding: Int, _ numbers: inout SeededNumbers) {
        let size = size(tensor)
        set(.tensors, tensor, at: 0, UInt32(encoding))
        self[tensor: tensor] = MatrixBytes(encoding, rows: size.rows, columns: size.columns, .random, &numbers).bytes
    }

    /// Puts a corrected matrix in the place of a matrix.
    mutating func correct(_ tensor: Int, base: Int, down: Int, up: Int, bits: Int, rank: Int, _ numbers: inout SeededNumbers) {
        let size = size(tensor)
        let exponent = Int32(bitPattern: field(.tensors, tensor, at: 12))
        let parts = [
            addMatrix(base, rows: size.rows, columns: size.columns, exponent: exponent, &numbers),
            addMatrix(down, rows: rank, columns: size.columns, exponent: exponent, &numbers),
            addMatrix(up, rows: size.rows, columns: rank, exponent: exponent, &numbers), bits,
        ]
        set(.tensors, tensor, at: 0, UInt32(13))
        set(.tensors, tensor, at: 12, UInt32(0))
        var bytes = [UInt8](repeating: 0, count: 16)
        for (k, part) in parts.enumerated() { bytes.set(UInt32(part), at: 4 * k) }
        self[tensor: tensor] = bytes
    }

    var matrices: [Int] { (0..<count(.tensors)).filter { field(.tensors, $0, at: 0) <= 2 } }

    /// Matrices of linear layers alone, and where the layers' records have their activation bits.
    var layers: [(tensor: Int, bits: [(kind: RegionKind, record: Int, offset: Int)])] {
        var places: [(kind: RegionKind, record: Int, offset: Int)] = [(.model, 0, 208 + 32 + 8), (.model, 0, 208 + 32 + 36)]
        for k in 0..<count(.attentions) { places += [(.attentions, k, 0), (.attentions, k, 12)] }
        for k in 0..<count(.feedForwards) { places += [(.feedForwards, k, 8), (.feedForwards, k, 20), (.feedForwards, k, 32)] }
        // Tables whose rows enter a stream.
        let tables = [212, 216, 240 + 20, 240 + 24].map { field(.model, at: $0) }
        return matrices.filter { !tables.contains(UInt32($0)) }.map { tensor in
            (tensor, places.filter { field($0.kind, $0.record, at: $0.offset) == UInt32(tensor) }.map { ($0.kind, $0.record, $0.offset + 8) })
        }
    }
}

extension Samples {
    /// Models with matrices of every encoding, and corrected ones of every mixture of widths.
    static let recoded: [EvilFile] = {
        var numbers = SeededNumbers(seed: 81)
        let sources = ([plain, rich, slots, decoder, written] + variants.prefix(4)).map(EvilFile.init)
        var files: [EvilFile] = []
        for (index, encoding) in (Array(6...12) + [0, 0]).enumerated() {
            var file = sources[index % sources.count]
            for tensor in file.matrices where file.field(.tensors, tensor, at: 0) == 1 {
                file.recode(tensor, encoding == 0 ? numbers.int(6...12) : encoding, &numbers)
            }
            files.append(file)
        }
        for source in sources {
            var file = source
            for layer in file.layers where !layer.bits.isEmpty {
                let base = numbers.pick(MatrixBytes.encodings), down = numbers.pick(MatrixBytes.encodings), up = numbers.pick(MatrixBytes.encodings)
                let isWide = base == 2 || down == 2 || numbers.int(0...2) == 0
                for place in layer.bits { file.set(place.kind, place.record, at: place.offset, UInt32(isWide ? 16 : 8)) }
                file.correct(
                    layer.tensor, base: base, down: down, up: up, bits: up == 2 ? 16 : numbers.pick([8, 16]), rank: numbers.pick([1, 3, 4, 33]),
                    &numbers)
            }
            files.append(file)
        }
        return files
    }()
}
