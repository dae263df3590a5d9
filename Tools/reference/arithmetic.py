"""arithmetic-1, sections 1 to 3 and 6.4's tables, on numpy int64 arrays. No floating point."""

from decimal import Decimal, localcontext
from functools import lru_cache
from math import isqrt  # section 2.3: exact floor of the square root

import numpy as np

INT = np.int64
LOW, HIGH = -2**31, 2**31 - 1
LOG2E_Q40 = 1586259972792
EXP_LIMIT = 2**32 - 1
POWERS = np.array([1 << k for k in range(63)], dtype=INT)


# Section 1

def bits(a):
    """bits(a) of a non-negative array below 2^63."""
    return np.searchsorted(POWERS, np.asarray(a, dtype=INT), side="right").astype(INT)


def clog2(n):
    return (n - 1).bit_length()


def sat32(a):
    return np.clip(a, LOW, HIGH)


def rshr(a, s):
    """(a + 2^(s-1)) >> s for any int64 a and any s >= 0, without the sum overflowing."""
    a, s = np.asarray(a, dtype=INT), np.asarray(s, dtype=INT)
    halved = a >> np.clip(s - 1, 0, 63)
    return np.where(s == 0, a, (halved >> 1) + (halved & 1))


def scale(a, s):
    """sat32 of a * 2^-s rounded half up, for any s."""
    a, s = np.asarray(a, dtype=INT), np.asarray(s, dtype=INT)
    right = rshr(a, np.maximum(s, 0))
    left = sat32(a) << np.clip(-s, 0, 32)
    return sat32(np.where(s >= 0, right, left))


# Section 2

EXP_COEFFICIENTS = (1073741824, -744257899, 257895610, -59385858, 9895595, -1018360)


def exp2n(x):
    """2^-x of x in units of 2^-24, as Q30."""
    x = np.asarray(x, dtype=INT)
    n, f = x >> 24, x & (2**24 - 1)
    r = np.full_like(x, EXP_COEFFICIENTS[5])
    for k in (4, 3, 2, 1, 0):
        r = EXP_COEFFICIENTS[k] + rshr(r * f, 24)
    return rshr(r, n)


def log2q(p):
    """log2 of one integer 1 <= p < 2^64, in units of 2^-24."""
    n = p.bit_length() - 1
    m = p << (31 - n) if n <= 31 else p >> (n - 31)
    y = n << 24
    for b in range(23, -1, -1):
        m = (m * m) >> 31
        if m >= 2**32:
            y += 1 << b
            m >>= 1
    return y


def _nearest(value):
    """The integer nearest to a Decimal known to about 60 digits; ties cannot hide behind the error."""
    whole = int(value)
    part = value - whole
    assert abs(part - Decimal("0.5")) > Decimal("1e-30")
    return whole + (part > Decimal("0.5"))


def _pi():
    """Machin's formula in the precision of the current context."""
    def arctan_of_inverse(n):
        total, term, k = Decimal(0), Decimal(1) / n, 0
        while abs(term) > Decimal("1e-68"):
            total += term / (2 * k + 1) * (-1) ** k
            term /= n * n
            k += 1
        return total
    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))


@lru_cache(maxsize=None)
def sigmoid_table():
    with localcontext() as context:
        context.prec = 70
        values = [_nearest(2**31 / (1 + (Decimal(-i) / 64).exp())) if i else 2**30 for i in range(1025)]
    return np.array(values, dtype=INT)


@lru_cache(maxsize=None)
def normal_table():
    """The normal distribution as 1/2 + density(x) * sum of x^(2k+1) / (2k+1)!!, all terms positive."""
    values = [2**30]
    with localcontext() as context:
        context.prec = 70
        root = (2 * _pi()).sqrt()
        for i in range(1, 1025):
            x = Decimal(i) / 128
            total = term = x
            k = 1
            while term > Decimal("1e-50") * total:
                k += 2
                term = term * x * x / k
                total += term
            half = total * (-x * x / 2).exp() / root
            values.append(_nearest(2**31 * (Decimal("0.5") + half)))
    return np.array(values, dtype=INT)


def _interpolate(table, t, step):
    a = np.abs(t)
    inside = np.minimum(a, (1024 << step) - 1)
    i, f = inside >> step, inside & ((1 << step) - 1)
    s = table[i] + rshr((table[i + 1] - table[i]) * f, step)
    s = np.where(a >= 1024 << step, 2**31, s)
    return np.where(t < 0, 2**31 - s, s)


def sigmoid(t):
    return _interpolate(sigmoid_table(), np.asarray(t, dtype=INT), 14)


def normal(t):
    return _interpolate(normal_table(), np.asarray(t, dtype=INT), 13)


# Section 3

def quantise(v, fraction_bits, width):
    """Codes along the last axis; returns (codes, m, e), the scale having one axis less."""
    divisor, K = (65024, 23) if width == 8 else (65534, 31)
    A = np.maximum(1, np.abs(v).max(axis=-1))
    L = bits(A)
    m = -((-(A << (32 - L))) // divisor)
    e = np.asarray(fraction_bits, dtype=INT) + K - L
    R = 2**46 // m
    return rshr(v * R[..., None], (46 - K + L)[..., None]), m, e


# Sections 6.2.1 and 6.2.2

def _least_error(candidates, codes_of, errors_of):
    """For each vector along the last axis the first candidate with the least sum of squares, and its codes."""
    least = best = codes = None
    for h in candidates:
        c = codes_of(h)
        error = (errors_of(c, h) ** 2).sum(axis=-1)
        if least is None:
            least, best, codes = error, np.full_like(error, h), c
        better = error < least
        least, best = np.where(better, error, least), np.where(better, h, best)
        codes = np.where(better[..., None], c, codes)
    return codes, best


def quantise_values(v, fraction_bits):
    """Odd codes -15 ... 15; returns the same as quantise."""
    u, um, ue = quantise(v, fraction_bits, 16)
    codes, h = _least_error(range(1920, 1920 + 8 * 96, 96), lambda h: 2 * np.clip((u * (2**25 // h) >> 26) + 8, 0, 15) - 15,
                            lambda c, h: (u - c * h) >> 4)
    return codes, rshr(h * um, 11), ue - 11


def quantise_keys(v, fraction_bits):
    """Keys of 8 bits, of any head size."""
    if v.shape[-1] > 16:
        return quantise(v, fraction_bits, 8)
    u, um, ue = quantise(v, fraction_bits, 16)
    codes, s = _least_error(range(258, 274, 2), lambda s: rshr(u * (2**22 // s), 22), lambda c, s: u - c * s)
    return codes, rshr(s * um, 8), ue - 8


# Sections 7 and 9: products of up to 73 bits

def shifted_product(differences, factor, shift):
    """floor(differences * factor * 2^-shift), exactly: int64 where it fits, else Python integers."""
    d = np.asarray(differences, dtype=INT)
    if shift >= 20:
        high, low = d * (factor >> 20), d * (factor & (2**20 - 1))
        return (high + (low >> 20)) >> min(shift - 20, 63)
    product = d.astype(object) * factor
    return product >> shift if shift >= 0 else product << -shift


def exponentials(x):
    """exp2n(min(x, 2^32 - 1)) of what shifted_product gives."""
    return exp2n(np.minimum(x, EXP_LIMIT).astype(INT))
