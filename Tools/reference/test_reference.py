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
from arithmetic import INT, bits, exp2n, isqrt, log2q, normal, quantise, rshr, scale, shifted_product, sigmoid
from example_files import NONE, Example
from float_forward import FloatForward
from forward import Forward, normalise_one, piecewise
from model_file import Norm, Reader
from refusal import Refused
from sampling import SplitMix, candidates, penalise, q16, sample
from generation import Session, first_stop, generate
from scoring import cost, parts, perplexity, score, windows
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
                            weight = Tensor(0, 3, 1, n, 24, codes=np.full(n, 2**24, INT))
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
        example.parts[2] = [struct.pack("<6I", 0, NONE, 0, NONE, 0, 0), struct.pack("<6I", NONE, 1, NONE, 3, NONE, 0)]
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


class Text(unittest.TestCase):
    def test_round_trip(self):
        for kind in (1, 2):
            tokenizer = opened(tokenizer=kind, vocabulary=311)[1].tokenizer
            for text in ("", "the the aaaaaaa thth e", "é€éa €éa aé  aé", "\U0001F600\x00"):
                data = text.encode()
                ids = tokenizer.encode(data)
                for begin in ([], [0]):
                    self.assertEqual(tokenizer.decode(begin + ids), data)
                broken = b"\xc3\xe2\x82" + data + b"\xed\xa0\x80\xc3\xa9\xff"
                self.assertEqual(tokenizer.decode([0] + tokenizer.encode(broken)), broken)

    def test_decode(self):
        tokenizer = opened(tokenizer=2, vocabulary=311)[1].tokenizer
        space, a = tokenizer.byte_tokens[32], tokenizer.byte_tokens[97]
        for ids, text in (([], b""), ([0], b""), ([0, space, space, a], b" a"), ([a, space], b"a "), ([space], b""),
                          ([310, 0, a], b"\n<s>\na"), ([0, 0, 310], b"\n<s>\n")):
            self.assertEqual(tokenizer.decode(ids), text)

    def test_merges_as_written(self):
        random = np.random.default_rng(2)
        for kind in (1, 2):
            tokenizer = opened(tokenizer=kind, vocabulary=311)[1].tokenizer
            for _ in range(100):
                data = "".join(random.choice(list("the aé€"), 30)).encode()
                tokens = tokenizer.split((b" " if kind == 2 else b"") + data)
                while True:
                    pairs = [(tokenizer.merges[p][0], i) for i, p in enumerate(zip(tokens, tokens[1:])) if p in tokenizer.merges]
                    if not pairs:
                        break
                    i = min(pairs)[1]
                    tokens[i:i + 2] = [tokenizer.merges[tokens[i], tokens[i + 1]][1]]
                self.assertEqual(tokenizer.encode(data), tokens)


class Sampling(unittest.TestCase):
    settings = {"temperature": 65536, "top_k": 0, "top_p": 65536, "min_p": 0, "repeat_penalty": 65536, "repeat_window": 8}

    def test_decimals(self):
        self.assertEqual([q16(t, "x") for t in ("1", "0.8", ".1", "100.0", "0.00000762939453125", "0.0000076")],
                         [65536, 52429, 6554, 6553600, 1, 0])

    def test_random_numbers(self):
        random = SplitMix(0)
        self.assertEqual([random.draw() for _ in range(2)], [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4])

    def test_products(self):
        for d in (0, 1, 12345, 2**32 - 1):
            for shift in (-32, -1, 0, 16, 19, 20, 30, 62, 78):
                exact = d * 1586259972792
                exact = exact >> shift if shift >= 0 else exact << -shift
                self.assertEqual(int(shifted_product(np.array([d]), 1586259972792, shift)[0]), exact)

    def test_filters(self):
        logits = (np.array([0.0, 3, 1, 3, 2, -50]) * 2**20).astype(INT)
        self.assertEqual(list(candidates(logits, 20, self.settings)[0]), [0, 1, 2, 3, 4, 5])
        self.assertEqual(list(candidates(logits, 20, {**self.settings, "top_k": 3})[0]), [1, 3, 4])
        self.assertEqual(list(candidates(logits, 20, {**self.settings, "top_p": 1})[0]), [1])
        self.assertEqual(list(candidates(logits, 20, {**self.settings, "min_p": 65536})[0]), [1, 3])
        self.assertEqual(list(candidates(logits, 20, {**self.settings, "min_p": 65536 // 4})[0]), [1, 3, 4])

    def test_penalty(self):
        l = penalise(np.array([100, -100, 7, 2**31 - 1]), [2, 0, 1, 3, 3], 131072, 4)
        self.assertEqual(list(l), [50, -200, 7, 2**30 - 1])

    def test_frequencies(self):
        random, counts = SplitMix(7), np.zeros(3)
        for _ in range(4000):
            counts[sample(np.array([0, 2**20, -2**20]), 20, self.settings, [], random)] += 1
        exact = np.exp([0.0, 1, -1]) / np.exp([0.0, 1, -1]).sum()
        self.assertLess(np.abs(counts / 4000 - exact).max(), 0.03)

    def test_generate(self):
        for causal in (True, False):
            _, model = opened(causal=causal)
            a, b = (generate(model, [0, 5], self.settings, 8, 9) for _ in range(2))
            self.assertEqual(a, b)


class Sequences(unittest.TestCase):
    settings = {**Sampling.settings, "repeat_penalty": 80000}

    def run_against_document(self, model, ids, count, context, slide, ignore_end, seed):
        """Section 10 word for word: every drawn token from a whole new computation of what stands in the context."""
        if len(ids) > context:
            ids = ids[-context:]
            if model.bos is not None:
                ids[0] = model.bos
        window, history, random, made = list(ids), list(ids), SplitMix(seed), []
        while len(made) < count:
            logits = Forward(model).logits(window)[-1]
            token = sample(logits, model.logit_fraction_bits, self.settings, history, random)
            history.append(token)
            if token in model.end_tokens and not ignore_end:
                break
            made.append(token)
            if len(window) == context:
                if not slide:
                    break
                half = context // 2
                window = window[context - half:]
                if half and model.bos is not None:
                    window[0] = model.bos
            window.append(token)
        return made

    def test_sequences(self):
        for settings in ({}, {"bos": None}, {"causal": False}):
            _, model = opened(seed=6, **settings)
            for context in (1, 2, 5):
                for ids in ([5], [5, 6, 7, 8, 9, 10]):
                    for slide in (False, True):
                        if len(ids) > context and not slide:
                            with self.assertRaises(Refused):
                                generate(model, ids, self.settings, 9, context=context)
                            continue
                        for ignore in (False, True):
                            got = generate(model, ids, self.settings, 9, 3, context, slide, ignore)[0]
                            self.assertEqual(got, self.run_against_document(model, list(ids), 9, context, slide, ignore, 3))
                            if ignore:
                                self.assertEqual(len(got), 9 if slide else min(9, context - len(ids) + 1))

    def test_context(self):
        _, model = opened()
        for context in (0, 21):
            with self.assertRaises(Refused):
                Session(model, context, False, 0)
        with self.assertRaises(Refused):
            generate(model, [], self.settings, 1)
        self.assertEqual(len(generate(model, [5], self.settings, 50, ignore_end=True)[0]), 18)

    def test_stops(self):
        for text, stops, at in ((b"", [b"a"], None), (b"xaby", [b"ab"], 1), (b"xaby", [b"by", b"ab"], 1), (b"xab", [b"b", b"ab"], 1),
                                (b"xabcd", [b"abcd", b"bc"], 2), (b"xa", [b"ab"], None), (b"aa", [b"aa"], 0)):
            self.assertEqual(first_stop(text, stops), at)
        _, model = opened(seed=6)
        ids, text = generate(model, [5], self.settings, 15, ignore_end=True)
        self.assertEqual(text, model.tokenizer.bytes_of(ids))
        stop = text[4:8]
        shorter, before = generate(model, [5], self.settings, 15, ignore_end=True, stops=[stop])
        self.assertEqual(before, text[:text.index(stop)])
        self.assertEqual(shorter, ids[:len(shorter)])


class Scores(unittest.TestCase):
    def test_cost(self):
        random = np.random.default_rng(1)
        for F in (-20, -2, 20, 30):
            logits = (random.normal(0, 3, 300) * 2.0**max(F, 20)).astype(INT) >> max(0, 20 - F)
            real = logits * 2.0**-F
            for i in (0, 7):
                exact = (np.log(np.exp(real - real.max()).sum()) - (real[i] - real.max())) / np.log(2)
                self.assertLess(worst("cost, bits", abs(cost(logits, F, i) / 2**24 - exact)), 1e-5)

    def test_windows(self):
        t = list(range(1, 8))
        self.assertEqual(list(windows(t, 0, 3)), [([0, 1, 2], [1, 2, 3]), ([0, 4, 5], [4, 5, 6]), ([0], [7])])
        self.assertEqual(list(windows(t, None, 3)), [([1, 2, 3], [2, 3, 4]), ([4, 5, 6], [5, 6, 7])])
        self.assertEqual(list(windows(t, None, 3, 9)), [([9, 1, 2], [1, 2, 3]), ([3, 4, 5], [4, 5, 6]), ([6], [7])])
        self.assertEqual(list(windows(t, 0, 9, 9)), list(windows(t, 0, 9)))
        self.assertEqual(perplexity(3 << 24, 1), 8 << 30)
        self.assertEqual(parts(b" a b\n<e> \n <e>c<e>", b"<e>"), [b"a b", b"c"])

    def test_score(self):
        _, model = opened(bos=None)
        count, total = score(Forward(model), list(range(40)), 10)
        self.assertEqual(count, 39)
        self.assertGreater(total, 0)


if __name__ == "__main__":
    unittest.main()
