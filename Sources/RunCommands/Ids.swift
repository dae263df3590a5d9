import Console
import STLM

/// What the words of `--ids` say to a model: tokens, or blocks of so many symbols; how many numbers there are, or nil after a complaint.
/// - Parameters:
///   - canBeEmpty: something precedes them
func parseInputs(
    _ word: Arguments.Word, _ model: Model, canBeEmpty: Bool = false, into numbers: UnsafeMutableBufferPointer<UInt32>
) -> Int? {
    guard let count = parseIds(word, into: numbers) else { return nil }
    if count == 0, !canBeEmpty {
        complain("--ids is empty; give at least one id")
        return nil
    }
    if count % model.inputSize != 0 {
        complain("--ids has %a numbers, and this model takes blocks of %b; give whole blocks, padded with 256", count, model.inputSize)
        return nil
    }
    return count
}

/// Throws for a number that the model does not take.
func requireInputs(_ numbers: UnsafeBufferPointer<UInt32>, _ model: Model) throws(SessionError) {
    for number in numbers where number >= UInt32(model.inputLimit) {
        throw .tokenOutOfRange(token: number, vocabularySize: model.inputLimit)
    }
}

/// Numbers from `1 5 9` or `1,5,9`; their count, or nil after a complaint.
private func parseIds(_ word: Arguments.Word, into ids: UnsafeMutableBufferPointer<UInt32>) -> Int? {
    var count = 0
    var value: UInt64?
    var k = 0
    while true {
        let byte = UInt8(bitPattern: word[k])
        if byte >= 0x30, byte <= 0x39 {
            value = min((value ?? 0) * 10 + UInt64(byte - 0x30), UInt64(UInt32.max))
        } else if byte == 0 || byte == 0x20 || byte == 0x2C || byte == 0x0A || byte == 0x09 {
            if let known = value {
                if count == ids.count {
                    complain("--ids has more than %a ids; give fewer", ids.count)
                    return nil
                }
                ids[count] = UInt32(known)
                count += 1
                value = nil
            }
            if byte == 0 { return count }
        } else {
            complain("--ids takes whole numbers with spaces between, not '%n'", name: word)
            return nil
        }
        k += 1
    }
}
