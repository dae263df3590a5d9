"""Bytes of matrices for the tests, placed one by one as section 6 of stlm-1 has them."""

from dataclasses import dataclass

import numpy as np

PLANES = {2: (2,), 3: (2, 1), 4: (4,), 5: (4, 1), 6: (4, 2)}
TERNARY_FIVE, TERNARY_FOUR = 11, 12


def align(n, a):
    return -(-n // a) * a


@dataclass
class Matrix:
    """What a region says: codes (rows, columns), of encoding 1 and 2 W, of ternary W + 1; row scales q; of groups their scales
    (rows, groups) and levels."""
    encoding: int
    codes: np.ndarray
    q: np.ndarray
    scales: np.ndarray = None
    levels: np.ndarray = None

    @property
    def bits(self):
        return self.encoding - 4

    @property
    def integers(self):
        if self.encoding <= 2:
            return self.codes
        if self.encoding >= TERNARY_FIVE:
            return self.codes - 1
        levels = np.arange(64) - 32 if self.levels is None else self.levels
        return levels[self.codes] * self.scales[:, np.arange(self.codes.shape[1]) // 16]

    def real(self, exponent):
        return self.integers * (2048 + self.q % 2048)[:, None] * 2.0 ** -((self.q >> 11)[:, None] + float(exponent))

    @property
    def bytes(self):
        encoding, (rows, columns) = self.encoding, self.codes.shape
        padded_rows = align(rows, 16)
        scales = np.zeros(padded_rows, "<u2")
        scales[:rows] = self.q
        if encoding <= 2:
            return rows_bytes(self.codes, encoding) + scales.tobytes()
        if encoding == TERNARY_FIVE:
            return five_bytes(self.codes) + scales.tobytes()
        if encoding == TERNARY_FOUR:
            return planes_bytes(padded_with(self.codes, align(columns, 16), 1), (2,)) + scales.tobytes()
        groups = np.zeros((padded_rows // 16, -(-columns // 32), 16), np.uint8)
        r, g = np.indices(self.scales.shape)
        np.add.at(groups, (r // 16, g // 2, r % 16), self.scales << 4 * (g % 2))
        levels = b"" if self.levels is None else self.levels.astype(np.int8).tobytes()
        return planes_bytes(self.codes, PLANES[self.bits]) + groups.tobytes() + scales.tobytes() + levels


def padded_with(codes, columns, value):
    padded = np.full((align(len(codes), 16), columns), value, np.int64)
    padded[:codes.shape[0], :codes.shape[1]] = codes
    return padded


def rows_bytes(codes, width):
    group = 4 // width
    padded = padded_with(codes, align(codes.shape[1], group), 0)
    data = np.zeros(padded.size * width, np.uint8)
    flat = padded.astype(f"<i{width}").view(np.uint8).reshape(padded.shape + (width,))
    r, j = np.indices(padded.shape)
    at = ((r // 16) * (padded.shape[1] // group) + j // group) * 64 + (r % 16) * 4 + (j % group) * width
    for b in range(width):
        data[at + b] = flat[:, :, b]
    return data.tobytes()


def planes_bytes(codes, planes):
    """For each block of 16 rows, the lines of one plane after the other."""
    rows, columns = codes.shape
    lines = [-(-columns * p // 32) for p in planes]
    data = np.zeros((-(-rows // 16), 64 * sum(lines)), np.int64)
    r, j = np.indices(codes.shape)
    start, shift = 0, 0
    for p, n in zip(planes, lines):
        k = 8 // p
        at = start + j // (4 * k) * 64 + r % 16 * 4 + j % 4
        np.add.at(data, (r // 16, at), (codes >> shift) % 2**p << p * (j // 4 % k))
        start, shift = start + 64 * n, shift + p
    return data.astype(np.uint8).tobytes()


def five_bytes(digits):
    padded = padded_with(digits, align(digits.shape[1], 20), 1)
    rows, columns = padded.shape
    sums = np.zeros((rows // 16, columns // 20 * 64), np.int64)
    r, j = np.indices(padded.shape)
    np.add.at(sums, (r // 16, j // 20 * 64 + r % 16 * 4 + j % 4), padded * 3 ** (4 - j // 4 % 5))
    return (-(-sums * 256 // 243)).astype(np.uint8).tobytes()


def random_matrix(random, encoding, rows, columns):
    """And about the root of the mean square of its W."""
    q = lambda: random.integers(0, 2048, rows) + 2048 * random.integers(0, 2, rows)
    if encoding <= 2:
        top = 2**(8 * encoding - 1) - 1
        codes = np.clip(np.round(random.normal(0, top / 3, (rows, columns))), -top, top).astype(np.int64)
        return Matrix(encoding, codes, q()), top / 3
    if encoding >= TERNARY_FIVE:
        return Matrix(encoding, random.integers(0, 3, (rows, columns)), q()), (2 / 3)**0.5
    bits = encoding - 4
    codes, scales = random.integers(0, 2**bits, (rows, columns)), random.integers(0, 16, (rows, -(-columns // 16)))
    levels = None if bits == 6 else random.permutation(np.linspace(-64, 64, 2**bits).round().astype(np.int64) - random.integers(0, 2))
    if levels is not None:
        levels = np.maximum(levels, -64)
    matrix = Matrix(encoding, codes, q(), scales, levels)
    return matrix, max(1, (matrix.integers**2).mean()**0.5)
