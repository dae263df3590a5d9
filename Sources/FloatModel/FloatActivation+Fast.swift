import Foundation

extension FloatActivation {
    /// The function of every element in place.
    func apply(to rows: inout FloatRows, _ workers: Workers) {
        rows.values.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress else { return }
            workers.run(rows: values.count, chunk: 1 << 14) { apply(base + $0.lowerBound, $0.count) }
        }
    }

    private func apply(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
        switch kind {
        case .identity: return
        case .relu: for index in 0..<count { x[index] = max(0, x[index]) }
        case .leakyRelu: for index in 0..<count { x[index] = x[index] >= 0 ? x[index] : 0.01 * x[index] }
        case .gelu: for index in 0..<count { x[index] = 0.5 * x[index] * (1 + erff(x[index] * Float(0.5).squareRoot())) }
        case .tanh: for index in 0..<count { x[index] = tanhf(x[index]) }
        case .sigmoid: map(x, count) { 1 / (1 + fastExponential(-$0)) }
        case .silu: map(x, count) { $0 / (1 + fastExponential(-$0)) }
        case .learned: applyLearned(x, count)
        }
    }

    @inline(__always)
    private func map(_ x: UnsafeMutablePointer<Float>, _ count: Int, _ function: (SIMD8<Float>) -> SIMD8<Float>) {
        let bytes = UnsafeMutableRawPointer(x)
        var index = 0
        while index + 8 <= count {
            let place = bytes + index * 4
            place.storeBytes(of: function(place.loadUnaligned(as: SIMD8<Float>.self)), as: SIMD8<Float>.self)
            index += 8
        }
        while index < count {
            x[index] = function(SIMD8(repeating: x[index]))[0]
            index += 1
        }
    }

    private func applyLearned(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
        guard let learned else { return }
        let w1 = learned.w1.values, b1 = learned.b1.values, w2 = learned.w2.values, b2 = learned.b2.values[0]
        for index in 0..<count {
            var sum = b2
            for unit in w1.indices { sum += w2[unit] * max(0, w1[unit] * x[index] + b1[unit]) }
            x[index] = sum
        }
    }
}

extension FloatRows {
    /// Element by element.
    mutating func add(_ other: FloatRows, _ workers: Workers) { combine(other, workers) { $0 + $1 } }

    /// Element by element.
    mutating func multiply(by other: FloatRows, _ workers: Workers) { combine(other, workers) { $0 * $1 } }

    @inline(__always)
    private mutating func combine(_ other: FloatRows, _ workers: Workers, _ operation: (Float, Float) -> Float) {
        precondition(rows == other.rows && columns == other.columns)
        values.withUnsafeMutableBufferPointer { own in
            other.values.withUnsafeBufferPointer { others in
                guard let own = own.baseAddress, let others = others.baseAddress else { return }
                workers.run(rows: rows * columns, chunk: 1 << 15) { places in
                    for place in places { own[place] = operation(own[place], others[place]) }
                }
            }
        }
    }
}
