import Foundation
import ModelFile
import STLM

/// A model file in memory, opened as the runtime opens it.
final class PackedFile {
    let file: ModelFile
    /// With a copy of the model record: made again where that is changed.
    var model: Model
    private let memory: UnsafeMutableRawBufferPointer

    init(_ bytes: [UInt8]) throws(PackError) {
        memory = .allocate(byteCount: bytes.count, alignment: 64)
        memory.copyBytes(from: bytes)
        do throws(ModelFileError) {
            file = try ModelFile(memory.baseAddress!, byteCount: bytes.count)
        } catch {
            memory.deallocate()
            throw .ownOutput(sentence: error.sentence)
        }
        model = Model(file)
    }

    deinit { memory.deallocate() }
}

extension ModelFileError {
    /// The error as a sentence, for the host side.
    public var sentence: String {
        String(unsafeUninitializedCapacity: 512) { write(into: $0) }
    }
}
