import ModelFile

extension Model {
    /// What stands before a text that nothing precedes, as it goes into the model: the end of the text before.
    /// - Parameters:
    ///   - numbers: (inputSize)
    /// - Returns: false if the model has nothing of that kind.
    public func writeBeginning(into numbers: UnsafeMutablePointer<UInt32>) -> Bool {
        if takesBlocks {
            writeEndBlock(into: numbers)
        } else if let bos = bosToken {
            numbers[0] = bos
        } else if record.endCount > 0 {
            numbers[0] = record.endTokens[0]
        } else {
            return false
        }
        return true
    }

    /// What ends a text, as it comes out of the model.
    /// - Parameters:
    ///   - numbers: (outputSize)
    /// - Returns: false if the model has nothing of that kind.
    public func writeEnd(into numbers: UnsafeMutablePointer<UInt32>) -> Bool {
        if writesBlocks {
            writeEndBlock(into: numbers)
        } else if record.endCount > 0 {
            numbers[0] = record.endTokens[0]
        } else {
            return false
        }
        return true
    }

    private func writeEndBlock(into numbers: UnsafeMutablePointer<UInt32>) {
        for t in 0..<blockSize { numbers[t] = UInt32(record.endBlock[t]) }
    }
}
