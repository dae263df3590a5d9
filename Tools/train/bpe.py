"""STLM's own byte-level BPE: merges over raw bytes, no pre-split, merges may cross spaces.

File format (`bpe_<dataset>_<vocab>.model`): one merge per line, two decimal ids; line n defines id 256+n.
Ids 0-255 are the bytes, pad is vocab-2, end of text is vocab-1.
"""
import os

import numpy as np

BARRIER = 65535  # never merged; marks story ends while training and cuts while encoding


def _replace(x, a, b, new):
    """Replaces the pair a b by new, left to right, without overlaps."""
    hit = np.flatnonzero((x[:-1] == a) & (x[1:] == b))
    if hit.size == 0:
        return x
    if a == b:  # in a run of equal ids only every second position is a pair
        first = np.ones(hit.size, bool)
        first[1:] = np.diff(hit) != 1
        start = np.maximum.accumulate(np.where(first, np.arange(hit.size), 0))
        hit = hit[(hit - hit[start]) % 2 == 0]
    x[hit] = new
    keep = np.ones(x.size, bool)
    keep[hit + 1] = False
    return x[keep]


def _as_ids(parts, between):
    """Joins byte strings into one array with the id `between` after each."""
    out = []
    for p in parts:
        out.append(np.frombuffer(p, np.uint8).astype(np.uint16))
        out.append(np.array([between], np.uint16))
    return np.concatenate(out) if out else np.zeros(0, np.uint16)


def train_merges(stories, vocab_size, progress=None):
    """Learns vocab_size-258 merges from a list of byte strings; no merge crosses from one to the next."""
    count = vocab_size - 258
    if not 0 <= count <= BARRIER - 258:
        raise SystemExit(f"The vocabulary size {vocab_size} must lie between 258 and {BARRIER}; choose another one.")
    x = _as_ids(stories, BARRIER)
    merges = []
    for k in range(count):
        n = 256 + k
        a, b = x[:-1].astype(np.int64), x[1:]
        code = (a * n + b)[(a != BARRIER) & (b != BARRIER)]
        counts = np.bincount(code, minlength=1)
        best = int(counts.argmax())
        if counts[best] < 2:
            raise SystemExit(f"The text is too short for a vocabulary of {vocab_size}; give more text or a vocabulary of at most {258 + k}.")
        merges.append(divmod(best, n))
        x = _replace(x, *merges[-1], n)
        if progress and (k + 1) % 200 == 0:
            progress(f"merge {k + 1} of {count}, {x.size} tokens left")
    return merges


class Tokenizer:
    def __init__(self, merges):
        self.merges = [tuple(m) for m in merges]
        self.vocab_size = 258 + len(self.merges)
        self.pad, self.eot = self.vocab_size - 2, self.vocab_size - 1
        self.pieces = [bytes([i]) for i in range(256)]
        for n, (a, b) in enumerate(self.merges):
            if not (0 <= a < 256 + n and 0 <= b < 256 + n):
                raise SystemExit(f"Merge {n} of the tokenizer names an id that does not exist yet; the .model file is damaged.")
            self.pieces.append(self.pieces[a] + self.pieces[b])
        self.pieces += [b"<|pad|>", b"<|endoftext|>"]

    @classmethod
    def load(cls, path):
        with open(path, encoding="ascii") as f:
            return cls([tuple(map(int, line.split())) for line in f if line.strip()])

    def save(self, path):
        part = f"{path}.part"
        with open(part, "w", encoding="ascii") as f:
            f.writelines(f"{a} {b}\n" for a, b in self.merges)
        os.replace(part, path)

    def _merge(self, x):
        # Merge k only makes pairs of rank above k, so one pass in rank order equals the usual greedy loop.
        present = np.bincount(x, minlength=BARRIER + 1) > 0
        for n, (a, b) in enumerate(self.merges):
            if x.size < 2:
                break
            if present[a] and present[b]:
                before = x.size
                x = _replace(x, a, b, 256 + n)
                present[256 + n] = x.size != before
        return x

    def encode(self, data):
        """Ids of a text given as str or bytes; special strings in it are ordinary text."""
        if isinstance(data, str):
            data = data.encode("utf-8")
        return self._merge(np.frombuffer(data, np.uint8).astype(np.uint16))

    def encode_stories(self, stories, cut_share=0.0, rng=None):
        """Ids of all stories in one stream, each encoded by itself and followed by end of text.

        cut_share: at this share of word ends no merge may cross, as it happens at the end of a typed prompt."""
        x = _as_ids(stories, self.eot)
        if cut_share > 0:
            special = (x == 32) | (x == 44) | (x == 46) | (x == 10)
            ends = np.flatnonzero(special[1:] & ~special[:-1]) + 1
            ends = ends[rng.random(ends.size) < cut_share]
            x = np.insert(x, ends, BARRIER)
        x = self._merge(x)
        return x[x != BARRIER]

    def decode(self, ids):
        return b"".join(self.pieces[int(i)] for i in ids).decode("utf-8", "replace")
