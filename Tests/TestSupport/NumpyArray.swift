import Checkpoints
import Foundation

/// An array of a .npz file: little-endian float32, float64 or int64, row-major.
public struct NumpyArray {
    public let shape: [Int]
    public let values: [Double]

    public struct Failure: Error { let reason: String }

    /// Reads all arrays of an uncompressed .npz that have a numeric type.
    public static func archive(path: String) throws -> [String: NumpyArray] {
        let archive = try ZipArchive(CheckpointFile.bytes(path: path))
        var arrays: [String: NumpyArray] = [:]
        for entry in archive.entries {
            let content = try [UInt8](archive.content(of: entry))
            if let array = try? NumpyArray(content) { arrays[String(entry.name.dropLast(4))] = array }
        }
        return arrays
    }

    public init(_ bytes: [UInt8]) throws {
        guard bytes.count > 10, bytes[0] == 0x93, bytes[6] == 1 else { throw Failure(reason: "not npy version 1") }
        let start = 10 + Int(bytes[8]) + 256 * Int(bytes[9])
        let header = String(decoding: bytes[10..<start], as: UTF8.self)
        guard header.contains("'fortran_order': False"), let open = header.lastIndex(of: "("),
            let close = header.lastIndex(of: ")") else { throw Failure(reason: header) }
        shape = header[header.index(after: open)..<close].split(separator: ",").compactMap {
            Int($0.trimmingCharacters(in: .whitespaces))
        }
        let count = shape.reduce(1, *)
        func load<Word: FixedWidthInteger>(_ type: Word.Type, _ convert: (Word) -> Double) -> [Double] {
            bytes.withUnsafeBytes { raw in
                (0..<count).map { convert(raw.loadUnaligned(fromByteOffset: start + $0 * Word.bitWidth / 8, as: Word.self)) }
            }
        }
        if header.contains("'<f4'") {
            values = load(UInt32.self) { Double(Float(bitPattern: $0)) }
        } else if header.contains("'<f8'") {
            values = load(UInt64.self) { Double(bitPattern: $0) }
        } else if header.contains("'<i8'") {
            values = load(Int64.self) { Double($0) }
        } else {
            throw Failure(reason: header)
        }
    }

    public var integers: [Int] { values.map { Int($0) } }
}
