import Console
import ModelFile

/// The tensors of a file, for `info`: encoding, size and, where the file has a ledger, what encoding them changes.
struct TensorTable {
    let file: ModelFile

    init(_ file: ModelFile) { self.file = file }

    func writeText(_ out: inout Writer) {
        out.text("\n  tensor  encoding            rows  columns       bytes    bits")
        out.text(file.hasLedger ? "   error %  name\n" : "  name\n")
        for index in 0..<file.tensorCount {
            let tensor = file.tensor(index)
            let byteCount = byteCount(index)
            column(&out, index, 8)
            out.text("  ")
            let name = encoding(index).name
            out.text(name)
            for _ in name.utf8CodeUnitCount..<18 { out.byte(0x20) }
            column(&out, Int(tensor.rows), 6)
            column(&out, Int(tensor.columns), 9)
            column(&out, byteCount, 12)
            if encoding(index) == .corrected {
                out.text("       -")
            } else {
                space(&out, before: bitHundredths(index) / 100, 5)
                out.ratio(UInt64(bitHundredths(index)), 100, places: 2)
            }
            if file.hasLedger {
                if hasError(index) {
                    let error = UInt64(file.tensorError(index).error)
                    space(&out, before: Int((error * 100) >> 24), 6)
                    percent(&out, error, 1 << 24, places: 3)
                } else {
                    out.text("         -")
                }
            }
            out.text("  ")
            writeNames(&out, index)
            out.text("\n")
        }
    }

    /// At most three of them.
    private func writeNames(_ out: inout Writer, _ index: Int) {
        var written = 0
        for k in 0..<file.nameCount where target(ofName: k) == index {
            written += 1
            if written > 3 { continue }
            if written > 1 { out.text(", ") }
            out.bytes(bytes(file.nameText(k)))
        }
        if written > 3 {
            out.text(" and ")
            out.number(written - 3)
            out.text(" more")
        }
    }

    func writeJSON(_ out: inout Writer) {
        out.text("[")
        for index in 0..<file.tensorCount {
            out.text(index == 0 ? "\n {\"names\": [" : ",\n {\"names\": [")
            var written = 0
            for k in 0..<file.nameCount where target(ofName: k) == index {
                out.text(written == 0 ? "\"" : ", \"")
                out.jsonEscaped(bytes(file.nameText(k)))
                out.text("\"")
                written += 1
            }
            out.text("], \"encoding\": \"")
            out.text(encoding(index).name)
            out.text("\", \"rows\": ")
            out.number(Int(file.tensor(index).rows))
            out.text(", \"columns\": ")
            out.number(Int(file.tensor(index).columns))
            out.text(", \"bytes\": ")
            out.number(byteCount(index))
            out.text(", \"bits_per_weight\": ")
            if encoding(index) == .corrected { out.text("null") } else { out.ratio(UInt64(bitHundredths(index)), 100, places: 2) }
            if file.hasLedger {
                let error = file.tensorError(index)
                out.text(", \"error_percent\": ")
                if hasError(index) { percent(&out, UInt64(error.error), 1 << 24, places: 4) } else { out.text("null") }
                out.text(", \"estimated_divergence_bits\": ")
                out.ratio(UInt64(error.divergence), 1 << 24, places: 7)
            }
            out.text("}")
        }
        out.text("]")
    }

    private func encoding(_ index: Int) -> Encoding { Encoding(rawValue: file.tensor(index).encoding)! }
    private func byteCount(_ index: Int) -> Int { Int(file.region(file.firstWeightsRegion + index).byteCount) }

    /// Bits a number of the tensor takes, scales and padding included, in hundredths.
    private func bitHundredths(_ index: Int) -> Int {
        let count = Int64(file.tensor(index).rows) * Int64(file.tensor(index).columns)
        return Int((Int64(byteCount(index)) * 800 + count / 2) / max(1, count))
    }

    /// What is no matrix has none.
    private func hasError(_ index: Int) -> Bool { encoding(index).isMatrix || encoding(index) == .corrected }

    private func target(ofName index: Int) -> Int {
        let entry = file.name(index)
        return Int(entry.isAlias ? file.name(Int(entry.target)).target : entry.target)
    }
}

/// A number right-aligned in a column.
func column(_ out: inout Writer, _ number: Int, _ width: Int) {
    space(&out, before: number, width)
    out.number(number)
}

/// What stands before a number of 0 or more that is right-aligned in a column.
private func space(_ out: inout Writer, before number: Int, _ width: Int) {
    var digits = 1
    var rest = number
    while rest >= 10 {
        rest /= 10
        digits += 1
    }
    for _ in digits..<max(digits, width) { out.byte(0x20) }
}

package func bytes(_ raw: UnsafeRawBufferPointer) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: raw.baseAddress?.assumingMemoryBound(to: UInt8.self), count: raw.count)
}
