import CKernels
import FixedPoint
import Foundation
import Kernels
import ModelFile
import TestSupport
import Testing

/// arithmetic-1, section 6.4, activations 0 to 6: every set of kernels against exact arithmetic.
@Suite struct ActivationTests {
    static let smooth: [Activation] = [.identity, .gelu, .relu, .leakyRelu, .tanh, .sigmoid, .silu]
    static let tabulated: [Activation] = [.gelu, .silu]

    /// The table of the document in 128 bits.
    private func exact(_ activation: Activation, _ x: Int32, _ F: Int) -> (y: Int32, fractionBits: Int) {
        let t = Exact.scale(Int128(x), F - 20)
        return switch activation {
        case .identity, .piecewiseLinear: (x, F)
        case .gelu: (Exact.scale(Int128(x) * Int128(normal(t)), 31), F)
        case .relu: (max(0, x), F)
        case .leakyRelu: (x >= 0 ? x : Exact.scale(Int128(x) * 42_949_673, 32), F)
        case .tanh: (Exact.sat32(Int128(sigmoid(Exact.scale(Int128(x), F - 21))) - 1 << 30), 30)
        case .sigmoid: (Int32(Exact.rshr(Int128(sigmoid(t)), 1)), 30)
        case .silu: (Exact.scale(Int128(x) * Int128(sigmoid(t)), 31), F)
        }
    }

    private func check(_ x: [Int32], _ fractionBits: Int, _ activation: Activation) {
        let expected = x.map { exact(activation, $0, fractionBits) }
        for kernels in KernelSet.runnable {
            let y = GuardedArray(x)
            let got = activate(y.pointer, count: x.count, fractionBits: fractionBits, activation, nil, kernels)
            let isSame = y.elements == expected.map(\.y) && got.fractionBits == expected[0].fractionBits && y.memory.isSlackIntact
            let what = "\(kernels), \(activation), \(x.count) elements of \(fractionBits) fraction bits"
            #expect(isSame, "\(what)")
            if let maximum = got.maximum { #expect(maximum == expected.map(\.y.magnitude).max(), "\(what)") }
        }
    }

    private func real(_ activation: Activation, _ x: Double) -> Double {
        switch activation {
        case .identity, .piecewiseLinear: x
        case .gelu: x * erfc(-x / 2.0.squareRoot()) / 2
        case .relu: max(0, x)
        case .leakyRelu: x >= 0 ? x : 0.01 * x
        case .tanh: tanh(x)
        case .sigmoid: 1 / (1 + exp(-x))
        case .silu: x / (1 + exp(-x))
        }
    }

    @Test(arguments: smooth, [12, 20, 24, 26]) func isNearTheRealFunction(_ activation: Activation, _ fractionBits: Int) {
        let range = min(30.0, scalbn(1.0, 30 - fractionBits))
        let x = (0...20_000).map { Int32((Double($0) / 10_000 - 1) * range * scalbn(1.0, fractionBits)) }
        let memory = GuardedArray(x)
        let bits = activate(memory.pointer, count: x.count, fractionBits: fractionBits, activation, nil).fractionBits
        let unit = scalbn(1.0, -bits)
        let far = zip(x, memory.elements).first { x, y in
            let argument = scalbn(Double(x), -fractionBits)
            // The tables err by 3e-6 of what they are multiplied with; results are rounded to a unit.
            return abs(Double(y) * unit - real(activation, argument)) > 6e-6 * max(1, abs(argument)) + unit
        }
        #expect(far == nil)
    }

    @Test(arguments: smooth) func everyFractionBits(_ activation: Activation) {
        var numbers = SeededNumbers(seed: 61)
        let x = SeededNumbers.ends + (0..<200).map { _ in numbers.anyInt32() }
        // As far as fraction bits of a floating layer reach.
        for fractionBits in Array(-40...84) + [-150, -64, 127, 219] { check(x, fractionBits, activation) }
    }

    @Test(arguments: smooth) func everyCount(_ activation: Activation) {
        var numbers = SeededNumbers(seed: 62)
        for count in 1...40 {
            for fractionBits in [-3, 12, 20, 24, 31] {
                check((0..<count).map { _ in numbers.anyInt32() }, fractionBits, activation)
                check((0..<count).map { _ in Int32(numbers.int(-(1 << 25)...1 << 25)) }, fractionBits, activation)
            }
        }
    }

    /// Every entry of the tables and both its neighbours, the tables' ends among them, then the whole range of t.
    @Test(arguments: tabulated) func everyArgument(_ activation: Activation) {
        var steps: [Int32] = []
        for i in 0...1_026 as ClosedRange<Int32> {
            for entry in [i << 13, i << 14] { steps += [entry - 1, entry, entry + 1, -entry - 1, -entry, -entry + 1] }
        }
        check(steps, 20, activation)
        check(Array(stride(from: -17_000_000, through: 17_000_000, by: 211)), 20, activation)
        let all = stride(from: Int(Int32.min), through: Int(Int32.max), by: 99_991).map { Int32($0) }
        for fractionBits in [14, 20, 26, 31] { check(all, fractionBits, activation) }
    }

    /// Nothing beyond 1,025 entries of a table is read.
    @Test(arguments: tabulated) func theTableIsNotExceeded(_ activation: Activation) {
        let shift: Int32 = activation == .gelu ? 13 : 14
        let words = activation == .gelu ? withNormalTable { Array(UnsafeBufferPointer(start: $0, count: 1_025)) }
            : withSigmoidTable { Array(UnsafeBufferPointer(start: $0, count: 1_025)) }
        let table = GuardedArray(words)
        defer { withExtendedLifetime(table) {} }
        let end = Int32(1) << (shift + 10)
        let x = (-40...40).flatMap { [end + $0, -end + $0] } + SeededNumbers.ends
        for kernels in KernelSet.fast {
            let y = GuardedArray(x)
            let most = stlm_activate(kernels.index, y.pointer, x.count, 20, table.pointer, shift)
            let expected = x.map { exact(activation, $0, 20).y }
            #expect(y.elements == expected && most == expected.map(\.magnitude).max(), "\(kernels)")
        }
    }
}
