"""arithmetic-1, sections 7 to 10: sampling, sequences and scores."""

import os
import sys
import unittest

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from arithmetic import INT, shifted_product
from example_files import Example
from forward import Forward
from generation import Session, first_stop, generate
from model_file import Reader
from refusal import Refused
from sampling import SplitMix, candidates, penalise, q16, sample
from scoring import cost, option_cost, parts, perplexity, score, window_cost, windows


def opened(**settings):
    return Reader(Example(**settings).image()).model


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
            model = opened(causal=causal)
            a, b = (generate(model, [0, 5], self.settings, 8, 9) for _ in range(2))
            self.assertEqual(a, b)


class Sequences(unittest.TestCase):
    settings = {**Sampling.settings, "repeat_penalty": 80000}

    def run_against_document(self, model, ids, count, context, slide, ignore_end, seed, keep):
        """Section 10 word for word: every drawn token from a whole new computation of what stands in the context, as long as no keys and
        values were moved."""
        if len(ids) > context:
            ids = ids[:keep] + ids[len(ids) - context + keep:]
        window, history, random, made = list(ids), list(ids), SplitMix(seed), []
        moved = None
        while len(made) < count:
            logits = (moved or Forward(model)).logits(window[-1:] if moved else window)[-1]
            token = sample(logits, model.logit_fraction_bits, self.settings, history, random)
            history.append(token)
            if token in model.end_tokens and not ignore_end:
                break
            made.append(token)
            if len(window) == context:
                if not slide:
                    break
                dropped = -((keep - context) // 2)
                if model.causal and not model.embedder.positions:
                    if not moved:
                        moved = Forward(model)
                        moved.logits(window)
                    moved.drop(keep, dropped)
                window = window[:keep] + window[keep + dropped:]
            window.append(token)
        return made

    def test_turned_keys(self):
        """In the first layer, whose input is the token alone, keys and values that were moved are those of the new position."""
        for kind, tolerance in (("int16", 3e-4), ("int8", 0.02), ("int4", 0.02)):
            for size in (6, 24, 64):
                model = opened(seed=8, context=40, steps=1, head_size=size)
                ids = [int(i) for i in np.random.default_rng(5).integers(0, model.vocabulary_size, 40)]
                moved, fresh = Forward(model, kind), Forward(model, kind)
                moved.results(ids)
                for dropped in (18, 2, 1):
                    moved.drop(4, dropped)
                    del ids[4:4 + dropped]
                fresh.results(ids)
                self.assertEqual(moved.position, len(ids))
                (kc, km, ke, *values), (fc, fm, fe, *others) = moved.stream.caches[0].parts, fresh.stream.caches[0].parts
                key, other = kc * km[..., None] * 2.0 ** -ke[..., None], fc * fm[..., None] * 2.0 ** -fe[..., None]
                self.assertEqual(len(key), 19)
                self.assertTrue((kc[:4] == fc[:4]).all())
                self.assertLess(np.abs(key - other).max() / np.abs(other).max(), tolerance)
                self.assertTrue(all((value == other).all() for value, other in zip(values, others)))

    def test_sequences(self):
        for settings in ({}, {"rotation": False}, {"positions": True}, {"causal": False}):
            model = opened(seed=6, **settings)
            for context, keep in ((1, 0), (2, 1), (5, 4), (5, 1), (5, 0), (7, 2)):
                for ids in ([5], [5, 6, 7, 8, 9, 10, 11, 12]):
                    for slide in (False, True):
                        if len(ids) > context and not slide:
                            with self.assertRaises(Refused):
                                generate(model, ids, self.settings, 9, context=context)
                            continue
                        for ignore in (False, True):
                            asked = None if keep == min(1, context - 1) else keep
                            got = generate(model, ids, self.settings, 9, 3, context, slide, ignore, keep=asked)[0]
                            self.assertEqual(got, self.run_against_document(model, list(ids), 9, context, slide, ignore, 3, keep))
                            if ignore:
                                self.assertEqual(len(got), 9 if slide else min(9, context - len(ids) + 1))

    def test_context(self):
        model = opened()
        for context in (0, 21):
            with self.assertRaises(Refused):
                Session(model, context, False, 0)
        for keep in (-1, 7):
            with self.assertRaises(Refused):
                Session(model, 7, True, 0, keep=keep)
        with self.assertRaises(Refused):
            generate(model, [], self.settings, 1)
        self.assertEqual(len(generate(model, [5], self.settings, 50, ignore_end=True)[0]), 18)

    def test_stops(self):
        for text, stops, at in ((b"", [b"a"], None), (b"xaby", [b"ab"], 1), (b"xaby", [b"by", b"ab"], 1), (b"xab", [b"b", b"ab"], 1),
                                (b"xabcd", [b"abcd", b"bc"], 2), (b"xa", [b"ab"], None), (b"aa", [b"aa"], 0)):
            self.assertEqual(first_stop(text, stops), at)
        model = opened(seed=6)
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
                self.assertLess(abs(cost(logits, F, i) / 2**24 - exact), 1e-5)

    def test_windows(self):
        t = list(range(1, 8))
        u = [10 * i for i in t]
        self.assertEqual(list(windows(t, u, 0, 3)), [([0, 1, 2], [10, 20, 30]), ([0, 4, 5], [40, 50, 60]), ([0], [70])])
        self.assertEqual(list(windows(t, u, None, 3)), [([1, 2, 3], [20, 30, 40]), ([4, 5, 6], [50, 60, 70])])
        self.assertEqual(list(windows(t, u, None, 3, 9)), [([9, 1, 2], [10, 20, 30]), ([3, 4, 5], [40, 50, 60]), ([6], [70])])
        self.assertEqual(list(windows(t, u, 0, 9, 9)), list(windows(t, u, 0, 9)))
        self.assertEqual(perplexity(3 << 24, 1), 8 << 30)
        self.assertEqual(parts(b" a b\n<e> \n <e>c<e>", b"<e>"), [b"a b", b"c"])

    def test_options(self):
        for bos in (0, None):
            model = opened(bos=bos)
            forward, pieces = Forward(model), [7, 8, 9]
            whole = ([0] if bos == 0 else []) + pieces + [2]
            for size in (1, 2, 3, 20):
                kept = whole[-size:]
                exact = window_cost(forward, kept[:-1], kept[1:]) if size > 1 else 0
                self.assertEqual(option_cost(forward, pieces, pieces, size), exact)

    def test_score(self):
        model = opened(bos=None)
        count, total = score(Forward(model), list(range(40)), list(range(40)), 10)
        self.assertEqual(count, 39)
        self.assertGreater(total, 0)


if __name__ == "__main__":
    unittest.main()
