import Foundation
import ModelFile

extension CRC32 {
    /// The checksum of all bytes of `data`.
    public static func checksum(of data: Data) -> UInt32 {
        data.withUnsafeBytes { bytes in
            bytes.baseAddress.map { CRC32.of($0, byteCount: bytes.count) } ?? 0
        }
    }
}
