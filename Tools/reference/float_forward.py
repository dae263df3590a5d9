"""The same model in float64, from an Example's real values: what the integers should come close to. Tests only."""

import math
import struct

import numpy as np

from example_files import NONE

erf = np.vectorize(math.erf)


def activate(code, x, pieces):
    if code == 7:
        points, values, slopes = pieces
        k = np.searchsorted(points, x, side="right")
        j = np.maximum(0, k - 1)
        return values[j] + slopes[k] * (x - points[j])
    return [lambda: x, lambda: x * (1 + erf(x / 2**0.5)) / 2, lambda: np.maximum(x, 0),
            lambda: np.where(x >= 0, x, 0.01 * x), lambda: np.tanh(x), lambda: 1 / (1 + np.exp(-x)),
            lambda: x / (1 + np.exp(-x))][code]()


class FloatForward:
    def __init__(self, example):
        self.e, self.real = example, example.real

    def linear(self, record, x):
        tensor, bias, _ = struct.unpack("<III", record)
        y = x @ self.real[tensor].T
        return y if bias == NONE else y + self.real[bias]

    def norm(self, index, x):
        if index == NONE:
            return x
        kind, weight, bias, _, epsilon, _ = struct.unpack("<IIIiQQ", self.e.parts[5][index])
        z = x - x.mean(1, keepdims=True) if kind == 2 else x
        y = z / np.sqrt((z * z).mean(1, keepdims=True) + epsilon / 2.0**64) * self.real[weight]
        return y if bias == NONE else y + self.real[bias]

    def attention(self, r, x, causal):
        H, G, s, rotation, _, mantissa, exponent = struct.unpack_from("<6Ii", r, 24)
        n = len(x)
        heads = self.linear(r[:12], x).reshape(n, H + 2 * G, s)
        if rotation != NONE:
            c, t = (self.real[rotation][:n, None, :, k] for k in (0, 1))
            a, b = heads[:, :H + G, 0::2].copy(), heads[:, :H + G, 1::2].copy()
            heads[:, :H + G, 0::2], heads[:, :H + G, 1::2] = a * c - b * t, a * t + b * c
        out = np.zeros((n, H, s))
        for h in range(H):
            k, v = heads[:, H + h // (H // G)], heads[:, H + G + h // (H // G)]
            z = heads[:, h] @ k.T * mantissa * 2.0**-exponent
            if causal:
                z = np.where(np.tri(n) > 0, z, -np.inf)
            p = np.exp2(z - z.max(1, keepdims=True))
            out[:, h] = p @ v / p.sum(1, keepdims=True)
        return self.linear(r[12:24], out.reshape(n, H * s))

    def feed_forward(self, r, x):
        kind, activation = struct.unpack_from("<II", r, 0)
        table = struct.unpack_from("<I", r, 44)[0]
        pieces = None if table == NONE else self.real[table]
        u = self.linear(r[20:32], x)
        h = activate(activation, self.linear(r[8:20], x), pieces) * u if kind == 2 else activate(activation, u, pieces)
        return self.linear(r[32:44], h)

    def stream(self, section, causal, x):
        e = self.e
        for record in e.parts[2]:
            a, f, na, nf, _, own, replaces, _ = struct.unpack("<7Ii", record)
            if own != section:
                continue
            if a != NONE:
                x = x + self.attention(e.parts[3][a], self.norm(na, x), causal)
            if f != NONE:
                result = self.feed_forward(e.parts[4][f], self.norm(nf, x))
                x = result if replaces else x + result
        return x

    def logits(self, inputs, blocks=()):
        """A byte decoder's are those of whole blocks, one for each input."""
        e = self.e
        if e.bytes_in:
            x = np.stack([self.stream(1, False, self.real[e.embedding][block] + self.real[e.position_tensor]).mean(0) for block in inputs])
        else:
            x = self.real[e.embedding][inputs]
            if e.position_tensor != NONE:
                x = x + self.real[e.position_tensor][:len(inputs)]
        y = self.norm(e.final_norm, self.stream(2, e.causal, x))
        if not e.bytes_out:
            return self.linear(e.output, y)
        table, positions, _, norm = struct.unpack_from("<IIiI", e.head_parts, 12)
        p = self.linear(e.head_parts[:12], y)
        if e.head == "slots":
            starts = 2 * p.reshape(len(p), e.block, -1)
        else:
            starts = [row + self.real[table][[256] + list(block[:-1])] for row, block in zip(p, blocks)]
        ends = [self.stream(3, e.head == "decoder", start + self.real[positions]) for start in starts]
        return np.stack([self.linear(e.output, self.norm(norm, end)) for end in ends])
