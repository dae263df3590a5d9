/// Every lie that a model file can tell, one case each. `template` is the sentence: `%r` is the region, `%i` the record in it,
/// `%a` and `%b` the numbers.
public enum Lie: UInt8, Error, Sendable {
    case notAModelFile, truncated, unknownVersion, unknownDraft, unknownFeature, wrongFileSize, headerChecksum
    case reservedNotZero, tooManyRegions, unknownRegionKind, wrongRegionOrder, missingRegion, wrongAlignment
    case emptyRegion, regionOutOfRange, regionOverlap, regionHole, trailingBytes, paddingNotZero, wrongRecordSize
    case wrongChecksum, misalignedMemory
    case countOutOfRange, indexOutOfRange, unknownCode, wrongShape, wrongEncoding, wrongActivationBits
    case wrongTensorSize, tensorWithoutRegion, exponentOutOfRange, valueOutOfRange
    case normWithoutPart, emptyStep, stepWithoutSection, slotWithoutAttention, slotUsedTwice, slotUnused, headsDoNotDivide
    case notAscending, aliasOfAlias, textOutOfRange, nulInText, wrongNormBias
    case wrongMergePiece, wrongBytePiece, wrongCharacterPiece, wrongAdjacency, characterNotAScalar
    case strayTokenizerRegion, wordsWithoutBlocks, wrongErrorCount, unmeasuredLedger

    public var template: StaticString {
        switch self {
        case .notAModelFile: "this is not a model file (it begins otherwise); make one with stlm-pack"
        case .truncated: "the file ends after %a bytes, before its %r is complete (%b bytes); copy it again"
        case .unknownVersion: "the file has format version %a, this program reads %b; use a matching version or pack again"
        case .unknownDraft: "the file is draft %a of the format, from before it was frozen; pack the model again"
        case .unknownFeature: "the file needs features (%a) that this program does not know; use a newer version"
        case .wrongFileSize: "the header says %a bytes, the file has %b; copy it again"
        case .headerChecksum: "the header's checksum is %a, its bytes give %b; copy the file again"
        case .reservedNotZero: "%r record %i has reserved bits set"
        case .tooManyRegions: "the header names %a regions, at most %b are allowed"
        case .unknownRegionKind: "region %i is of kind %a, which this program does not know"
        case .wrongRegionOrder: "region %i (%r) stands out of order"
        case .missingRegion: "the file has no region '%r'; pack the model again"
        case .wrongAlignment: "region %i (%r) has alignment %a, not 64 or 16384"
        case .emptyRegion: "region %i (%r) is empty"
        case .regionOutOfRange: "region %i (%r) would end beyond the file (offset %a, %b bytes)"
        case .regionOverlap: "region %i (%r) begins at %a, inside what ends at %b"
        case .regionHole: "region %i (%r) begins at %a where %b was expected"
        case .trailingBytes: "the last region ends at %a, the file at %b"
        case .paddingNotZero: "the padding before region %i (%r) is not zero at byte %a"
        case .wrongRecordSize: "region '%r' has %a bytes, which is no whole number of its records of %b"
        case .wrongChecksum: "region %i (%r) has checksum %a, its bytes give %b; copy the file again"
        case .misalignedMemory: "the model's memory must begin at a multiple of 64 bytes; map the file or align the buffer"
        case .countOutOfRange: "%r record %i: a count of %a is outside its limit of %b"
        case .indexOutOfRange: "%r record %i refers to entry %a of %b"
        case .unknownCode: "%r record %i has the unknown code %a"
        case .wrongShape: "%r record %i: a tensor has a size of %a where %b is needed"
        case .wrongEncoding: "%r record %i uses a tensor with encoding %a, which does not fit there"
        case .wrongActivationBits: "%r record %i has %a activation bits, which does not fit there"
        case .wrongTensorSize: "tensor %i needs %a bytes, its weights region has %b"
        case .tensorWithoutRegion: "there are %a tensors and %b weights regions"
        case .exponentOutOfRange: "%r record %i has an exponent or fraction bits of %a, which is out of range"
        case .valueOutOfRange: "%r record %i: a value of %a is outside its range"
        case .normWithoutPart: "schedule record %i has a norm without its part"
        case .emptyStep: "schedule record %i has neither attention nor feed-forward"
        case .stepWithoutSection: "schedule record %i belongs to an embedder or head of tokens, which has no steps"
        case .slotWithoutAttention: "schedule record %i must have a key-value slot exactly if it is of the core and has an attention"
        case .slotUsedTwice: "schedule record %i uses key-value slot %a, which another step uses"
        case .slotUnused: "the model has %a key-value slots, its schedule uses %b"
        case .headsDoNotDivide: "attentions record %i has %a heads for %b key-value heads, which does not divide"
        case .notAscending: "region '%r' is not in ascending order at record %i"
        case .aliasOfAlias: "names record %i is an alias of record %a, which is an alias itself"
        case .textOutOfRange: "%r record %i refers to text at %a, beyond the %b bytes there are"
        case .nulInText: "the text region has a zero byte at %a"
        case .wrongMergePiece: "merges record %i makes token %a, whose piece is not that of its two parts"
        case .wrongBytePiece: "the tokenizer has token %a for byte %b, whose piece is another"
        case .wrongCharacterPiece: "characters record %i names token %a, whose piece is another"
        case .wrongAdjacency: "region '%r' does not agree with the pieces at word %i"
        case .characterNotAScalar: "characters record %i names %a, which is no Unicode character"
        case .wrongErrorCount: "the file has %a tensor errors where %b are needed"
        case .unmeasuredLedger: "the ledger has results of a measurement that it does not name, or names one without results"
        case .strayTokenizerRegion: "the file has a region '%r', which a tokenizer of kind %a does not have"
        case .wordsWithoutBlocks: "the tokenizer makes blocks only (kind 3), which a model with embedder kind %a and head kind %b does not take"
        case .wrongNormBias: "norms record %i: its bias has %a fraction bits where %b are needed"
        }
    }

    /// What follows the template: what it means and what to do, where the template does not say so itself.
    public var advice: StaticString {
        switch self {
        case .notAModelFile, .truncated, .unknownVersion, .unknownDraft, .unknownFeature, .wrongFileSize, .headerChecksum,
            .missingRegion, .wrongChecksum, .misalignedMemory: ""
        case .reservedNotZero, .unknownRegionKind, .unknownCode:
            "; the file is damaged or newer than this program, copy it again or use a newer version"
        default: "; the file is damaged, copy it again or pack the model again"
        }
    }
}

/// A lie, where it stands and its numbers.
public struct ModelFileError: Error, Sendable {
    public var lie: Lie
    public var region: StaticString
    public var index: Int
    public var a: Int64
    public var b: Int64

    public init(_ lie: Lie, region: StaticString = "header", index: Int = 0, _ a: Int64 = 0, _ b: Int64 = 0) {
        self.lie = lie
        self.region = region
        self.index = index
        self.a = a
        self.b = b
    }

    /// Writes the sentence (UTF-8, no newline) and returns its byte count; cut off where `buffer` ends.
    public func write(into buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var writer = SentenceWriter(buffer: buffer)
        writer.write(lie.template, region: region, index: Int64(index), a, b)
        writer.append(lie.advice)
        return writer.count
    }
}

/// Fills a sentence's placeholders without allocating.
public struct SentenceWriter {
    let buffer: UnsafeMutableBufferPointer<UInt8>
    public private(set) var count = 0

    public init(buffer: UnsafeMutableBufferPointer<UInt8>) { self.buffer = buffer }

    public mutating func append(_ byte: UInt8) {
        if count < buffer.count {
            buffer[count] = byte
            count += 1
        }
    }

    public mutating func append(_ text: StaticString) {
        for k in 0..<text.utf8CodeUnitCount { append(text.utf8Start[k]) }
    }

    public mutating func append(_ number: Int64) {
        if number < 0 { append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        var divisor: UInt64 = 1
        while rest / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(ascii: "0") + UInt8(rest / divisor))
            rest %= divisor
            divisor /= 10
        }
    }

    /// `%r`, `%i`, `%a` and `%b` in `template` are replaced.
    public mutating func write(_ template: StaticString, region: StaticString, index: Int64, _ a: Int64, _ b: Int64) {
        var k = 0
        let length = template.utf8CodeUnitCount
        while k < length {
            let byte = template.utf8Start[k]
            if byte == UInt8(ascii: "%"), k + 1 < length {
                switch template.utf8Start[k + 1] {
                case UInt8(ascii: "r"): append(region)
                case UInt8(ascii: "i"): append(index)
                case UInt8(ascii: "a"): append(a)
                default: append(b)
                }
                k += 2
            } else {
                append(byte)
                k += 1
            }
        }
    }
}
