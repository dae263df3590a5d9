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

    def attention(self, r, x):
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
            if self.e.causal:
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

    def logits(self, ids):
        e = self.e
        x = self.real[e.embedding][ids]
        if e.position_tensor != NONE:
            x = x + self.real[e.position_tensor][:len(ids)]
        for record in e.parts[2]:
            a, f, na, nf, _, _ = struct.unpack("<6I", record)
            if a != NONE:
                x = x + self.attention(e.parts[3][a], self.norm(na, x))
            if f != NONE:
                x = x + self.feed_forward(e.parts[4][f], self.norm(nf, x))
        return self.linear(e.head, self.norm(e.final_norm, x))
