// The whole of a text in one call.
extension Generator {
    /// Writes what comes after a prompt.
    /// - Parameters:
    ///   - prompt: UTF-8; it begins a sequence, or goes on with the last
    ///   - shouldStop: asked before each step; true cancels the work
    ///   - take: gets the text as it comes, whole characters, valid during the call
    /// - Throws: `cancelled`, and what `begin(prompt:)` and `step` throw
    @discardableResult
    public mutating func write(
        after prompt: UnsafeBufferPointer<UInt8>, shouldStop: () -> Bool = { false }, _ take: (UnsafeBufferPointer<UInt8>) -> Void
    ) throws(STLMError) -> Ending {
        try begin(prompt: prompt)
        return try finish(shouldStop: shouldStop, take)
    }

    /// What a text costs: bits in units of 2^-24, and of how many tokens or blocks. `begin(scoring:)` says of what.
    public mutating func cost(
        of text: UnsafeBufferPointer<UInt8>, shouldStop: () -> Bool = { false }
    ) throws(STLMError) -> (bits: Int64, count: Int) {
        try begin(scoring: text)
        try finish(shouldStop: shouldStop) { _ in }
        return cost!
    }

    /// Steps until all is done.
    @discardableResult
    public mutating func finish(shouldStop: () -> Bool = { false }, _ take: (UnsafeBufferPointer<UInt8>) -> Void) throws(STLMError) -> Ending {
        while true {
            if shouldStop() {
                cancel()
                throw .cancelled
            }
            let step = try step()
            if state.pointee.textCount > 0 { take(textBytes) }
            if case .ended(let ending) = step { return ending }
        }
    }
}

// With strings, where there is an allocator.
#if !hasFeature(Embedded)
extension MappedModel {
    /// Maps the file at a path.
    public init(_ path: String) throws(STLMError) { shared = try path.withCString { SharedModel.opened(path: $0) }.get() }
}

extension Generator {
    /// Begins with a prompt of which a copy is kept until the next text.
    public mutating func begin(prompt: String) throws(STLMError) {
        try begin(copying: prompt) { generator, bytes throws(STLMError) in try generator.pointee.begin(bytes) }
    }

    /// Begins to score a text of which a copy is kept until the next.
    public mutating func begin(scoring text: String) throws(STLMError) {
        try begin(copying: text) { generator, bytes throws(STLMError) in try generator.pointee.begin(scoring: bytes) }
    }

    private mutating func begin(
        copying text: String, _ begin: (UnsafeMutablePointer<GeneratorState>, UnsafeBufferPointer<UInt8>) throws(STLMError) -> Void
    ) throws(STLMError) {
        let count = text.utf8.count, copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: count)
        _ = copy.initialize(from: text.utf8)
        do throws(STLMError) {
            try begin(state, UnsafeBufferPointer(copy))
        } catch {
            copy.deallocate()
            throw error
        }
        dropText()
        state.pointee.held = copy.baseAddress
    }

    /// A text ends before this string too: up to 8 of 1 to 256 bytes; from the next prompt on.
    public mutating func addStop(_ text: String) throws(STLMError) {
        let bytes = Array(text.utf8)
        let failure = bytes.withUnsafeBufferPointer { bytes in
            do throws(STLMError) {
                try addStop(bytes)
                return nil as STLMError?
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// What the last step gave.
    public var text: String { String(decoding: textBytes, as: UTF8.self) }

    /// Writes what comes after a prompt, and hands it on as it comes.
    @discardableResult
    public mutating func write(
        after prompt: String, shouldStop: () -> Bool = { false }, _ take: (String) -> Void
    ) throws(STLMError) -> Ending {
        try begin(prompt: prompt)
        return try finish(shouldStop: shouldStop) { take(String(decoding: $0, as: UTF8.self)) }
    }

    /// All that comes after a prompt.
    public mutating func text(after prompt: String) throws(STLMError) -> String {
        var all = ""
        try write(after: prompt) { all += $0 }
        return all
    }

    /// What a text costs: bits in units of 2^-24, and of how many tokens or blocks.
    public mutating func cost(of text: String, shouldStop: () -> Bool = { false }) throws(STLMError) -> (bits: Int64, count: Int) {
        try begin(scoring: text)
        try finish(shouldStop: shouldStop) { _ in }
        return cost!
    }
}
#endif
