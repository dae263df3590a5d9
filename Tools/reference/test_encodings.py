"""The encodings of matrices: bytes against the document's formulas one weight at a time, corrected layers in unlimited integers,
and models of them against floats."""

import os
import re
import struct
import sys
import unittest

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import worked_encodings
from example_files import Example
from example_matrices import random_matrix
from float_forward import FloatForward
from forward import Forward, Stream
from layers import Cache, attention, linear, linear_parts
from model import CORE, Linear
from model_file import Reader
from tensors import Correction, Tensor, read_matrix
from test_widths import linear as exact_linear
from test_widths import sat
from write_examples import EXAMPLES, inputs_of

ENCODINGS = (1, 2, *range(6, 13))
SHAPES = ((1, 1), (2, 3), (3, 16), (16, 17), (17, 20), (5, 32), (18, 36), (3, 41), (33, 65), (2, 129))
LOW, HIGH = -2**31, 2**31 - 1


# Section 6 of stlm-1, one weight at a time

def plane_bits(data, start, p, r, j):
    """Of a plane of p bits whose lines for the block of row r begin at start."""
    k = 8 // p
    byte = data[start + j // (4 * k) * 64 + r % 16 * 4 + j % 4]
    return byte >> (p * (j // 4 % k)) & (2**p - 1)


def lines(columns, p):
    return -(-columns * p // 32)


def weight(encoding, data, rows, columns, r, j):
    blocks = -(-rows // 16)
    if encoding <= 2:
        g, w = 4 // encoding, encoding
        C = -(-columns // g) * g
        at = ((r // 16) * (C // g) + j // g) * 64 + (r % 16) * 4 + (j % g) * w
        return int.from_bytes(data[at:at + w], "little", signed=True)
    if encoding == 11:
        v = data[r // 16 * -(-columns // 20) * 64 + j // 20 * 64 + (r % 16) * 4 + j % 4]
        return (((v * 3**(j // 4 % 5)) % 256) * 3 >> 8) - 1
    if encoding == 12:
        code = plane_bits(data, r // 16 * -(-columns // 16) * 64, 2, r, j)
        return min(code, 2) - 1
    b = encoding - 4
    first, second = {2: (2, 0), 3: (2, 1), 4: (4, 0), 5: (4, 1), 6: (4, 2)}[b]
    block = 64 * (lines(columns, first) + lines(columns, second))
    code = plane_bits(data, r // 16 * block, first, r, j)
    if second:
        code += plane_bits(data, r // 16 * block + 64 * lines(columns, first), second, r, j) << first
    g, pairs = j // 16, -(-columns // 32)
    byte = data[blocks * block + (r // 16 * pairs + g // 2) * 16 + r % 16]
    scale = byte >> 4 if g % 2 else byte & 15
    level = struct.unpack_from("b", data, len(data) - 2**b + code)[0] if b < 6 else code - 32
    return level * scale


def byte_count(encoding, rows, columns):
    blocks = -(-rows // 16)
    if encoding <= 2:
        g = 4 // encoding
        return 16 * blocks * -(-columns // g) * g * encoding + 32 * blocks
    if encoding >= 11:
        return blocks * -(-columns // (20 if encoding == 11 else 16)) * 64 + 32 * blocks
    b = encoding - 4
    planes = {2: (2,), 3: (2, 1), 4: (4,), 5: (4, 1), 6: (4, 2)}[b]
    return blocks * (64 * sum(lines(columns, p) for p in planes) + 16 * -(-columns // 32) + 32) + (2**b if b < 6 else 0)


def row_scale(encoding, data, rows, r):
    end = len(data) - (2**(encoding - 4) if 6 <= encoding <= 9 else 0)
    return struct.unpack_from("<H", data, end - 32 * -(-rows // 16) + 2 * r)[0]


class Bytes(unittest.TestCase):
    random = np.random.default_rng(23)

    def check(self, t, data):
        self.assertEqual(len(data), byte_count(t.encoding, t.rows, t.columns))
        exact = [[weight(t.encoding, data, t.rows, t.columns, r, j) for j in range(t.columns)] for r in range(t.rows)]
        self.assertEqual(t.integers.tolist(), exact)
        q = [row_scale(t.encoding, data, t.rows, r) for r in range(t.rows)]
        self.assertEqual((t.scale_u.tolist(), t.scale_d.tolist()), ([2048 + s % 2048 for s in q], [s >> 11 for s in q]))
        self.assertLessEqual(np.abs(t.integers).max(), {11: 960, 2: 1}.get(t.width, 2**(t.width - 1)))

    def test_any_bytes(self):
        for encoding in ENCODINGS:
            for rows, columns in SHAPES:
                with self.subTest(encoding=encoding, rows=rows, columns=columns):
                    t = Tensor(0, encoding, rows, columns, 0)
                    data = bytearray(self.random.bytes(t.byte_count))
                    for k in range(2**t.bits if 6 <= encoding <= 9 else 0):
                        data[-1 - k] = self.random.integers(-64, 65) % 256
                    read_matrix(t, bytes(data), False)
                    self.check(t, bytes(data))

    def test_written_bytes(self):
        """What the examples write is read back, and its padding is as it must be."""
        for encoding in ENCODINGS:
            for rows, columns in SHAPES:
                with self.subTest(encoding=encoding, rows=rows, columns=columns):
                    matrix = random_matrix(self.random, encoding, rows, columns)[0]
                    t = Tensor(0, encoding, rows, columns, 0)
                    read_matrix(t, matrix.bytes, True)
                    self.check(t, matrix.bytes)
                    self.assertEqual(t.integers.tolist(), matrix.integers.tolist())

    def test_greatest(self):
        """All ones, levels of -64: W = -64 * 15, and int6 has 31 * 15."""
        for encoding, greatest in ((6, -960), (7, -960), (8, -960), (9, -960), (10, 465), (11, 1), (12, 1)):
            t = Tensor(0, encoding, 17, 33, 0)
            levels = 2**t.bits if encoding < 10 else 0
            read_matrix(t, b"\xff" * (t.byte_count - levels) + b"\xc0" * levels, False)
            self.assertTrue((t.integers == greatest).all())

    def test_five_digits(self):
        """Every five digits have a byte, every byte has five digits, and those of the written bytes are the digits."""
        t = Tensor(0, 11, 1, 20, 0)
        digits = lambda v: [(v * 3**k % 256 * 3 >> 8) for k in range(5)]
        for n in range(243):
            wanted = [n // 3**(4 - k) % 3 for k in range(5)]
            v = -(-n * 256 // 243)
            self.assertEqual(digits(v), wanted)
            data = bytes([v]) * 4 + bytes([128]) * 60 + bytes(32)
            read_matrix(t, data, True)
            self.assertEqual(t.integers[0].tolist(), [d - 1 for d in wanted for _ in range(4)])
        self.assertEqual({tuple(digits(v)) for v in range(256)}, {tuple(n // 3**(4 - k) % 3 for k in range(5)) for n in range(243)})


def dumped(lines):
    """The bytes of a hex dump in which * stands for lines like the one before; the last line is never left out."""
    data = b""
    for line in lines:
        if line.strip() == "*":
            continue
        at, row = int(line.split()[0], 16), bytes.fromhex(line.split("|")[0].strip()[8:])
        data += data[-16:] * ((at - len(data)) // 16) + row
    return data


class Worked(unittest.TestCase):
    def test_page_of_examples(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Formats", "encodings.md")
        with open(path, encoding="utf-8") as page:
            self.assertEqual(page.read(), worked_encodings.markdown())

    def test_worked_examples(self):
        """The printed bytes hold the printed W."""
        found = 0
        for part in re.split(r"^\*\*", worked_encodings.markdown(), flags=re.M)[1:]:
            head = re.search(r"encoding (\d+)\), (\d+) x (\d+),(?: rank \d+,)? (\d+) bytes", part)
            encoding, rows, columns = (int(head[k]) for k in (1, 2, 3))
            data = dumped(re.findall(r"^ {4}(?:[0-9a-f]{8}  .*|\*)$", part, flags=re.M))
            self.assertEqual(len(data), int(head[4]))
            if encoding == 13:
                self.assertEqual(struct.unpack("<4I", data), (4, 5, 6, 16))
                continue
            found += 1
            self.assertEqual(len(data), byte_count(encoding, rows, columns))
            W = [list(map(int, row.split())) for row in re.findall(r"^ {4}W\[\d\] = ([-\d\s]+)$", part.split("    00000000")[0], flags=re.M)]
            self.assertEqual(W, [[weight(encoding, data, rows, columns, r, j) for j in range(columns)] for r in range(rows)])
        self.assertEqual(found, 7)


# Section 4.1 of arithmetic-1

def tensor(random, encoding, rows, columns, exponent):
    q = random.integers(0, 65536, rows)
    low, high = {1: (-128, 127), 2: (-2**15, 2**15 - 1), 11: (-1, 1), 12: (-1, 1)}.get(encoding, (-960, 960))
    return Tensor(0, encoding, rows, columns, exponent, integers=random.integers(low, high + 1, (rows, columns)), scale_u=2048 + q % 2048, scale_d=q >> 11)


def exact(t, bias, v, F, b, fixed):
    q = [(int(d) << 11) + int(u) - 2048 for u, d in zip(t.scale_u, t.scale_d)]
    w = {1: 8, 2: 16, 11: 2, 12: 2}.get(t.encoding, 11)
    plain = bias and (bias.integers.tolist(), bias.exponent)
    return exact_linear(t.integers.tolist(), q, t.exponent, plain, v, F, b, w, fixed)


def exact_parts(layer, v, F, fixed):
    """The two parts of a corrected layer's result and their fraction bits."""
    c = layer.correction
    y, FY = exact(layer.matrix, layer.bias, v, F, layer.activation_bits, fixed)
    t, FT = exact(c.down, None, v, F, layer.activation_bits, None)
    return y, exact(c.up, None, t, FT, c.activation_bits, FY)[0], FY


class Corrected(unittest.TestCase):
    random = np.random.default_rng(29)

    def ints(self, shape, spread=31):
        v = self.random.integers(LOW, HIGH + 1, shape) >> self.random.integers(0, spread, shape)
        extreme = self.random.random(shape)
        return np.where(extreme < 0.05, LOW, np.where(extreme > 0.95, HIGH, v)).astype(np.int64)

    def layer(self, trial, rows, columns, rank, wild):
        """With wild exponents most results saturate or vanish."""
        b, bu = (8, 16, 16)[trial % 3], (16, 8, 16)[trial // 3 % 3]
        pick = lambda wide: int(self.random.choice([e for e in ENCODINGS if e != 2 or wide == 16]))
        exponent = lambda: int(self.random.integers(-64, 128) if wild else self.random.integers(28, 36))
        base, down, up = (tensor(self.random, pick(w), *shape, exponent())
                          for w, shape in ((b, (rows, columns)), (b, (rank, columns)), (bu, (rows, rank))))
        bias = Tensor(1, 3, 1, rows, int(self.random.integers(-32, 63)), integers=self.ints(rows)) if trial % 2 else None
        return Linear(base, bias, b, Correction(base, down, up, bu))

    def test_layers(self):
        for trial in range(150):
            rows, columns, rank = (3, 20, 5)[trial % 3], (1, 17, 64, 200)[trial % 4], (1, 2, 9, 64)[trial % 4]
            layer = self.layer(trial, rows, columns, rank, trial % 5 == 0)
            v, F = self.ints((2, columns), 1 + trial % 31), self.random.integers(-40, 80, 2)
            fixed = int(self.random.integers(-32, 63)) if trial % 4 > 1 else None
            parts, GF = linear_parts(layer, v, F, fixed)
            whole, WF = linear(layer, v, F, fixed)
            for k in range(2):
                y, c, FY = exact_parts(layer, v[k].tolist(), int(F[k]), fixed)
                self.assertEqual(([part[k].tolist() for part in parts], int(GF[k]), int(WF[k])), ([y, c], FY, FY))
                self.assertEqual(whole[k].tolist(), [sat(a + b) for a, b in zip(y, c)])

    def test_streams(self):
        """y is added to a stream first, then v; where the result replaces the stream, their sum. Values reach the bounds."""
        met = set()
        for trial in range(60):
            example = Example(seed=trial, steps=1, gated=False, activation=0, norms=False, rank=2, encodings=(1, 8, 12), hidden=20)
            model = Reader(example.image()).model
            step, F = model.steps[0], 22
            step.attention, step.replaces = None, trial % 3 == 0
            f = step.feed_forward
            for part in (f.down.matrix, f.down.correction.up):
                part.exponent -= int(self.random.integers(5, 12))
            x = self.random.choice([LOW, HIGH, 2**30, -2**30, 2**28, 5], (1, 20))
            got = Stream(model, CORE, True).run(x, F)[0][0].tolist()
            a, b, FU = exact_parts(f.up, x[0].tolist(), F, None)
            y, v, _ = exact_parts(f.down, [sat(p + q) for p, q in zip(a, b)], FU, F)
            start = [0] * 20 if step.replaces else x[0].tolist()
            self.assertEqual(got, [sat(sat(s + p) + q) for s, p, q in zip(start, y, v)])
            if not step.replaces:
                met.update(sat(s + sat(p + q)) == sat(sat(s + p) + q) for s, p, q in zip(start, y, v))
        self.assertEqual(met, {True, False})

    def test_streams_of_attention(self):
        """The same of an attention's output layer, whose parts test_layers has."""
        met = set()
        for trial in range(20):
            model = Reader(Example(seed=trial, steps=1, norms=False, rank=2, encodings=(1, 8, 12), hidden=20).image()).model
            step, F = model.steps[0], 22
            step.feed_forward = None
            for part in (step.attention.output.matrix, step.attention.output.correction.up):
                part.exponent -= int(self.random.integers(5, 12))
            x = self.random.choice([LOW, HIGH, 2**30, -2**30, 2**28, 5], (1, 20))
            got = Stream(model, CORE, True).run(x, F)[0][0].tolist()
            y, v = (part[0].tolist() for part in attention(step.attention, Cache(), x, np.array([F]), np.array([0]), True, F))
            self.assertEqual(got, [sat(sat(s + p) + q) for s, p, q in zip(x[0].tolist(), y, v)])
            met.update(sat(s + sat(p + q)) == sat(sat(s + p) + q) for s, p, q in zip(x[0].tolist(), y, v))
        self.assertEqual(met, {True, False})


class Models(unittest.TestCase):
    def test_against_floats(self):
        for k, (name, settings) in enumerate(EXAMPLES.items()):
            with self.subTest(name):
                example = Example(seed=k, **settings)
                model, inputs = Reader(example.image(), verify=True).model, inputs_of(example, k)
                blocks = np.random.default_rng(k).integers(0, 256, (len(inputs), model.block_size)).tolist() if model.bytes_out else []
                logits = Forward(model).logits(inputs, blocks)
                real = FloatForward(example).logits(inputs, blocks)
                error = ((logits / 2.0**20 - real)**2).mean()**0.5 / (real**2).mean()**0.5
                if os.environ.get("SHOW_WORST"):
                    print(f"{name}: logits, relative rms {error:.3g}")
                self.assertLess(error, 0.15 if 8 in (settings.get("activation_bits"), settings.get("rank_bits")) else 0.001)
                if settings.get("rank") and model.causal:
                    forward, cuts = Forward(model), (0, 1, 3, len(inputs))
                    parts = [forward.logits(inputs[a:b], blocks[a:b]) for a, b in zip(cuts, cuts[1:])]
                    self.assertTrue((np.concatenate(parts) == logits).all())


if __name__ == "__main__":
    unittest.main()
