import Foundation
import ModelFile

/// Section 11 of stlm-1.md: the bytes of a file, region by region, with what they say.
struct WorkedFile {
    let file: ModelFile
    let bytes: [UInt8]

    var text: String {
        var parts = [
            """
            `vectors/tiny.stlm` is a whole model of \(bytes.count) bytes: \(quoted(file.model.description)), \
            \(file.model.vocabularySize) tokens, int8 weights, no tokenizer. Its weights are random. Each block below is one region; offsets \
            are those of the file, all numbers little-endian, and a line like the one before is `*`. What stands between the blocks is padding.
            """,
            block("Header", 0..<64, header), block("Region table", 64..<64 + 32 * file.regionCount, table),
        ]
        for index in 0..<file.regionCount {
            let region = file.region(index), start = Int(region.offset)
            let kind = RegionKind(rawValue: region.kind)!
            let number = index - file.firstWeightsRegion
            let title = kind == .weights ? "Tensor \(number)" : "\(kind.name)".prefix(1).uppercased() + "\(kind.name)".dropFirst()
            parts.append(block(title, start..<start + Int(region.byteCount), notes(kind, number)))
        }
        return parts.map(wrapped).joined(separator: "\n\n") + "\n"
    }

    /// Prose in lines of at most 120 characters; blocks of code as they are.
    private func wrapped(_ part: String) -> String {
        part.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            if line.hasPrefix("    ") { return String(line) }
            var lines: [String] = [], last = ""
            for word in line.split(separator: " ") {
                if last.count + 1 + word.count > 120 {
                    lines.append(last)
                    last = ""
                }
                last += (last.isEmpty ? "" : " ") + word
            }
            return (lines + [last]).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    private func block(_ title: String, _ range: Range<Int>, _ notes: String) -> String {
        "**\(title)**, \(range.count) bytes. \(notes)\n\n" + hexdump(range)
    }

    /// As `hexdump -C` prints it, indented so that it is a block of code.
    private func hexdump(_ range: Range<Int>) -> String {
        var lines: [String] = [], last: ArraySlice<UInt8> = [], isSqueezed = false
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 16) {
            let row = bytes[start..<min(start + 16, range.upperBound)]
            if row.elementsEqual(last), start + 16 < range.upperBound {
                if !isSqueezed { lines.append("    *") }
                isSqueezed = true
                continue
            }
            (last, isSqueezed) = (row, false)
            var hex = ""
            for k in 0..<16 {
                if k == 8 { hex += " " }
                hex += k < row.count ? String(format: "%02x ", row[start + k]) : "   "
            }
            let text = row.map { (0x20..<0x7F).contains($0) ? String(UnicodeScalar($0)) : "." }.joined()
            lines.append(String(format: "    %08x  ", start) + hex + " |" + text + "|")
        }
        return lines.joined(separator: "\n")
    }

    // MARK: What they say

    private func quoted(_ range: TextRange) -> String { "\"" + String(decoding: file.text(range), as: UTF8.self) + "\"" }
    private func index(_ value: UInt32) -> String { value == Layout.none ? "none" : String(value) }

    private var header: String {
        "format_version 1, draft \(file.header.draft), file_byte_count \(file.header.fileByteCount), "
            + "region_count \(file.header.regionCount), header_checksum " + String(format: "0x%08X.", file.header.checksum)
    }

    private var table: String {
        "\(file.firstWeightsRegion) tables and \(file.regionCount - file.firstWeightsRegion) tensors; kind, alignment, offset, byte_count, checksum of each."
    }

    private func linear(_ name: String, _ linear: LinearRecord) -> String {
        "\(name) (\(index(linear.tensor)), \(index(linear.bias)), \(linear.activationBits))"
    }

    private func embedder(_ part: EmbedderRecord) -> String {
        "At 0x\(hex(208)) the embedder: kind \(part.kind), table \(part.table), position_tensor \(index(part.positionTensor)), "
            + "fraction_bits \(part.fractionBits)."
    }

    private func head(_ part: HeadRecord) -> String {
        "At 0x\(hex(240)) the head: kind \(part.kind), input_norm \(index(part.inputNorm)), " + linear("projection", part.projection)
            + ", byte_table \(index(part.byteTable)), position_tensor \(index(part.positionTensor)), fraction_bits \(part.fractionBits), "
            + "output_norm \(index(part.outputNorm)), " + linear("output", part.output)
            + ", logit_fraction_bits \(part.logitFractionBits)."
    }

    /// The place of a byte of the model record in the file.
    private func hex(_ offset: Int) -> String { String(Int(file.region(0).offset) + offset, radix: 16) }

    private func notes(_ kind: RegionKind, _ number: Int) -> String {
        let model = file.model
        switch kind {
        case .model:
            return "hidden_size \(model.hiddenSize), vocabulary_size \(model.vocabularySize), context_default \(model.contextDefault), "
                + "context_maximum \(model.contextMaximum), kv_slot_count \(model.kvSlotCount), block_size \(model.blockSize), "
                + "residual_fraction_bits \(model.residualFractionBits), temperature \(model.temperature), top_k \(model.topK), "
                + "repeat_window \(model.repeatWindow), \(model.parameterCount) parameters, \(model.uniqueParameterCount) unique. "
                + embedder(model.embedder) + " " + head(model.head)
        case .schedule:
            let step = file.step(0)
            return "One step: attention \(index(step.attention)), feed_forward \(index(step.feedForward)), attention_norm "
                + "\(index(step.attentionNorm)), feed_forward_norm \(index(step.feedForwardNorm)), kv_slot \(index(step.kvSlot)), "
                + "section \(step.section), flags \(step.flags), fraction_bits \(step.fractionBits)."
        case .attentions:
            let part = file.attention(0)
            return linear("qkv", part.qkv) + ", " + linear("output", part.output) + ", head_count \(part.headCount), kv_head_count "
                + "\(part.kvHeadCount), head_size \(part.headSize), rotation_tensor \(index(part.rotationTensor)), scores times "
                + "\(part.scoreScaleMantissa) * 2^-\(part.scoreScaleExponent)."
        case .feedForwards:
            let part = file.feedForward(0)
            return "kind \(part.kind), activation \(part.activation), no gate, " + linear("up", part.up) + ", " + linear("down", part.down) + "."
        case .norms:
            return (0..<file.normCount).map { k in
                let norm = file.norm(k)
                return "\(k): kind \(norm.kind), weight \(norm.weight), bias \(index(norm.bias)), output_fraction_bits \(norm.outputFractionBits)"
            }.joined(separator: "; ") + "."
        case .tensors: return "encoding, rows, columns, exponent of each."
        case .names:
            let aliases = (0..<file.nameCount).filter { file.name($0).isAlias }
            return aliases.map { "Record \($0) is an alias of record \(file.name($0).target)" }.joined(separator: ", ") + "."
        case .text: return "The description, then the names."
        default: return tensorNotes(number)
        }
    }

    private func tensorNotes(_ number: Int) -> String {
        let record = file.tensor(number)
        let names = (0..<file.nameCount).filter { !file.name($0).isAlias && Int(file.name($0).target) == number }
        let shape = "\(record.rows) x \(record.columns)"
        guard let name = names.first else { return "\(shape) cosines and sines of the rotation." }
        let text = "`" + String(decoding: file.nameText(name), as: UTF8.self) + "`, \(shape)"
        if record.encoding == Encoding.int32Vector.rawValue { return text + ", int32 with \(record.exponent) fraction bits." }
        let plain = text + ": one line of 64 bytes for 16 rows of 4 columns, then the row scales; exponent \(record.exponent)."
        return number == 0 ? plain + " " + firstWeight(exponent: record.exponent) : plain
    }

    /// The weight in row 0 and column 0, from its bytes.
    private func firstWeight(exponent: Int32) -> String {
        let base = Int(file.region(file.firstWeightsRegion).offset)
        let code = Int(Int8(bitPattern: bytes[base])), scale = Int(bytes[base + 64]) + 256 * Int(bytes[base + 65])
        let u = 2048 + scale % 2048, d = scale >> 11, shift = d + Int(exponent)
        return "The weight of row 0 and column 0: code \(code), row scale " + String(format: "0x%04X", scale)
            + ", so that u is \(u) and d is \(d): \(code) * \(u) * 2^-\(shift), about "
            + String(format: "%.6f.", Double(code * u) * scalbn(1.0, -shift))
    }
}
