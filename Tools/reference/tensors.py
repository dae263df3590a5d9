"""stlm-1, section 6: tensors as numpy arrays."""

import struct
from dataclasses import dataclass

import numpy as np

from container import align
from refusal import require

INT8, INT16, VECTOR, ROTATION, PIECEWISE = 1, 2, 3, 4, 5
GROUPS = range(6, 11)                               # int2 ... int6
TERNARY_FIVE, TERNARY_FOUR, CORRECTED = 11, 12, 13
MATRICES = (INT8, INT16, *GROUPS, TERNARY_FIVE, TERNARY_FOUR)
PLANES = {2: (2,), 3: (2, 1), 4: (4,), 5: (4, 1), 6: (4, 2)}     # bits of a code: bits of its planes
# Section 10
COLUMN_LIMITS = {**{encoding: 65536 for encoding in MATRICES}, **{encoding: 8192 for encoding in GROUPS},
                 VECTOR: 2**20, ROTATION: 65536, PIECEWISE: 64, CORRECTED: 65536}
RANK_LIMIT = 1024


@dataclass
class Correction:
    """Of encoding 13."""
    base: object           # tensors
    down: object
    up: object
    activation_bits: int   # of up's input


@dataclass
class Tensor:
    index: int
    encoding: int
    rows: int
    columns: int
    exponent: int
    integers: np.ndarray = None   # matrices: W, (rows, columns); vectors: (columns,)
    scale_u: np.ndarray = None    # matrices: mantissas of the rows' scales
    scale_d: np.ndarray = None    # matrices: their exponents
    cos: np.ndarray = None
    sin: np.ndarray = None
    points: np.ndarray = None
    values: np.ndarray = None
    slopes: np.ndarray = None
    correction: Correction = None

    @property
    def is_matrix(self):
        return self.encoding in MATRICES

    @property
    def bits(self):
        """Of a code in groups."""
        return self.encoding - 4

    @property
    def width(self):
        """arithmetic-1, section 4: |W| <= 2^(width - 1)."""
        return {INT8: 8, INT16: 16, TERNARY_FIVE: 2, TERNARY_FOUR: 2}.get(self.encoding, 11)

    @property
    def blocks(self):
        """Of 16 rows."""
        return -(-self.rows // 16)

    def plane_lines(self, p):
        """Lines of 64 bytes of a plane of p bits in a block of rows."""
        return -(-self.columns * p // 32)

    @property
    def byte_count(self):
        rows = 16 * self.blocks
        if self.encoding in GROUPS:
            lines = sum(map(self.plane_lines, PLANES[self.bits]))
            levels = 2**self.bits if self.bits < 6 else 0
            return self.blocks * (64 * lines + 16 * -(-self.columns // 32)) + 2 * rows + levels
        return {INT8: rows * align(self.columns, 4) + 2 * rows,
                INT16: 2 * rows * align(self.columns, 2) + 2 * rows,
                VECTOR: 4 * self.columns,
                ROTATION: 4 * self.rows * self.columns,
                PIECEWISE: 4 * (3 * self.columns + 1),
                TERNARY_FIVE: self.blocks * -(-self.columns // 20) * 64 + 2 * rows,
                TERNARY_FOUR: self.blocks * -(-self.columns // 16) * 64 + 2 * rows,
                CORRECTED: 16}[self.encoding]


def read_records(table):
    tensors = []
    for i in range(len(table) // 32):
        encoding, rows, columns, exponent = struct.unpack_from("<IIIi", table, 32 * i)
        t = Tensor(i, encoding, rows, columns, exponent)
        name = f"tensor {i}"
        require(1 <= encoding <= 13, f"{name}: encoding {encoding} is unknown")
        require(1 <= rows <= 2**20, f"{name}: {rows} rows are not in 1 ... 1048576")
        limit = COLUMN_LIMITS[encoding]
        require(1 <= columns <= limit, f"{name}: {columns} columns are not in 1 ... {limit}")
        require(not any(table[32 * i + 16:32 * i + 32]), f"{name}: reserved bytes are not zero")
        if t.is_matrix:
            require(-64 <= exponent <= 127, f"{name}: exponent {exponent} is not in -64 ... 127")
        elif encoding == ROTATION:
            require(exponent == 14, f"{name}: exponent {exponent} of a rotation is not 14")
        elif encoding == CORRECTED:
            require(exponent == 0, f"{name}: exponent {exponent} of a corrected matrix is not 0")
        else:
            require(rows == 1, f"{name}: {rows} rows in a tensor of encoding {encoding}, which has 1")
            require(-32 <= exponent <= 62, f"{name}: exponent {exponent} is not in -32 ... 62")
        tensors.append(t)
    return tensors


def read_weights(t, data, tensors, check_padding):
    """Fills the arrays of t from its region's bytes, whose count has been checked."""
    name = f"tensor {t.index}"
    if t.is_matrix:
        read_matrix(t, data, check_padding)
    elif t.encoding == CORRECTED:
        t.correction = read_correction(t, data, tensors)
    elif t.encoding == ROTATION:
        pairs = np.frombuffer(data, "<i2").astype(np.int64).reshape(t.rows, t.columns, 2)
        t.cos, t.sin = pairs[:, :, 0], pairs[:, :, 1]
    else:
        words = np.frombuffer(data, "<i4").astype(np.int64)
        if t.encoding == VECTOR:
            t.integers = words
        else:
            n = t.columns
            t.points, t.values, t.slopes = words[:n], words[n:2 * n], words[2 * n:]
            require((np.diff(t.points) > 0).all(), f"{name}: its breakpoints do not ascend strictly")


def read_matrix(t, data, check_padding):
    name, rows = f"tensor {t.index}", 16 * t.blocks
    levels = b""
    if t.encoding in GROUPS and t.bits < 6:
        data, levels = data[:-2**t.bits], data[-2**t.bits:]
    data, q = data[:-2 * rows], np.frombuffer(data[-2 * rows:], "<u2").astype(np.int64)
    if t.encoding in GROUPS:
        padded = read_groups(t, data, levels, check_padding)
    else:
        padded = read_rows(t, data) if t.encoding <= INT16 else read_ternary(t, data)
        if check_padding:
            check_zeros(t, padded, t.columns, "integers")
    if check_padding:
        require(not q[t.rows:].any(), f"{name}: scales of padding rows are not zero")
    t.integers = padded[:t.rows, :t.columns]
    t.scale_u, t.scale_d = 2048 + q[:t.rows] % 2048, q[:t.rows] >> 11


def check_zeros(t, padded, columns, what):
    require(not padded[t.rows:].any(), f"tensor {t.index}: {what} of padding rows are not zero")
    require(not padded[:, columns:].any(), f"tensor {t.index}: {what} of padding columns are not zero")


def read_rows(t, data):
    group = 4 // t.encoding
    codes = np.frombuffer(data, "<i%d" % t.encoding).reshape(t.blocks, -1, 16, group)
    return codes.transpose(0, 2, 1, 3).reshape(16 * t.blocks, -1).astype(np.int64)


def spread(lines, digits):
    """Lines (blocks, lines, 64) of bytes, in each of which digits(byte) finds several steps of 4 columns: (rows, columns)."""
    steps = np.stack(digits(lines.reshape(*lines.shape[:2], 16, 4).astype(np.int64)), axis=2)
    return steps.transpose(0, 3, 1, 2, 4).reshape(16 * len(lines), -1)


def plane_digits(p):
    return lambda byte: [(byte >> shift) % 2**p for shift in range(0, 8, p)]


def read_ternary(t, data):
    lines = np.frombuffer(data, np.uint8).reshape(t.blocks, -1, 64)
    if t.encoding == TERNARY_FOUR:
        return np.minimum(spread(lines, plane_digits(2)), 2) - 1
    return spread(lines, lambda byte: [(byte * 3**k % 256 * 3 >> 8) - 1 for k in range(5)])


def read_groups(t, data, levels, check_padding):
    line_count = sum(map(t.plane_lines, PLANES[t.bits]))
    code_bytes = 64 * t.blocks * line_count
    lines = np.frombuffer(data, np.uint8, code_bytes).reshape(t.blocks, line_count, 64)
    codes, line, shift = 0, 0, 0
    for p in PLANES[t.bits]:
        end = line + t.plane_lines(p)
        plane = spread(lines[:, line:end], plane_digits(p))
        if check_padding:
            check_zeros(t, plane, t.columns, "codes")
        codes = codes + (plane[:, :t.columns] << shift)
        line, shift = end, shift + p
    pairs = np.frombuffer(data, np.uint8, offset=code_bytes).reshape(t.blocks, -1, 16).astype(np.int64)
    scales = np.stack([pairs % 16, pairs >> 4], axis=2).transpose(0, 3, 1, 2).reshape(16 * t.blocks, -1)
    groups = -(-t.columns // 16)
    if check_padding:
        check_zeros(t, scales, groups, "group scales")
    table = np.frombuffer(levels, np.int8).astype(np.int64) if levels else np.arange(64) - 32
    for k, level in enumerate(table):
        require(-64 <= level <= 64, f"tensor {t.index}: level {k} is {level}, not in -64 ... 64")
    return table[codes] * np.repeat(scales, 16, axis=1)[:, :t.columns]


def read_correction(t, data, tensors):
    what, words = f"tensor {t.index}", struct.unpack("<4I", data)
    parts = []
    for name, index in zip(("base", "down", "up"), words):
        require(index < len(tensors), f"{what}: {name} {index} is not below {len(tensors)}")
        require(tensors[index].is_matrix, f"{what}: {name}, tensor {index} of encoding {tensors[index].encoding}, is no matrix")
        parts.append(tensors[index])
    base, down, up = parts
    rank, bits = down.rows, words[3]
    for name, part, rows, columns in (("base", base, t.rows, t.columns), ("down", down, rank, t.columns), ("up", up, t.rows, rank)):
        require((part.rows, part.columns) == (rows, columns),
                f"{what}: {name} has {part.rows} rows, {part.columns} columns and not {rows}, {columns}")
    require(rank <= RANK_LIMIT, f"{what}: its rank {rank} is more than {RANK_LIMIT}")
    check_activation_bits(bits, [up], what)
    return Correction(base, down, up, bits)


def check_activation_bits(bits, matrices, what):
    require(bits in (8, 16), f"{what}: activation_bits {bits} is neither 8 nor 16")
    require(bits == 16 or all(matrix.encoding != INT16 for matrix in matrices),
            f"{what}: activation_bits {bits} with codes of 16 bits")
