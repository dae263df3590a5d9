/// The formulas of arithmetic-1 in 128 bits, as they stand in the document and in its letters.
public enum ArithmeticReference {
    /// Section 3: codes, m and e.
    public static func quantise(_ v: [Int32], _ F: Int, _ b: Int) -> (codes: [Int32], m: Int128, e: Int) {
        let A = max(1, v.map { Int128($0.magnitude) }.max() ?? 0)
        let L = Exact.bits(A)
        let a = A << (32 - L)
        let D: Int128 = b == 8 ? 65_024 : 65_534
        let m = (a + D - 1) / D
        let K = b == 8 ? 23 : 31
        let R = (Int128(1) << 46) / m
        return (v.map { Int32(Exact.rshr(Int128($0) * R, 46 - K + L)) }, m, F + K - L)
    }

    /// Section 6.2.1 after its first line: what is stored, vm and ve.
    public static func nibbles(_ u: [Int32], um: Int128, ue: Int) -> (n: [UInt8], vm: Int128, ve: Int) {
        let candidates = (0...7).map { j in
            let h = 1_920 + 96 * Int128(j), r = (1 << 25) / h
            let n = u.map { min(15, max(0, ((Int128($0) * r) >> 26) + 8)) }
            let squares = zip(u, n).map { u, n in
                let distance = (Int128(u) - (2 * n - 15) * h) >> 4
                return distance * distance
            }
            precondition(squares.max()! < 1 << 16, "a bound of the document")
            return (error: squares.reduce(0, +), h: h, n: n)
        }
        let best = candidates.first { $0.error == candidates.map(\.error).min()! }!
        let vm = Exact.rshr(best.h * um, 11)
        precondition(vm > 1 << 14 && vm < 1 << 17, "a bound of the document")
        return (best.n.map { UInt8($0) }, vm, ue - 11)
    }

    /// Section 6.2.2 after its first line.
    public static func bytes(_ u: [Int32], um: Int128, ue: Int) -> (codes: [UInt8], km: Int128, ke: Int) {
        let candidates = (0...7).map { j in
            let s = 258 + 2 * Int128(j)
            let c = u.map { Exact.rshr(Int128($0) * ((1 << 22) / s), 22) }
            precondition(c.allSatisfy { $0.magnitude <= 127 }, "a bound of the document")
            return (error: zip(u, c).reduce(Int128(0)) { $0 + (Int128($1.0) - $1.1 * s) * (Int128($1.0) - $1.1 * s) }, s: s, c: c)
        }
        let best = candidates.first { $0.error == candidates.map(\.error).min()! }!
        let km = Exact.rshr(best.s * um, 8)
        precondition(km > 1 << 15 && km < 1 << 17, "a bound of the document")
        return (best.c.map { UInt8(truncatingIfNeeded: $0) }, km, ue - 8)
    }

    public struct Layer {
        /// (rows, columns)
        public var weights: [[Int32]]
        public var rowScales: [UInt16]
        public var weightBits: Int
        public var exponent: Int
        public var bias: [Int32]?
        public var biasBits = 0

        public init(weights: [[Int32]], rowScales: [UInt16], weightBits: Int, exponent: Int) {
            (self.weights, self.rowScales, self.weightBits, self.exponent) = (weights, rowScales, weightBits, exponent)
        }
    }

    /// Section 4: the result and its fraction bits; `fixed` is nil for the floating form.
    public static func linear(_ layer: Layer, _ c: [Int32], bits b: Int, m: Int128, e: Int, fixed: Int?) -> (y: [Int32], F: Int) {
        let N = Exact.clog2(c.count) + (layer.weightBits - 1) + (b - 1)
        let P = max(0, N - 33)
        let A = N - P
        var F = layer.exponent + e - P - (A - 2)
        if layer.bias != nil { F = min(F, layer.biasBits) }
        if let fixed { F = fixed }
        let y = layer.weights.indices.map { r in
            var acc: Int128 = 0
            for j in c.indices { acc += Int128(layer.weights[r][j]) * Int128(c[j]) }
            let q = layer.rowScales[r]
            let u = 2048 + Int128(q % 2048), d = Int(q / 2048)
            let prod = Exact.rshr(acc, P) * u * m
            precondition(prod.magnitude < 1 << 62, "a bound of the document")
            let y = Exact.scale(prod, d + layer.exponent + e - P - F)
            guard let bias = layer.bias else { return y }
            return Exact.sat32(Int128(y) + Int128(Exact.scale(Int128(bias[r]), layer.biasBits - F)))
        }
        return (y, F)
    }

    /// Section 5.
    public static func norm(
        _ x: [Int32], F: Int, isLayer: Bool, g: [Int32], FG: Int, h: [Int32]?, FY: Int, epsilon: UInt64
    ) -> [Int32] {
        let n = Int128(x.count)
        var z = x
        if isLayer {
            let mu = Exact.floorDivide(2 * x.reduce(0) { $0 + Int128($1) } + n, 2 * n)
            z = x.map { Exact.sat32(Int128($0) - mu) }
        }
        let L = Exact.bits(z.map { Int128($0.magnitude) }.max()!)
        let k = max(0, L - 23)
        let S = z.reduce(Int128(0)) { sum, z in sum + Exact.rshr(Int128(z), k) * Exact.rshr(Int128(z), k) }
        precondition(S <= 1 << 62, "a bound of the document")
        var u = [Int32](repeating: 0, count: x.count)
        if S > 0 {
            let a = 63 - Exact.bits(S), q = (S << a) / n
            let b = 62 - Exact.bits(q), Q = q << b
            let E = a + b + 2 * (F - k)
            var v = Q, G = E
            if epsilon != 0 {
                let c = 62 - Exact.bits(Int128(epsilon))
                let X = c >= 0 ? Int128(epsilon) << c : Int128(epsilon) >> -c
                let EX = 64 + c
                G = min(E, EX)
                v = (Q >> min(120, E - G)) + (X >> min(120, EX - G))
            }
            if v >= 1 << 62 { (v, G) = (v >> 1, G - 1) }
            if G % 2 != 0 { (v, G) = (v >> 1, G - 1) }
            let r = (Int128(1) << 61) / Exact.isqrt(v)
            precondition(r >= 1 << 30 && r <= 1 << 31, "a bound of the document")
            u = z.map { Exact.scale(Int128($0) * r, 39 + F - G / 2) }
        }
        return u.indices.map { i in
            let y = Exact.scale(Int128(u[i]) * Int128(g[i]), 22 + FG - FY)
            return h.map { Exact.sat32(Int128(y) + Int128($0[i])) } ?? y
        }
    }

    public struct Head {
        public var codes: [[Int32]]
        public var scales: [(m: Int128, e: Int)]

        public init(codes: [[Int32]] = [], scales: [(m: Int128, e: Int)] = []) { (self.codes, self.scales) = (codes, scales) }
    }

    /// Section 6.2, step 4, for one query head. `exp2n` is taken from the kernels, whose own tests hold it to its definition.
    public static func attention(
        _ qc: [Int32], qm: Int128, qe: Int, keys: Head, values: Head, UC: Int128, EC: Int, EL: Int, exp2n: (UInt32) -> UInt32
    ) -> [Int32] {
        let s = qc.count, D = Exact.clog2(s)
        let M = Exact.rshr(qm * UC, 17)
        let z = keys.codes.indices.map { t in
            var acc: Int128 = 0
            for i in 0..<s { acc += Int128(qc[i]) * Int128(keys.codes[t][i]) }
            let Mt = Exact.rshr(M * keys.scales[t].m, 17)
            return Exact.scale(Exact.rshr(acc, D) * Mt, EC + qe + keys.scales[t].e - 50 - D)
        }
        let Z = Int128(z.max()!)
        let p = z.map { Int128(exp2n(UInt32(min((Z - Int128($0)) << 8, (1 << 32) - 1)))) }
        let P = p.reduce(0, +)
        let c = p.indices.map { t in Exact.rshr(p[t] * values.scales[t].m, 17 + values.scales[t].e - EL) }
        let LP = Exact.bits(P)
        let PN = LP <= 32 ? P << (32 - LP) : P >> (LP - 32)
        let RP = (Int128(1) << 62) / PN
        return (0..<s).map { i in
            let o = c.indices.reduce(Int128(0)) { $0 + c[$1] * Int128(values.codes[$1][i]) }
            precondition(o.magnitude < 1 << 62, "a bound of the document")
            return Exact.sat32(Exact.rshr(Exact.rshr(o, LP - 16) * RP, 31))
        }
    }
}
