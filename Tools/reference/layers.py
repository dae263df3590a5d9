"""arithmetic-1, sections 4 to 6.4: the layers, several rows of a stream at once."""

from math import isqrt

import numpy as np

from arithmetic import INT, bits, clog2, exp2n, normal, quantise, quantise_keys, quantise_values, rshr, sat32, scale, sigmoid


# Section 4

def total(parts, x=None):
    """x, or else the first of the parts, with the others added one after the other."""
    for part in parts:
        x = part if x is None else sat32(x + part)
    return x


def linear(layer, y, fraction_bits, fixed=None):
    """Rows of y (rows, columns) with fraction_bits (rows) through the layer; returns the same of its output."""
    parts, F = linear_parts(layer, y, fraction_bits, fixed)
    return total(parts), F


def linear_parts(layer, y, fraction_bits, fixed=None):
    """The layer's result, and of a corrected matrix (section 4.1) besides what is to be added to it."""
    codes, m, e = quantise(y, fraction_bits, layer.activation_bits)
    result, F = product(layer.matrix, layer.bias, codes, m, e, layer.activation_bits, fixed)
    if layer.correction is None:
        return [result], F
    c = layer.correction
    t, FT = product(c.down, None, codes, m, e, layer.activation_bits)
    return [result, product(c.up, None, *quantise(t, FT, c.activation_bits), c.activation_bits, F)[0]], F


def product(w, bias, codes, m, e, b, fixed=None):
    """A matrix times rows of codes (rows, columns) of b bits with scales (rows), plus a bias; fixed is F, or one for each row."""
    N = clog2(w.columns) + (w.width - 1) + (b - 1)
    P = max(0, N - 33)
    A = N - P
    kind = np.int32 if N <= 30 else INT
    acc = (codes.astype(kind) @ w.integers.T.astype(kind)).astype(INT)
    prod = rshr(acc, P) * w.scale_u * m[:, None]
    exponent = w.exponent + e - P
    if fixed is not None:
        F = np.full_like(e, fixed)
    else:
        F = exponent - (A - 2)
        if bias is not None:
            F = np.minimum(F, bias.exponent)
    result = scale(prod, w.scale_d + (exponent - F)[:, None])
    if bias is not None:
        result = sat32(result + scale(bias.integers, (bias.exponent - F)[:, None]))
    return result, F


# Section 5

def normalise(norm, x, fraction_bits):
    if norm is None:
        return x, fraction_bits
    rows = [normalise_one(norm, row, int(F)) for row, F in zip(x, fraction_bits)]
    return np.stack(rows), np.full_like(fraction_bits, norm.fraction_bits)


def normalise_one(norm, x, F):
    n = len(x)
    z = x
    if norm.layer:
        z = sat32(x - (2 * int(x.sum()) + n) // (2 * n))
    k = max(0, int(np.abs(z).max()).bit_length() - 23)
    S = int((rshr(z, k) ** 2).sum())
    if S == 0:
        u = np.zeros(n, INT)
    else:
        a = 63 - S.bit_length()
        q = (S << a) // n
        b = 62 - q.bit_length()
        v, G = q << b if b >= 0 else q >> 1, a + b + 2 * (F - k)
        if norm.epsilon:
            c = 62 - norm.epsilon.bit_length()
            X = norm.epsilon << c if c >= 0 else norm.epsilon >> -c
            E, EX = G, 64 + c
            G = min(E, EX)
            v = (v >> (E - G)) + (X >> (EX - G))
        if v >= 2**62:
            v, G = v >> 1, G - 1
        if G % 2:
            v, G = v >> 1, G - 1
        r = 2**61 // isqrt(v)
        u = scale(z * r, 39 + F - G // 2)
    y = scale(u * norm.weight.integers, 22 + norm.weight.exponent - norm.fraction_bits)
    return y if norm.bias is None else sat32(y + norm.bias.integers)


# Section 6.4

def activate(code, x, F, pieces):
    """Returns the result and its fraction bits."""
    column = F[:, None]
    t = scale(x, column - 20)
    if code == 0:
        return x, F
    if code == 1:
        return scale(x * normal(t), 31), F
    if code == 2:
        return np.maximum(0, x), F
    if code == 3:
        return np.where(x >= 0, x, scale(x * 42949673, 32)), F
    if code == 4:
        return sat32(sigmoid(scale(x, column - 21)) - 2**30), np.full_like(F, 30)
    if code == 5:
        return rshr(sigmoid(t), 1), np.full_like(F, 30)
    if code == 6:
        return scale(x * sigmoid(t), 31), F
    return piecewise(pieces, t), np.full_like(F, 20)


def piecewise(p, t):
    """Section 6.4, code 7. S * (t - X) reaches 2^63 - 2^31: it fits, and rshr adds nothing that could overflow."""
    k = np.searchsorted(p.points, t, side="right")
    j = np.maximum(0, k - 1)
    return sat32(p.values[j] + scale(p.slopes[k] * (t - p.points[j]), p.exponent))


# Section 6.3

def feed_forward(layer, y, F, fixed):
    """The parts of its last layer's result."""
    u, FU = linear(layer.up, y, F)
    if layer.gated:
        g, FG = linear(layer.gate, y, F)
        a, FA = activate(layer.activation, g, FG, layer.pieces)
        k = np.maximum(0, bits(np.abs(a).max(axis=1)) + bits(np.abs(u).max(axis=1)) - 31)
        h, FH = scale(a * u, k[:, None]), FA + FU - k
    else:
        h, FH = activate(layer.activation, u, FU, layer.pieces)
    return linear_parts(layer.down, h, FH, fixed)[0]


# Section 6.2

def wide(v, F):
    return quantise(v, F, 16)


def narrow(v, F):
    return quantise(v, F, 8)


KINDS = {"int16": (wide, wide), "int8": (quantise_keys, narrow), "int4": (quantise_keys, quantise_values)}


class Cache:
    """Quantised keys and values of one step's attention: codes (positions, heads, size), scales (positions, heads)."""

    def __init__(self, kind="int16"):
        self.kind, self.parts = kind, None

    def append(self, parts):
        self.parts = parts if self.parts is None else [np.concatenate(pair) for pair in zip(self.parts, parts)]


def attention(layer, cache, y, F, positions, causal, fixed):
    """The parts of its last layer's result."""
    H, G, s = layer.head_count, layer.kv_head_count, layer.head_size
    qkv, F = linear(layer.qkv, y, F)
    heads = qkv.reshape(len(y), H + 2 * G, s)
    if layer.rotation:
        rotate(heads[:, :H + G], layer.rotation.cos[positions], layer.rotation.sin[positions])
    mixed, b, FM = mix(heads[:, :H + G], F) if cache.kind != "int16" else (heads[:, :H + G], 0, F)
    codes, m, e = quantise(mixed[:, :H], FM[:, None], 16)
    as_keys, as_values = KINDS[cache.kind]
    cache.append([*as_keys(mixed[:, H:], FM[:, None]), *as_values(heads[:, H + G:], F[:, None])])
    out, fractions = [], []
    for k, p in enumerate(positions):
        visible = int(p) + 1 if causal else len(cache.parts[0])
        seen = [part[:visible] for part in cache.parts]
        result, EL = attend(layer, b, codes[k], m[k], e[k], *seen)
        out.append(result)
        fractions.append(EL - 2)
    return linear_parts(layer.output, np.stack(out), np.array(fractions, INT), fixed)[0]


def rotate(heads, cos, sin):
    """Turns adjacent pairs in place."""
    c, t = cos[:, None, :], sin[:, None, :]
    a, b = heads[..., 0::2].copy(), heads[..., 1::2].copy()
    heads[..., 0::2] = scale(a * c - b * t, 14)
    heads[..., 1::2] = scale(a * t + b * c, 14)


def mix(heads, F):
    """The heads of section 6.2.3, b and their fraction bits."""
    s = heads.shape[-1]
    b = (s & -s).bit_length() - 1
    if b == 0:
        return heads, b, F
    v = rshr(heads, b + 1)
    for k in range(b):
        pairs = v.reshape(*v.shape[:-1], -1, 2, 1 << k)
        v = np.stack([pairs[..., 0, :] + pairs[..., 1, :], pairs[..., 0, :] - pairs[..., 1, :]], axis=-2).reshape(v.shape)
    return v, b, F - b - 1


def drop(layer, cache, first, count):
    """Section 10: keys and values without count positions from first on, the keys behind them turned (section 6.2.4)."""
    parts = [np.delete(part, slice(first, first + count), axis=0) for part in cache.parts]
    if layer.rotation:
        keys = [part[first:] for part in parts[:3]]
        for part, turned in zip(keys, turn(layer, cache.kind, count, *keys)):
            part[:] = turned
    cache.parts = parts


def turn(layer, kind, count, codes, m, e):
    v, F = rshr(codes * m[..., None], 1), e - 1
    b = 0
    if kind != "int16":
        v, b, F = mix(v, F)
    rotate(v, layer.rotation.cos[count][None], -layer.rotation.sin[count][None])
    F = F + b
    if kind != "int16":
        v, _, F = mix(v, F)
    return KINDS[kind][0](v, F)


def attend(layer, b, qc, qm, qe, kc, km, ke, vc, vm, ve):
    """One position's queries (H, s) over keys and values (positions, G, s). Arrays below are (G, H / G, positions)."""
    H, G, s = layer.head_count, layer.kv_head_count, layer.head_size
    shape = (G, H // G)
    EL = int(ve.min())
    km, ke, vm, ve = (part.T[:, None, :] for part in (km, ke, vm, ve))
    M = rshr(qm * layer.score_mantissa, 17).reshape(*shape, 1)
    D = clog2(s)
    acc = qc.reshape(*shape, s) @ kc.transpose(1, 2, 0)
    Mt = rshr(M * km, 17)
    z = scale(rshr(acc, D) * Mt, layer.score_exponent + qe.reshape(*shape, 1) + ke - 50 - D + b)
    Z = z.max(axis=2, keepdims=True)
    p = exp2n(np.minimum((Z - z) << 8, 2**32 - 1))
    P = p.sum(axis=2)
    c = rshr(p * vm, 17 + ve - EL)
    LP = bits(P)
    PN = np.where(LP <= 32, P << np.maximum(32 - LP, 0), P >> np.maximum(LP - 32, 0))
    RP = 2**62 // PN
    o = c @ vc.transpose(1, 0, 2)
    return rshr(rshr(o, (LP - 16)[:, :, None]) * RP[:, :, None], 31).reshape(H * s), EL
