import Console
import FixedPoint
import Kernels

/// A number that a line names.
struct Size {
    var name: StaticString
    var value: Int

    init(_ name: StaticString, _ value: Int) { (self.name, self.value) = (name, value) }
}

/// What is being checked: for the line that a difference or a fault prints.
struct Trial {
    var kernels = KernelSet.baseline
    var function: StaticString = ""
    var sizes = InlineArray<7, Size>(repeating: Size("", 0))
    var sizeCount = 0

    func print(_ event: StaticString, _ number: Int? = nil) {
        var output = Writer(1)
        output.text(kernels.name)
        output.text(": ")
        output.text(function)
        output.byte(UInt8(ascii: " "))
        output.text(event)
        if let number {
            output.byte(UInt8(ascii: " "))
            output.number(number)
        }
        for k in 0..<sizeCount {
            output.text(k == 0 ? ": " : ", ")
            output.text(sizes[k].name)
            output.byte(UInt8(ascii: " "))
            output.number(sizes[k].value)
        }
        output.text("\n")
        output.flush()
    }
}

/// Global for the handler of faults alone.
nonisolated(unsafe) var trial = Trial()

/// One set of kernels against the reference.
struct Check {
    let kernels: KernelSet
    let rounds: Int
    var numbers = SplitMix64(seed: 1)
    private(set) var checks = 0
    private(set) var differences = 0

    init(_ kernels: KernelSet, rounds: Int) {
        self.kernels = kernels
        self.rounds = rounds
        trial.kernels = kernels
    }

    mutating func all() {
        for round in 0..<rounds {
            linear(round)
            quantizing()
            searching()
            norms()
            rotating()
            activating()
            gating()
            attending(round)
            softmax()
            reading()
            checksums()
        }
    }

    func begin<let n: Int>(_ function: StaticString, _ sizes: InlineArray<n, Size>) {
        trial.function = function
        trial.sizeCount = n
        for k in 0..<n { trial.sizes[k] = sizes[k] }
    }

    /// Counts a check of the trial that has begun. Of many differences the first say enough.
    mutating func expect(_ isEqual: Bool) {
        checks += 1
        if isEqual { return }
        differences += 1
        if differences <= 20 { trial.print("differs") }
    }

    func report() {
        var output = Writer(1)
        output.text(kernels.name)
        output.text(": ")
        output.number(checks)
        output.text(" checks, ")
        if differences == 0 {
            output.text("all equal\n")
        } else {
            output.number(differences)
            output.text(" differ\n")
        }
        output.flush()
    }
}
