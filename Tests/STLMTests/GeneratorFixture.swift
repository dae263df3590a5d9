import Foundation
import PackedSupport
import STLM
import TestSupport
import Testing

extension SmallModels {
    /// What stlm-run writes, without the newline that ends it.
    static func written(_ words: [String]) throws -> [UInt8] {
        let outcome = try Program.run.call(words + ["--no-echo", "--threads", "1"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return Array(outcome.output.dropLast())
    }
}

extension Generator {
    /// All bytes after a prompt, step by step; what was drawn, and the steps it took.
    mutating func answer(_ prompt: String) throws -> (text: [UInt8], ids: [UInt32], steps: Int) {
        try begin(prompt: prompt)
        return try steps()
    }

    mutating func steps() throws -> (text: [UInt8], ids: [UInt32], steps: Int) {
        var text: [UInt8] = [], all: [UInt32] = [], count = 0
        while true {
            let step = try step()
            count += 1
            text += textBytes
            all += ids
            #expect((step == .drawn) == !ids.isEmpty)
            if case .ended = step { return (text, all, count) }
        }
    }

    mutating func saved() throws -> [UInt8] {
        var bytes: [UInt8] = []
        try save {
            bytes += $0
            return true
        }
        return bytes
    }

    mutating func restore(_ file: [UInt8]) throws {
        var rest = file[...]
        try restore { buffer in
            if rest.count < buffer.count { return false }
            buffer.copyBytes(from: rest.prefix(buffer.count))
            rest = rest.dropFirst(buffer.count)
            return true
        }
    }
}
