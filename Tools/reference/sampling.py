"""arithmetic-1, sections 7 and 8: choosing the next token."""

import re
from fractions import Fraction

import numpy as np

from arithmetic import EXP_LIMIT, INT, LOG2E_Q40, exp2n, sat32, shifted_product
from refusal import require

MASK = 2**64 - 1


def q16(text, what):
    """A decimal setting as the nearest multiple of 2^-16, half up."""
    require(re.fullmatch(r"\d+(\.\d*)?|\.\d+", text), f"{what}: {text} is no decimal number")
    return int((Fraction(text) * 65536 + Fraction(1, 2)) // 1)


class SplitMix:
    def __init__(self, seed):
        self.state = seed & MASK

    def draw(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        return z ^ (z >> 31)


def penalise(logits, sequence, penalty, window):
    l = logits.astype(INT)
    if penalty == 65536 or window == 0:
        return l
    for token in set(sequence[-window:]):
        value = int(l[token])
        value = value * 65536 // penalty if value > 0 else (value * penalty + 2**15) >> 16
        l[token] = sat32(value)
    return l


def candidates(l, fraction_bits, s):
    """Steps 3 to 6: token ids in order and their p."""
    KT = LOG2E_Q40 // s["temperature"]
    x = np.minimum(shifted_product(l.max() - l, KT, fraction_bits), EXP_LIMIT).astype(INT)
    ids = np.arange(len(l))
    if s["top_k"] > 0 or s["top_p"] < 65536:
        ids = np.argsort(x, kind="stable")
    if s["top_k"] > 0:
        ids = ids[:s["top_k"]]
    p = exp2n(x[ids])
    if s["top_p"] < 65536:
        needed = s["top_p"] * int(p.sum())          # below 2^66
        least = -(-needed // 65536)                 # the least sum that suffices
        count = int(np.searchsorted(np.cumsum(p), least, side="left")) + 1
        ids, p = ids[:count], p[:count]
    keep = p * 65536 >= s["min_p"] << 30
    return ids[keep], p[keep]


def sample(logits, fraction_bits, settings, sequence, random, allowed=None):
    """Of all, or of those ids that are allowed: section 7.1."""
    l = penalise(logits, sequence, settings["repeat_penalty"], settings["repeat_window"])
    if allowed is not None:
        return allowed[choose(l[allowed], fraction_bits, settings, random)]
    return choose(l, fraction_bits, settings, random)


def choose(l, fraction_bits, settings, random):
    if settings["temperature"] == 0:
        return int(l.argmax())
    ids, p = candidates(l, fraction_bits, settings)
    r = random.draw() * int(p.sum()) >> 64
    return int(ids[np.searchsorted(np.cumsum(p), r, side="right")])
