"""The `words` pooling of byte-level models: text is cut into short pieces, and a piece's bytes are one block. It has no table.

Letters, numbers and white space are those of Formats/character-classes.txt, which the runtime's tables are made of too; the rest is other. A
piece is a run of one class. A single space before a run that is not white belongs to it. A piece has at most 12 bytes and never ends
inside a character.
"""
import bisect
import os
import re

import numpy as np

BLOCK = 12
PAD, END = 256, 257
CLASSES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Formats", "character-classes.txt")


def read_classes(path):
    """Ranges (first, last, class) in ascending order."""
    with open(path, encoding="utf-8") as f:
        rows = [line.split() for line in f if line.strip() and not line.startswith("#")]
    return sorted((int(first, 16), int(last, 16), name) for name, first, last in rows)


RANGES = read_classes(CLASSES)
FIRSTS = [first for first, _, _ in RANGES]
# Over one letter a character: L letter, N number, O other, S the space U+0020, W other white space.
RUN = re.compile(rb"SL+|SN+|SO+|[WS](?:(?!S[LNO])[WS])*|L+|N+|O+")


def character_class(code):
    if code == 0x20:
        return ord("S")
    at = bisect.bisect_right(FIRSTS, code) - 1
    return ord(RANGES[at][2] if at >= 0 and code <= RANGES[at][1] else "O")


ASCII = np.array([character_class(c) for c in range(128)], np.uint8)


def cuts(data):
    """Where the pieces of a byte string begin, and its length at the end."""
    raw = np.frombuffer(data, np.uint8)
    if not len(raw):
        return np.zeros(1, np.int64)
    if raw.max() < 128:
        classes, offset = ASCII[raw], None
    else:  # surrogateescape gives every ill-formed byte a code of its own, of class other
        codes = np.frombuffer(data.decode("utf-8", "surrogateescape").encode("utf-32-le", "surrogatepass"), np.uint32)
        used, where = np.unique(codes, return_inverse=True)
        classes = np.array([character_class(int(c)) for c in used], np.uint8)[where]
        ill = (codes >= 0xD800) & (codes < 0xE000)
        size = 1 + ((codes > 0x7F) & ~ill) + ((codes > 0x7FF) & ~ill) + (codes > 0xFFFF)
        offset = np.concatenate([[0], np.cumsum(size)])
    at = np.array([0] + [m.end() for m in RUN.finditer(classes.tobytes())], np.int64)
    starts = at if offset is None else offset[at]
    extra = []
    for i in np.flatnonzero(np.diff(starts) > BLOCK):
        ends = np.arange(at[i] + 1, at[i + 1] + 1) if offset is None else offset[at[i] + 1:at[i + 1] + 1]
        begin = starts[i]
        while ends[-1] - begin > BLOCK:
            begin = ends[np.searchsorted(ends, begin + BLOCK, "right") - 1]
            extra.append(begin)
    return np.sort(np.concatenate([starts, extra])).astype(np.int64) if extra else starts


class Tokenizer:
    """Gives every piece it meets a number, so that a text is a row of numbers and `table` holds their blocks. Number 0 is end of text."""
    def __init__(self):
        self.eot = 0
        self.pieces, self._number, self._table = [b"<|endoftext|>"], {}, None

    def _encode(self, data, at):
        number, pieces = self._number, self.pieces
        out = np.empty(len(at) - 1, np.int64)
        ends = at.tolist()
        for i in range(len(out)):
            piece = data[ends[i]:ends[i + 1]]
            n = number.get(piece)
            if n is None:
                n = number[piece] = len(pieces)
                pieces.append(piece)
            out[i] = n
        return out

    def encode(self, data):
        if isinstance(data, str):
            data = data.encode("utf-8")
        return self._encode(data, cuts(data))

    def encode_stories(self, stories, cut_share=0.0, rng=None):
        """All stories in one stream, each cut by itself and followed by end of text.

        cut_share: this share of the pieces is cut in two, as it happens at the end of a typed prompt."""
        out = []
        for data in stories:
            at = cuts(data)
            if cut_share > 0:
                chosen = np.flatnonzero(rng.random(len(at) - 1) < cut_share)
                inside = at[chosen] + 1 + (rng.random(len(chosen)) * (np.diff(at)[chosen] - 1)).astype(np.int64)
                inside = [i for i in inside if i < len(data) and data[i] & 0xC0 != 0x80]
                at = np.unique(np.concatenate([at, inside])).astype(np.int64)
            out += [self._encode(data, at), [self.eot]]
        return np.concatenate(out)

    @property
    def table(self):
        """The blocks of all pieces met so far, (pieces, 12)."""
        if self._table is None or len(self._table) != len(self.pieces):
            self._table = np.full((len(self.pieces), BLOCK), PAD, np.int64)
            self._table[0, 0] = END
            for i, piece in enumerate(self.pieces[1:], 1):
                self._table[i, :len(piece)] = list(piece)
        return self._table

    def decode(self, ids):
        return b"".join(self.pieces[int(i)] for i in ids).decode("utf-8", "replace")
