import FixedPoint
import Foundation
import Kernels
import ModelFile
import PackedSupport
import STLM
import TestSupport
import Testing

/// Session files that are damaged, foreign or hostile are refused, and the session can be used: Formats/session-1.md, section 6.
@Suite struct SessionDamageTests {
    static let source = SyntheticSTLM { $0.layerCount = 1 }

    private func options(_ packed: OpenedModelFile, _ type: KeyValueType = .int4, context: Int = 16, kernels: KernelSet = .detected) -> SessionOptions {
        var options = packed.options(context: context, kernels: kernels) { ($0.repeatPenalty, $0.repeatWindow) = (70_000, 3) }
        options.keyValueType = type
        return options
    }

    private func file(_ packed: OpenedModelFile, _ ids: [UInt32] = [4, 5, 6], _ type: KeyValueType = .int4) throws -> [UInt8] {
        try packed.withSession(options(packed, type)) { session in
            var recent = session.recentTokens()
            for id in ids { recent.append(id) }
            try session.feed(ids)
            return try session.saved(random: SplitMix64(seed: 77), recent: recent)
        }
    }

    /// The error of a file; after it the session is a new one that works.
    private func refusal(_ session: inout Session, _ file: [UInt8]) throws -> SessionFileError? {
        do {
            try session.restore(file)
            return nil
        } catch let error as SessionFileError {
            #expect(session.position == 0)
            return error
        }
    }

    @Test func everyTruncationAndEveryFlippedBitIsRefused() throws {
        let packed = try Self.source.packed(.int8), file = try file(packed)
        try packed.withSession(options(packed)) { session in
            try session.feed([4])
            let fresh = session.lastLogits()
            for count in 0..<file.count {
                let error = try refusal(&session, Array(file.prefix(count)))
                #expect(error == (count < 64 ? .truncated : .wrongByteCount(have: count, need: UInt64(file.count))))
                // Without the byte count it is found by reading.
                var offset = 0
                #expect(throws: SessionFileError.truncated) {
                    _ = try session.restore { buffer in
                        if offset + buffer.count > count { return false }
                        buffer.copyBytes(from: file[offset..<offset + buffer.count])
                        offset += buffer.count
                        return true
                    }
                }
            }
            #expect(try refusal(&session, file + [0]) == .wrongByteCount(have: file.count + 1, need: UInt64(file.count)))
            for place in file.indices {
                for bit in 0..<8 {
                    var flipped = file
                    flipped[place] ^= 1 << bit
                    let error = try refusal(&session, flipped)
                    switch place {
                    case 0..<8: #expect(error == .notASession)
                    case 8..<10: #expect(error == .unknownVersion(1 ^ UInt16(1) << UInt16(bit + 8 * (place - 8))))
                    default: #expect(error == .damaged, "byte \(place)")
                    }
                }
            }
            session.reset()
            try session.feed([4])
            #expect(session.lastLogits() == fresh)
            #expect(try refusal(&session, file) == nil && session.position == 3)
        }
    }

    @Test func whatBelongsElsewhereIsNamed() throws {
        let packed = try Self.source.packed(.int8), file = try file(packed)
        func error(_ options: SessionOptions, _ packed: OpenedModelFile, _ file: [UInt8]) throws -> SessionFileError? {
            try packed.withSession(options) { try refusal(&$0, file) }
        }
        let other = try SyntheticSTLM { ($0.layerCount, $0.seed) = (1, 2) }.packed(.int8)
        #expect(try error(options(other), other, file) == .otherModel)
        let wider = try Self.source.packed(.int16)
        #expect(try error(options(wider), wider, file) == .otherModel)
        for type in [KeyValueType.int16, .int8] {
            #expect(try error(options(packed, type), packed, file) == .otherKeyValueType(saved: .int4, own: type))
        }
        #expect(try error(options(packed, context: 2), packed, file) == .contextFull(needed: 3, context: 2))
        #expect(try error(options(packed, context: 3), packed, file) == nil)
        // The last input can make room for itself, the others cannot.
        try packed.withSession(options(packed, context: 2)) { session in
            try session.restore(file, slides: true)
            #expect(session.position == 2 && session.history[0] == 4 && session.history[1] == 6)
        }
        _ = try packed.withSession(options(packed, context: 1)) { session in
            #expect(throws: SessionFileError.contextFull(needed: 3, context: 1)) { _ = try session.restore(file, slides: true) }
        }
        #expect(try error(options(packed), packed, Array("Once upon a time there was a text, longer than the header of a file.".utf8)) == .notASession)
    }

    /// Fields with right checksums.
    @Test func fieldsThatNoSessionHasAreRefused() throws {
        let packed = try Self.source.packed(.int8), whole = try file(packed)
        let inputs = 64, recent = inputs + 12, entries = recent + 12
        let cases: [(Int, [UInt8])] = [
            (36, [3, 0, 0, 0]), (40, [0xFF, 0xFF, 0xFF, 0xFF]), (40, [4, 0, 0, 0]), (40, [2, 0, 0, 0]), (40, [0, 0, 0, 0]), (44, [2, 0, 0, 0]),
            (44, [0, 0, 0, 0]), (48, [4, 0, 0, 0]), (48, [0xFF, 0xFF, 0xFF, 0xFF]), (52, [0, 0, 0, 0]), (52, [3, 0, 0, 0]),
            (inputs, [96, 0, 0, 0]), (inputs + 8, [0xFF, 0xFF, 0xFF, 0xFF]), (recent, [96, 0, 0, 0]), (recent + 8, [0, 0, 1, 0]),
            // A scale without mantissa, exponents of 1024 and -1025, and the one code that there is not.
            (entries, [0, 0, 0, 0]), (entries, [0, 0x80, 0, 8]), (entries + 4, [0, 0x80, 0xFE, 0xF7]), (entries + 8, [0x80]),
        ]
        try packed.withSession(options(packed)) { session in
            for (offset, bytes) in cases {
                var file = whole
                file.replaceSubrange(offset..<offset + bytes.count, with: bytes)
                let error = try refusal(&session, Self.sealed(file))
                #expect(error == .impossible, "\(bytes) at \(offset)")
            }
            let error = try refusal(&session, Self.sealed(whole))
            #expect(error == nil)
        }
    }

    /// Random changes under right checksums: what is accepted can be worked with, and is the same with any kernels.
    @Test(arguments: [KeyValueType.int16, .int8, .int4]) func hostileContentDoesNoHarm(_ type: KeyValueType) throws {
        let packed = try Self.source.packed(.int8), ids = (0..<15).map { UInt32($0 * 5) }
        let whole = try file(packed, ids, type)
        var numbers = SeededNumbers(seed: 8), accepted = 0
        for round in 0..<400 {
            var file = whole
            for _ in 0...numbers.int(0...30) {
                let place = numbers.int(round % 2 == 0 ? 36...file.count - 5 : 64 + 4 * 18...file.count - 5)
                file[place] = numbers.int(0...2) == 0 ? 0x7F : UInt8(truncatingIfNeeded: numbers.next())
            }
            // Extreme exponents that a reader has to take.
            for entry in stride(from: 64 + 4 * 18, to: file.count - 4, by: type == .int16 ? 40 : type == .int8 ? 24 : 20) where round % 3 == 0 {
                let exponents: [Int32] = [-1_024, 1_023, 0, 60, -60, 200]
                for offset in [0, 4] {
                    let scale = exponents[numbers.int(0...5)] << 17 | Int32(numbers.int(1 << 14...(1 << 17) - 1))
                    withUnsafeBytes(of: scale) { file.replaceSubrange(entry + offset..<entry + offset + 4, with: $0) }
                }
            }
            file = Self.sealed(file)
            var results: Set<[Int32]> = []
            for kernels in KernelSet.runnable {
                try packed.withSession(options(packed, type, kernels: kernels)) { session in
                    if try refusal(&session, file) == nil {
                        var all = session.lastLogits()
                        if session.position < 16 {
                            try session.feed([9])
                            all += session.lastLogits()
                        }
                        results.insert(all)
                    }
                }
            }
            #expect(results.count <= 1, "round \(round): kernels differ")
            accepted += results.count
        }
        #expect(accepted > 100)
    }

    @Test func aWriterThatTakesNoMoreIsTold() throws {
        let packed = try Self.source.packed(.int8)
        try packed.withSession(options(packed)) { session in
            try session.feed([1, 2, 3])
            for limit in 0..<4 {
                var pieces = 0
                #expect(throws: SessionFileError.notWritten) {
                    try session.save { _ in
                        pieces += 1
                        return pieces <= limit
                    }
                }
                #expect(pieces == limit + 1 && session.position == 3)
            }
        }
    }

    /// The bytes with the checksums that they should have.
    static func sealed(_ file: [UInt8]) -> [UInt8] {
        var file = file
        func sum(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
            let value = Array(bytes).withUnsafeBytes { CRC32.of($0.baseAddress!, byteCount: $0.count) }
            return withUnsafeBytes(of: value.littleEndian) { Array($0) }
        }
        file.replaceSubrange(12..<16, with: [0, 0, 0, 0])
        file.replaceSubrange(12..<16, with: sum(file[..<64]))
        file.replaceSubrange(file.count - 4..<file.count, with: sum(file.dropLast(4)))
        return file
    }
}
