import CPlatform
import STLM

/// A program in Embedded Swift of a package of its own: embedded-program MODEL writes a text by a generator, saves the
/// session in pages, restores it in another generator and goes on there.
@c(main) public func main(_ count: Int32, _ words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
    let prompt: StaticString = "Once upon a time", byteCount = 4 << 20
    guard count == 2, let pages = stlm_pages_reserve(byteCount) else { return 2 }
    do throws(STLMError) {
        let model = try MappedModel(path: words[1]!)
        let options = GeneratorOptions(contextTokenCount: 128, slides: true)
        var first = try Generator(model, options)
        first.tokenLimit = 20
        try first.write(after: UnsafeBufferPointer(start: prompt.utf8Start, count: prompt.utf8CodeUnitCount)) {
            _ = stlm_write(1, $0.baseAddress, $0.count)
        }
        var end = 0
        try first.save { piece in
            if byteCount - end < piece.count { return false }
            (pages + end).copyMemory(from: piece.baseAddress!, byteCount: piece.count)
            end += piece.count
            return true
        }
        first.close()
        var second = try Generator(model, options)
        model.close()
        var start = 0
        try second.restore { piece in
            if end - start < piece.count { return false }
            piece.copyMemory(from: UnsafeRawBufferPointer(start: pages + start, count: piece.count))
            start += piece.count
            return true
        }
        second.tokenLimit = 20
        try second.write(after: UnsafeBufferPointer(start: nil, count: 0)) { _ = stlm_write(1, $0.baseAddress, $0.count) }
        return 0
    } catch {
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 512) {
            _ = stlm_write(2, $0.baseAddress, error.write(into: $0))
            return 1
        }
    }
}
