"""Tests of the reference implementation: python3 -m unittest discover -s Tools/reference"""

import math
import os
import struct
import sys
import unittest
import zlib
from decimal import Decimal, getcontext

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import arithmetic
from arithmetic import INT, bits, exp2n, isqrt, log2q, normal, quantise, rshr, scale, sigmoid
from example_files import NONE, Example
from float_forward import FloatForward
from forward import Forward
from layers import normalise_one, piecewise
from model import Norm
from model_file import Reader
from refusal import Refused
from tensors import Tensor

getcontext().prec = 40
WORST = {}


def worst(name, value):
    WORST[name] = max(WORST.get(name, 0), float(value))
    return value


def tearDownModule():
    if os.environ.get("SHOW_WORST"):
        for name, value in WORST.items():
            print(f"{name}: {value:.3g}")


def opened(**settings):
    example = Example(**settings)
    return example, Reader(example.image()).model


class Functions(unittest.TestCase):
    random = np.random.default_rng(5)

    def whole(self, low, high, n=2000):
        return self.random.integers(low, high, n, dtype=INT)

    def test_rounding(self):
        for a in [0, 1, -1, 2**31, -2**31, 2**62, -2**62, 2**62 - 1, 2**63 - 1, -2**63, *map(int, self.whole(-2**62, 2**62, 200))]:
            for s in (0, 1, 2, 31, 62, 63, 64, 65, 200):
                exact = a if s == 0 else (a + 2**(s - 1)) >> s
                self.assertEqual(int(rshr(a, s)), exact)
                self.assertEqual(int(scale(a, s)), min(max(exact, -2**31), 2**31 - 1))
                self.assertEqual(int(scale(a, -s)), min(max(a << s, -2**31), 2**31 - 1))
        for k in range(63):
            self.assertEqual([int(b) for b in bits([2**k - 1, 2**k])], [k, k + 1])

    def test_exp2n(self):
        self.assertEqual(int(exp2n(0)), 2**30)
        self.assertEqual(int(exp2n(2**32 - 1)), 0)
        self.assertEqual([int(exp2n(n << 24)) for n in (29, 30, 31, 32)], [2, 1, 1, 0])
        self.assertEqual(int(exp2n((31 << 24) + 1)), 0)
        x = np.concatenate([self.whole(0, 2**24), self.whole(0, 2**29), [2**24 - 1, 2**24]])
        for n, got in zip(map(int, x), map(int, exp2n(x))):
            exact = Decimal(2)**30 * Decimal(2)**(Decimal(-n) / 2**24)
            self.assertLess(worst("exp2n, of 1", abs(got - exact) / 2**30), 7e-8)

    def test_log2q(self):
        for p in [1, 2, 3, 2**30, 2**31, 2**32 - 1, 2**32, 2**64 - 1, *map(int, self.whole(1, 2**50, 500))]:
            exact = Decimal(p).ln() / Decimal(2).ln() * 2**24
            error = exact - log2q(p)
            self.assertLess(worst("log2q, units of 2^-24", abs(error)), 2.5)

    def test_isqrt(self):
        for v in [0, 1, 2**60, 2**62 - 1, *map(int, self.whole(2**60, 2**62, 300))]:
            r = isqrt(v)
            self.assertTrue(r * r <= v < (r + 1) ** 2)

    def test_tables(self):
        crc = lambda table: zlib.crc32(table.astype("<u4").tobytes())
        self.assertEqual(crc(arithmetic.sigmoid_table()), 0x1535BFF2)
        self.assertEqual(crc(arithmetic.normal_table()), 0x409011F3)

    def test_sigmoid_and_normal(self):
        t = np.concatenate([self.whole(-2**31, 2**31, 300), self.whole(-2**25, 2**25), [2**24, -2**24, 2**23, -2**31]])
        exact = [1 / (1 + math.exp(-v)) if v > -700 else 0 for v in t / 2**20]
        self.assertLess(worst("sigmoid, of 1", np.abs(sigmoid(t) / 2**31 - exact).max()), 4e-6)
        exact = [0.5 * math.erfc(-v / 2**20 / 2**0.5) for v in t]
        self.assertLess(worst("normal, of 1", np.abs(normal(t) / 2**31 - exact).max()), 4e-6)

    def test_quantise(self):
        for width, top in ((8, 127), (16, 32767)):
            for extreme in (0, 1, -1, 127, 128, 2**31 - 1, -2**31, -2**31 + 1, 2**30, 2**30 - 1, *map(int, self.whole(1, 2**31, 300))):
                for other in (0, -extreme, extreme // 2, 1):
                    v = np.clip(np.array([[extreme, other]], INT), -2**31, 2**31 - 1)
                    codes, m, e = quantise(v, np.array([7]), width)
                    self.assertLessEqual(np.abs(codes).max(), top)
                    self.assertTrue(2**15 < m[0] < 2**17)
                    error = codes * float(m[0]) * 2.0**-int(e[0]) - v / 2.0**7
                    step = max(1, abs(v).max()) / 2.0**7 / top
                    self.assertLess(worst(f"quantise {width}, steps", np.abs(error).max() / step), 0.502)

    def test_norm_extremes(self):
        for n in (2, 3, 65536):
            for fill in (0, 1, 2**31 - 1, -2**31):
                for spike in (0, 1, -2**31, 2**31 - 1):
                    for epsilon in (0, 1, 2**44, 2**64 - 1):
                        for F in (-32, 0, 62):
                            x = np.full(n, fill, INT)
                            x[-1] = spike
                            weight = Tensor(0, 3, 1, n, 24, integers=np.full(n, 2**24, INT))
                            y = normalise_one(Norm(False, weight, None, 20, epsilon), x, F) / 2.0**20
                            mean = (x.astype(float) ** 2).mean() * 2.0 ** (-2 * F) + epsilon / 2.0**64
                            exact = x * 2.0**-F / mean**0.5 if mean else x * 0.0
                            self.assertLess(worst("norm at extremes, of 1", np.abs(y - exact).max() / max(1, np.abs(exact).max())), 2e-6)

    def test_piecewise_extremes(self):
        p = Tensor(0, 5, 1, 2, 0, points=np.array([-2**31, 2**31 - 1]), values=np.array([2**31 - 1, -2**31]),
                   slopes=np.array([-2**31, -2**31, 2**31 - 1]))
        for FS in (-32, 0, 1, 32, 33, 62):
            p.exponent = FS
            for t in (-2**31, -1, 0, 2**31 - 2, 2**31 - 1):
                k = sum(x <= t for x in p.points)
                j = max(0, k - 1)
                a = int(p.slopes[k]) * (t - int(p.points[j]))
                a = a << -FS if FS <= 0 else (a + 2**(FS - 1)) >> FS
                exact = min(max(min(max(a, -2**31), 2**31 - 1) + int(p.values[j]), -2**31), 2**31 - 1)
                self.assertEqual(int(piecewise(p, np.array(t))), exact)


CASES = {
    "gated silu": {}, "8 bits": {"width": 8, "activation_bits": 8}, "8 and 16 bits": {"width": 8},
    "layer norm, biases, positions": {"kind": 2, "bias": True, "rotation": False, "positions": True, "activation": 1, "gated": False},
    "not causal": {"causal": False, "shared": True, "tied": False}, "no norms": {"norms": False, "steps": 1},
    "shared feed-forward": {"shared": True, "steps": 4}, "characters": {"tokenizer": 2, "vocabulary": 311},
    "no tokenizer, no bos": {"tokenizer": 0, "bos": None, "tied": False}, "odd sizes": {"hidden": 23, "ffn": 17, "head_size": 2, "vocabulary": 277},
    "one head": {"heads": 1, "kv_heads": 1, "head_size": 1, "rotation": False}, "wide": {"hidden": 300, "steps": 1, "bias": True},
    **{f"activation {a}, plain": {"activation": a, "gated": False} for a in range(8)},
    **{f"activation {a}, gated": {"activation": a} for a in range(8)},
}


class Models(unittest.TestCase):
    def test_against_floats(self):
        for k, (name, settings) in enumerate(CASES.items()):
            with self.subTest(name):
                example, model = opened(seed=k, **settings)
                ids = np.random.default_rng(k).integers(0, example.vocabulary, 18)
                got = Forward(model).logits(ids) / 2.0**20
                exact = FloatForward(example).logits(ids)
                error = ((got - exact) ** 2).mean() ** 0.5 / (exact ** 2).mean() ** 0.5
                eight = settings.get("activation_bits") == 8
                worst(f"logits, {'8' if eight else '16'}-bit activations, relative rms", error)
                worst(f"  {name}", error)
                self.assertLess(error, 0.05 if eight else 0.001)

    def test_half_steps(self):
        """A step of an attention only, then one of a feed-forward only."""
        example = Example(seed=8)
        example.parts[2] = [struct.pack("<8I", 0, NONE, 0, NONE, 0, 2, 0, 22), struct.pack("<8I", NONE, 1, NONE, 3, NONE, 2, 0, 22)]
        example.region(2)[2] = b"".join(example.parts[2])
        model = Reader(example.poke(1, 16, 1).image()).model
        exact = FloatForward(example).logits(range(9))
        self.assertLess(np.abs(Forward(model).logits(range(9)) / 2.0**20 - exact).max(), 0.01)

    def test_positions_end(self):
        _, model = opened()
        forward = Forward(model)
        forward.logits(range(20))
        with self.assertRaises(Refused):
            forward.logits([1])

    def test_splits(self):
        for settings in ({}, {"shared": True, "bias": True, "kind": 2}, {"width": 8, "activation_bits": 8}):
            _, model = opened(seed=3, **settings)
            ids = list(np.random.default_rng(3).integers(0, 277, 20))
            whole = Forward(model).logits(ids)
            for cuts in ([1], [7, 8], list(range(1, 20))):
                forward = Forward(model)
                parts = [forward.logits(part) for part in np.split(np.array(ids), cuts)]
                self.assertTrue((np.concatenate(parts) == whole).all())

    def test_extreme_values(self):
        """Nothing overflows or fails with the largest codes, scales and exponents."""
        for exponent in (-64, 0, 40, 127):
            for code in (b"\x80", b"\xff", b"\x7f"):
                example = Example(seed=1, width=8, activation_bits=16, norms=False)
                for region in example.regions:
                    if region[0] == 64 and len(region[2]) > 400:
                        region[2] = code * len(region[2])
                matrices = [k for k in range(len(example.tensors)) if example.tensors[k][0] == 1]
                for k in matrices:
                    example.poke(6, 32 * k + 12, exponent)
                rows = [int.from_bytes(example.tensors[k][4:8], "little") for k in matrices]
                columns = [int.from_bytes(example.tensors[k][8:12], "little") for k in matrices]
                for k, r, c in zip(matrices, rows, columns):
                    region = [g for g in example.regions if g[0] == 64][k]
                    padded = np.zeros((-(-r // 16) * 16, -(-c // 4) * 4), np.uint8)
                    padded[:r, :c] = code[0]
                    body = padded.reshape(len(padded) // 16, 16, -1, 4).transpose(0, 2, 1, 3).tobytes()
                    q = np.zeros(len(padded), "<u2")
                    q[:r] = 2047
                    region[2] = body + q.tobytes()
                logits = Forward(Reader(example.image()).model).logits(range(10))
                self.assertTrue((np.abs(logits) <= 2**31).all())


if __name__ == "__main__":
    unittest.main()
