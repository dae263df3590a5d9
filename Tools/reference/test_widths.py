"""The vectorised 64-bit code against the document's formulas in Python's unlimited integers, at the bounds."""

import os
import sys
import unittest
from math import isqrt
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import arithmetic
import layers
from forward import added, entering, mean
from model import Linear, Norm
from tensors import Tensor

LOW, HIGH = -2**31, 2**31 - 1


def sat(a):
    return min(max(a, LOW), HIGH)


def rshr(a, s):
    return a if s == 0 else (a + (1 << (s - 1))) >> s


def scale(a, s):
    return sat(rshr(a, s) if s >= 0 else a << -s)


def exp2n(x):
    c = arithmetic.EXP_COEFFICIENTS
    n, f, r = x >> 24, x % 2**24, c[5]
    for k in (4, 3, 2, 1, 0):
        r = c[k] + rshr(r * f, 24)
    return rshr(r, n)


def quantise(v, F, b):
    A = max(1, max(map(abs, v)))
    L = A.bit_length()
    K, D = (23, 65024) if b == 8 else (31, 65534)
    m = -(-(A << (32 - L)) // D)
    return [rshr(x * (2**46 // m), 46 - K + L) for x in v], m, F + K - L


def linear(W, q, T, bias, v, F, b, w, fixed):
    c, m, e = quantise(v, F, b)
    N = (len(v) - 1).bit_length() + (w - 1) + (b - 1)
    P = max(0, N - 33)
    floating = T + e - P - (N - P - 2)
    F = fixed if fixed is not None else floating if bias is None else min(floating, bias[1])
    y = []
    for r, row in enumerate(W):
        acc = sum(a * x for a, x in zip(row, c))
        assert abs(acc) <= 2**N
        prod = rshr(acc, P) * (2048 + q[r] % 2048) * m
        assert abs(prod) < 2**62
        value = scale(prod, (q[r] >> 11) + T + e - P - F)
        y.append(value if bias is None else sat(value + scale(bias[0][r], bias[1] - F)))
    return y, F


def norm(kind, x, F, g, FG, FY, epsilon):
    n = len(x)
    mu = (2 * sum(x) + n) // (2 * n) if kind == 2 else 0
    z = [sat(v - mu) for v in x]
    k = max(0, max(map(abs, z)).bit_length() - 23)
    S = sum(rshr(v, k)**2 for v in z)
    assert S <= 2**62
    if S == 0:
        return [0] * n
    a = 63 - S.bit_length()
    q = (S << a) // n
    b = 62 - q.bit_length()
    assert b >= 0 and 2**61 <= q << b < 2**62
    v, G = q << b, a + b + 2 * (F - k)
    if epsilon:
        c = 62 - epsilon.bit_length()
        X = epsilon << c if c >= 0 else epsilon >> -c
        E, G = G, min(G, 64 + c)
        v = (v >> (E - G)) + (X >> (64 + c - G))
    if v >= 2**62:
        v, G = v >> 1, G - 1
    if G % 2:
        v, G = v >> 1, G - 1
    r = 2**61 // isqrt(v)
    assert 2**30 <= r <= 2**31
    return [scale(scale(value * r, 39 + F - G // 2) * w, 22 + FG - FY) for value, w in zip(z, g)]


def attend(H, G, s, UC, EC, b, q, keys, values):
    """q: (codes, m, e) of each head; keys and values: the same by position and kv head. b as in section 6.2.3."""
    EL = min(v[2] for row in values for v in row)
    D, out = (s - 1).bit_length(), []
    for h in range(H):
        qc, qm, qe = q[h]
        M, z = rshr(qm * UC, 17), []
        for row in keys:
            kc, km, ke = row[h // (H // G)]
            acc = sum(a * b for a, b in zip(qc, kc))
            product = rshr(acc, D) * rshr(M * km, 17)
            assert abs(product) < 2**62
            z.append(scale(product, EC + qe + ke - 50 - D + b))
        p = [exp2n(min((max(z) - t) << 8, 2**32 - 1)) for t in z]
        P = sum(p)
        heads = [row[h // (H // G)] for row in values]
        c = [rshr(pt * vm, 17 + ve - EL) for pt, (_, vm, ve) in zip(p, heads)]
        LP = P.bit_length()
        PN = P << (32 - LP) if LP <= 32 else P >> (LP - 32)
        for i in range(s):
            o = sum(ct * vc[i] for ct, (vc, _, _) in zip(c, heads))
            product = rshr(o, LP - 16) * (2**62 // PN)
            assert abs(o) < 2**62 and abs(product) < 2**63
            value = rshr(product, 31)
            assert LOW <= value <= HIGH
            out.append(value)
    return out, EL


def quantise_values(v, F):
    """Section 6.2.1 of one head."""
    u, um, ue = quantise(v, F, 16)
    found = []
    for j in range(8):
        h = 1920 + 96 * j
        r = 2**25 // h
        assert all(abs(x * r) < 2**31 for x in u)
        n = [min(15, max(0, ((x * r) >> 26) + 8)) for x in u]
        squares = [((x - (2 * y - 15) * h) >> 4) ** 2 for x, y in zip(u, n)]
        assert max(squares) < 2**16
        found.append((sum(squares), j, h, n))
    _, _, h, n = min(found)
    vm = rshr(h * um, 11)
    assert 2**14 < vm < 2**17
    return [2 * y - 15 for y in n], vm, ue - 11


def quantise_keys(v, F):
    """Keys of 8 bits of one head: section 6.2.2 where it is small."""
    if len(v) > 16:
        return quantise(v, F, 8)
    u, um, ue = quantise(v, F, 16)
    found = []
    for j in range(8):
        s = 258 + 2 * j
        c = [rshr(x * (2**22 // s), 22) for x in u]
        assert max(map(abs, c)) <= 127
        found.append((sum((x - y * s) ** 2 for x, y in zip(u, c)), j, s, c))
    _, _, s, c = min(found)
    km = rshr(s * um, 8)
    assert 2**15 < km < 2**17
    return c, km, ue - 8


class Widths(unittest.TestCase):
    random = np.random.default_rng(11)

    def ints(self, shape, spread=31):
        """Random magnitudes, with the extremes among them."""
        v = self.random.integers(LOW, HIGH + 1, shape) >> self.random.integers(0, spread, shape)
        extreme = self.random.random(shape)
        return np.where(extreme < 0.1, LOW, np.where(extreme > 0.9, HIGH, v)).astype(np.int64)

    def test_linear(self):
        """Matrices of all encodings: of groups |W| <= 960, of ternary 1."""
        for trial in range(180):
            encoding, w, b = ((1, 8, 8), (1, 8, 16), (2, 16, 16), (9, 11, 16), (12, 2, 8), (6, 11, 8), (11, 2, 16), (10, 11, 16))[trial % 8]
            columns, rows = (1, 2, 33, 4096, 8192)[trial % 5], 5
            top = {11: 960, 2: 1}.get(w, 2**(w - 1))
            W = self.random.integers(-top, top + (w in (2, 11)), (rows, columns))
            v = self.ints((1, columns), 1 + trial % 31)
            if trial % 7 == 0:
                W[:], v[:] = -top, LOW if trial % 2 else HIGH
            q = self.random.integers(0, 65536, rows)
            T, F = int(self.random.integers(-64, 128)), int(self.random.integers(-40, 80))
            fixed = int(self.random.integers(-32, 63)) if trial % 2 else None
            bias = (self.ints(rows), int(self.random.integers(-32, 63))) if trial % 7 < 4 else None
            matrix = Tensor(0, encoding, rows, columns, T, integers=W, scale_u=2048 + q % 2048, scale_d=q >> 11)
            vector = bias and Tensor(1, 3, 1, rows, bias[1], integers=bias[0])
            got, GF = layers.linear(Linear(matrix, vector, b), v, np.array([F]), fixed)
            plain = bias and (bias[0].tolist(), bias[1])
            self.assertEqual((got[0].tolist(), int(GF[0])), linear(W.tolist(), q.tolist(), T, plain, v[0].tolist(), F, b, w, fixed))

    def test_norm(self):
        for trial in range(200):
            n = (2, 3, 24, 700)[trial % 4]
            x, g = self.ints(n, 1 + trial % 31), self.ints(n)
            if trial % 9 == 0:
                x[:] = (0, LOW, HIGH)[trial % 3]
            F, FG, FY = (int(self.random.integers(-32, 63)) for _ in range(3))
            epsilon = 0 if trial % 3 == 0 else int(self.random.integers(1, 2**63)) >> int(self.random.integers(0, 63))
            if trial % 17 == 0:
                epsilon = 2**64 - 1
            record = Norm(trial % 2 == 1, Tensor(0, 3, 1, n, FG, integers=g), None, FY, epsilon)
            self.assertEqual(layers.normalise_one(record, x, F).tolist(), norm(1 + trial % 2, x.tolist(), F, g.tolist(), FG, FY, epsilon))

    def test_streams(self):
        """Rows of matrices enter streams and are added to them; blocks become their mean."""
        for trial in range(100):
            (encoding, low, high), rows, columns = ((1, -128, 127), (2, -2**15, 2**15 - 1), (8, -960, 960), (11, -1, 1))[trial % 4], (1, 5, 32)[trial % 3], 7
            W, q = self.random.integers(low, high + 1, (rows, columns)), self.random.integers(0, 65536, rows)
            T, F = int(self.random.integers(-64, 128)), int(self.random.integers(-32, 63))
            matrix = Tensor(0, encoding, rows, columns, T, integers=W, scale_u=2048 + q % 2048, scale_d=q >> 11)
            index, x = self.random.permutation(rows), self.ints((rows, columns), 1 + trial % 31)
            exact = [[scale(int(c) * (2048 + int(q[i]) % 2048), (int(q[i]) >> 11) + T - F) for c in W[i]] for i in index]
            self.assertEqual(entering(matrix, index, F).tolist(), exact)
            exact = [[sat(a + b) for a, b in zip(*pair)] for pair in zip(exact, x.tolist())]
            self.assertEqual(added(x, matrix, index, F).tolist(), exact)
            self.assertEqual(mean(x).tolist(), [(2 * sum(column) + rows) // (2 * rows) for column in x.T.tolist()])

    def test_mixing(self):
        """Section 6.2.3 as sums with the signs of a Hadamard matrix."""
        for trial in range(60):
            s = (1, 2, 3, 6, 8, 20, 48, 64, 256, 1024)[trial % 10]
            v = self.ints((3, 2, s), 1 + trial // 2)
            if trial % 10 == 0 or trial > 50:
                v[:] = (LOW, HIGH)[trial % 2]
            F = self.random.integers(-32, 63, 3)
            got, b, FM = layers.mix(v, F)
            n = 2**b
            self.assertTrue(s % n == 0 and s // n % 2 == 1)
            self.assertEqual(FM.tolist(), (F - b - 1 if b else F).tolist())
            for head, mixed in zip(v.reshape(-1, n).tolist(), got.reshape(-1, n).tolist()):
                exact = [sum(rshr(x, b + 1) * (-1)**(i & j).bit_count() for j, x in enumerate(head)) for i in range(n)] if b else head
                assert all(LOW <= x <= HIGH for x in exact)
                self.assertEqual(mixed, exact)

    def test_attention(self):
        for trial in range(90):
            H, G, s, n = ((2, 1, 3, 5), (4, 2, 8, 40), (1, 1, 1, 1), (1, 1, 4096, 3))[trial % 4]
            shapes = ((H, s), (n, G, s), (n, G, s))
            spread = 1 + trial // 2
            raw = [self.ints(shape, spread) for shape in shapes]
            if trial % 10 == 0:
                raw = [np.full(shape, LOW if trial % 20 else HIGH) for shape in shapes]
            raw[2] >>= self.random.integers(0, 32, (n, 1, 1))
            F = int(self.random.integers(0, 60))
            kind = trial % 3
            ways = [(arithmetic.quantise, quantise, 16), (arithmetic.quantise_keys, quantise_keys) if kind else (arithmetic.quantise, quantise, 16)]
            ways.append((arithmetic.quantise_values, quantise_values) if kind == 2 else (arithmetic.quantise, quantise, 8 if kind else 16))
            parts = [way[0](v, np.full(v.shape[:-1], F), *way[2:]) for v, way in zip(raw, ways)]
            UC = (2**30, 2**31 - 1)[trial % 2]
            EC, b = int(self.random.integers(0, 65)), trial % 4 if kind else 0
            layer = SimpleNamespace(head_count=H, kv_head_count=G, head_size=s, score_mantissa=UC, score_exponent=EC)
            got, EL = layers.attend(layer, b, *parts[0], *parts[1], *parts[2])
            plain = [[way[1](row.tolist(), F, *way[2:]) for row in v.reshape(-1, s)] for v, way in zip(raw, ways)]
            rows = [[plain[k][t * G:(t + 1) * G] for t in range(n)] for k in (1, 2)]
            self.assertEqual((got.tolist(), EL), attend(H, G, s, UC, EC, b, plain[0], *rows))


if __name__ == "__main__":
    unittest.main()
