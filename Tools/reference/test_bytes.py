"""Byte embedders and byte heads: against floats, slot by slot against all at once, and section 10 for blocks."""

import os
import sys
import unittest

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from example_files import Example
from float_forward import FloatForward
from forward import Forward, Stream
from generation import Session, generate, whole_characters
from layers import linear, normalise
from model import EMBEDDER, HEAD
from model_file import Reader
from refusal import Refused
from sampling import SplitMix, sample
from scoring import block_cost, cost, score

BYTES, SLOTS, DECODER = {"embedder": "bytes"}, {"head": "slots"}, {"head": "decoder"}
CASES = {
    "bytes in, tokens out": BYTES, "tokens in, slots out": SLOTS, "tokens in, decoder out": DECODER, "slots": {**BYTES, **SLOTS},
    "decoder": {**BYTES, **DECODER}, "8 bits": {**BYTES, **DECODER, "width": 8, "activation_bits": 8},
    "8 and 16 bits": {**BYTES, **SLOTS, "width": 8}, "layer norm, biases": {**BYTES, **DECODER, "kind": 2, "bias": True, "activation": 1, "gated": False},
    "layer norm, biases, slots": {**BYTES, **SLOTS, "kind": 2, "bias": True},
    "no norms": {**BYTES, **SLOTS, "norms": False, "steps": 1, "gated": False, "activation": 1},
    "not causal": {**BYTES, **DECODER, "causal": False}, "not causal, slots": {**BYTES, **SLOTS, "causal": False},
    "no rotation": {**BYTES, **DECODER, "rotation": False}, "wide sections": {**BYTES, **DECODER, "narrow": (40, 33)},
    "one slot": {**BYTES, **DECODER, "block": 1}, "many slots": {**BYTES, **SLOTS, "block": 20, "steps": 1},
    "shared by all sections": {**BYTES, **DECODER, "narrow": (24, 24), "across": True}, "no steps in the head": {**SLOTS, "plain": True},
    "no steps in the head, decoder": {**DECODER, "plain": True, "norms": False}, "no core": {**BYTES, **SLOTS, "steps": 0},
    "positions": {**DECODER, "positions": True, "rotation": False}, "piecewise linear": {**BYTES, **DECODER, "activation": 7},
}
END = [257, 256, 256, 256, 256]


def opened(**settings):
    example = Example(**settings)
    return example, Reader(example.image()).model


def random_blocks(seed, count, size, closed=False):
    """Blocks of any symbols; closed ones as a byte decoder makes them, the pad after the one that closes."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 258, (count, size))
    for block in blocks if closed else ():
        end = random.integers(0, size + 2)
        block[:] %= 256
        block[end:] = 256
        if end < size and end % 2:
            block[end] = 257
    return blocks.tolist()


def inputs_of(example, seed, count=9):
    if example.bytes_in:
        return random_blocks(seed, count, example.block)
    return np.random.default_rng(seed).integers(0, example.vocabulary, count).tolist()


class Models(unittest.TestCase):
    def test_against_floats(self):
        for k, (name, settings) in enumerate(CASES.items()):
            with self.subTest(name):
                example, model = opened(seed=k, **settings)
                inputs = inputs_of(example, k)
                blocks = (np.array(random_blocks(k + 1, len(inputs), model.block_size)) % 256).tolist() if model.bytes_out else []
                got = Forward(model).logits(inputs, blocks) / 2.0**20
                exact = FloatForward(example).logits(inputs, blocks)
                self.assertEqual(got.shape, exact.shape)
                error = ((got - exact) ** 2).mean() ** 0.5 / (exact ** 2).mean() ** 0.5
                if os.environ.get("SHOW_WORST"):
                    print(f"{name}: logits, relative rms {error:.3g}")
                self.assertLess(error, 0.15 if settings.get("activation_bits") == 8 else 0.001)

    def test_positions(self):
        """Positions one by one, and in any parts, give what they give all at once."""
        for name, settings in CASES.items():
            if settings.get("causal", True):
                with self.subTest(name):
                    example, model = opened(seed=3, **settings)
                    inputs = inputs_of(example, 4)
                    blocks = random_blocks(5, len(inputs), model.block_size, closed=True)
                    whole = Forward(model).logits(inputs, blocks)
                    forward, cuts = Forward(model), [0, 1, 2, 3, 7, 9]
                    parts = [forward.logits(inputs[a:b], blocks[a:b]) for a, b in zip(cuts, cuts[1:])]
                    self.assertTrue((np.concatenate(parts) == whole).all())

    def test_slots(self):
        """A decoder's slots one by one give what they give all at once, and zeros after the one that closes the block."""
        for name, settings in CASES.items():
            example, model = opened(seed=6, **settings)
            if example.head == "decoder":
                with self.subTest(name):
                    inputs = inputs_of(example, 7)
                    blocks = random_blocks(8, len(inputs), model.block_size, closed=True)
                    whole = Forward(model).logits(inputs, blocks)
                    forward = Forward(model)
                    for row, block, logits in zip(zip(*forward.results(inputs)), blocks, whole):
                        fed = iter(block)
                        made, rows = forward.decoder(*row).block(lambda _: next(fed))
                        self.assertEqual(made, block)
                        self.assertTrue((np.stack(rows) == logits[:len(rows)]).all())
                        self.assertFalse(logits[len(rows):].any())
                        self.assertEqual(len(rows), next((k + 1 for k, s in enumerate(block) if s > 255), len(block)))

    def test_likeliest(self):
        """Where no block is given the decoder sees its own likeliest symbols."""
        for settings in (DECODER, {**BYTES, **DECODER}):
            example, model = opened(seed=9, **settings)
            inputs = inputs_of(example, 1)
            free = Forward(model).logits(inputs)
            blocks = []
            for logits in free:
                symbols = [int(row.argmax()) for row in logits]
                closing = next((k for k, s in enumerate(symbols) if s > 255), len(symbols))
                blocks.append(symbols[:closing + 1] + [256] * (len(symbols) - closing - 1))
            self.assertTrue((Forward(model).logits(inputs, blocks) == free).all())
            self.assertTrue((Forward(model).logits(inputs, blocks[:4]) == free).all())

    def test_independence(self):
        """A slot's logits depend on earlier slots only; byte slots' on none; what comes after a closing symbol never matters."""
        example, model = opened(seed=2, **BYTES, **DECODER)
        inputs, blocks = inputs_of(example, 1, 2), [[97, 98, 99, 100, 101]] * 2
        one = Forward(model).logits(inputs, blocks)
        for k in range(5):
            changed = [block[:k] + [7] + block[k + 1:] for block in blocks]
            other = Forward(model).logits(inputs, changed)
            self.assertTrue((other[:, :k + 1] == one[:, :k + 1]).all())
            self.assertEqual(k < 4, bool((other[:, k + 1:] != one[:, k + 1:]).any()))
        a, b = (Forward(model).logits(inputs, [[97, 257] + rest] * 2) for rest in ([256] * 3, [1, 2, 3]))
        self.assertTrue((a == b).all())
        self.assertFalse((Forward(model).logits([[97, 257, 256, 256, 256]]) == Forward(model).logits([[97, 257, 1, 2, 3]])).all())

    def test_as_written(self):
        """Embedder and byte slots, spelt out for one block in Python's integers where they are new."""
        _, model = opened(seed=12, **BYTES, **SLOTS)
        rshr = lambda a, s: (a + (1 << s >> 1)) >> s if s >= 0 else a << -s
        row = lambda t, i, F: [rshr(int(c) * int(t.scale_u[i]), int(t.scale_d[i]) + t.exponent - F) for c in t.integers[i]]
        plus = lambda a, b: [x + y for x, y in zip(a, b)]
        e, head, block = model.embedder, model.head, [104, 105, 256, 257, 0]
        x = [plus(row(e.table, symbol, 20), row(e.positions, t, 20)) for t, symbol in enumerate(block)]
        x, F = Stream(model, EMBEDDER, False).run(np.array(x), 20)
        self.assertEqual((F, x.shape), (22, (5, 24)))
        mean = [(2 * sum(map(int, column)) + 5) // 10 for column in x.T]
        forward = Forward(model)
        self.assertEqual(forward.embedded([block], [0])[0].tolist(), mean)
        y, F = normalise(head.input_norm, forward.stream.run(np.array([mean]), 22)[0], np.array([22]))
        p = linear(head.projection, y, F, 20)[0].reshape(5, 14).tolist()
        x, F = Stream(model, HEAD, False).run(np.array([plus(p[t], row(head.positions, t, 19)) for t in range(5)]), 19)
        y, F = normalise(head.output_norm, x, np.full(5, F))
        self.assertTrue((linear(head.output, y, F, 20)[0] == Forward(model).logits([block])[0]).all())

    def test_extreme_values(self):
        """Streams at the bounds of 32 bits: nothing overflows or fails."""
        for settings in ({**BYTES, **SLOTS}, {**BYTES, **DECODER}):
            for exponent in (-64, 0, 127):
                example = Example(seed=1, width=8, **settings)
                for k, tensor in enumerate(example.tensors):
                    if tensor[0] == 1:
                        example.poke(6, 32 * k + 12, exponent)
                logits = Forward(Reader(example.image()).model).logits(inputs_of(example, 1, 3))
                self.assertTrue((np.abs(logits) <= 2**31).all())

    def test_inputs(self):
        for settings, bad in ((BYTES, [[1, 2, 3, 4]]), (BYTES, [[1, 2, 3, 4, 258]]), (BYTES, [[-1, 2, 3, 4, 5]]), (BYTES, []), (SLOTS, [300])):
            with self.assertRaises(Refused):
                Forward(opened(**settings)[1]).logits(bad)


class Whole:
    """Logits of the last block of a sequence that is read as a whole."""

    def __init__(self, forward, window):
        self.forward, self.window = forward, window

    def logits(self, inputs, blocks):
        return self.forward.logits(self.window, [END] * (len(self.window) - 1) + blocks)


class Blocks(unittest.TestCase):
    settings = {"temperature": 65536, "top_k": 0, "top_p": 65536, "min_p": 0, "repeat_penalty": 80000, "repeat_window": 8}

    def run_against_document(self, model, blocks, count, context, slide, ignore_end, seed):
        """Section 10 for blocks: every symbol from a whole new computation of all that comes before it, keys and values that were moved
        aside."""
        keep, moves = min(1, context - 1), []
        blocks = blocks if len(blocks) <= context else blocks[:keep] + blocks[len(blocks) - context + keep:]
        window = [list(block) for block in blocks]
        history = [s for block in window for s in block if s < 256]
        random, made = SplitMix(seed), []
        decoder = model.head.kind == 3
        while len(made) < count:
            block = []
            for slot in range(model.block_size):
                if decoder and block and block[-1] > 255:
                    block.append(256)
                    continue
                given = [END] * (len(window) - 1) + [block + [256] * (model.block_size - slot)]
                logits = self.moved(model, window, moves, keep).logits(window[-1:], given[-1:])[-1][slot]
                block.append(sample(logits, model.logit_fraction_bits, self.settings, history, random))
                history += block[-1:] if block[-1] < 256 else []
            if block == model.end_block and not ignore_end:
                break
            made.append(block)
            if len(window) == context:
                if not slide:
                    break
                dropped = -((keep - context) // 2)
                moves.append((list(window), dropped))
                window = window[:keep] + window[keep + dropped:]
            window.append(block)
        return made

    @staticmethod
    def moved(model, window, moves, keep):
        """A model that has read all of the window but its last block, which a model that is not causal has to read again in any case."""
        forward, count = Forward(model), 0
        if not model.causal:
            return Whole(forward, window)
        for full, dropped in moves:
            forward.results(full[count:])
            forward.drop(keep, dropped)
            count = len(full) - dropped
        if len(window) - 1 > count:
            forward.results(window[count:-1])
        return forward

    def test_sequences(self):
        for settings in (SLOTS, DECODER, {**DECODER, "causal": False}):
            _, model = opened(seed=6, steps=1, **BYTES, **settings)
            for context, prompt in ((1, [END]), (3, random_blocks(1, 2, 5)), (2, random_blocks(2, 6, 5))):
                for slide in (False, True):
                    if len(prompt) > context and not slide:
                        with self.assertRaises(Refused):
                            generate(model, prompt, self.settings, 5, context=context)
                        continue
                    got = generate(model, prompt, self.settings, 3, 3, context, slide)[0]
                    self.assertEqual(got, self.run_against_document(model, prompt, 3, context, slide, False, 3))
            self.assertEqual(model.end_block, END)

    def test_end(self):
        """A model whose likeliest block ends it."""
        example, model = opened(seed=6, **BYTES, **DECODER)
        settings = {**self.settings, "temperature": 0, "repeat_penalty": 65536}
        blocks, text = generate(model, [END], settings, 3)
        self.assertEqual(len(blocks), 3)
        self.assertEqual(text, bytes(s for block in blocks for s in block if s < 256))
        for k, symbol in enumerate(blocks[1]):
            example.region(1)[2] = example.region(1)[2][:144 + 2 * k] + symbol.to_bytes(2, "little") + example.region(1)[2][146 + 2 * k:]
        model = Reader(example.image()).model
        self.assertEqual(generate(model, [END], settings, 3)[0], blocks[:blocks.index(blocks[1])])
        self.assertEqual(generate(model, [END], settings, 3, ignore_end=True)[0], blocks)

    def test_limits(self):
        _, model = opened(seed=6, **BYTES, **SLOTS)
        whole = generate(model, [END], self.settings, 12, 3)[1]
        for limit in range(1, 20):
            made, text = generate(model, [END], self.settings, 12, 3, max_bytes=limit)
            self.assertEqual(text, whole_characters(whole[:limit]))
            self.assertEqual(len(made), -(-limit // 5))
        stop = whole[7:9]
        self.assertEqual(generate(model, [END], self.settings, 12, 3, stops=[stop])[1], whole[:whole.index(stop)])
        at = whole.index(stop) + 2
        for limit in (at, at - 1):
            text = generate(model, [END], self.settings, 12, 3, stops=[stop], max_bytes=limit)[1]
            self.assertEqual(text, whole[:at - 2] if limit == at else whole_characters(whole[:limit]))
        for text, cut in ((b"ab", b"ab"), (b"a\xc3", b"a\xef\xbf\xbd"), (b"a\xc3\xa9", b"a\xc3\xa9"), (b"\xf0\x9f\x98", b"\xef\xbf\xbd"),
                          (b"\xff", b"\xff"), (b"\xe2\x28", b"\xe2\x28"), (b"", b"")):
            self.assertEqual(whole_characters(text), cut)

    def test_kinds(self):
        for settings in (BYTES, SLOTS, DECODER):
            with self.assertRaises(Refused):
                Session(opened(**settings)[1], 5, False, 0)

    def test_costs(self):
        for settings in (SLOTS, DECODER):
            _, model = opened(seed=6, **BYTES, **settings)
            inputs, targets = random_blocks(1, 9, 5), random_blocks(2, 9, 5, closed=True)
            logits = Forward(model).logits(inputs, targets)
            for rows, block in zip(logits, targets):
                real = rows / 2.0**20
                slots = next((k + 1 for k, s in enumerate(block) if s > 255), 5) if settings == DECODER else 5
                exact = sum(np.log2(np.exp(row - row[symbol]).sum()) for row, symbol in list(zip(real, block))[:slots])
                self.assertLess(abs(block_cost(model, rows, block) / 2**24 - exact), 1e-4)

    def test_scores(self):
        for settings, count in (({**BYTES, **DECODER}, 8), ({**BYTES, **SLOTS}, 8), (BYTES, 8), (DECODER, 9), ({**SLOTS, "bos": None}, 8)):
            example, model = opened(seed=6, **settings)
            inputs = inputs_of(example, 1)
            targets = random_blocks(2, 9, 5, closed=True) if example.bytes_out else list(range(9))
            scored, total = score(Forward(model), inputs, targets, 4)
            self.assertEqual(scored, count)
            exact, given = 0, inputs if count == 8 else None
            for k in range(9 - count, 9):
                start = (k - 1) // 4 * 4 if given else k // 4 * 4
                seen = inputs[start:k] if given else [model.bos] + inputs[start:k]
                rows = Forward(model).logits(seen, targets[start + 1:k + 1] if given else targets[start:k + 1])[-1]
                exact += block_cost(model, rows, targets[k]) if example.bytes_out else cost(rows, 20, targets[k])
            self.assertEqual(total, exact)

    def test_greatest_cost(self):
        self.assertEqual(cost(np.array([2**31 - 1, -2**31]), -32, 1), 2**63 - 1)


if __name__ == "__main__":
    unittest.main()
