"""stlm-1, section 6: tensors as numpy arrays."""

import struct
from dataclasses import dataclass

import numpy as np

from container import align
from refusal import require

INT8, INT16, VECTOR, ROTATION, PIECEWISE = 1, 2, 3, 4, 5
# Section 10
COLUMN_LIMITS = {INT8: 65536, INT16: 65536, VECTOR: 2**20, ROTATION: 65536, PIECEWISE: 64}


@dataclass
class Tensor:
    index: int
    encoding: int
    rows: int
    columns: int
    exponent: int
    codes: np.ndarray = None      # matrices: (rows, columns); vectors: (columns,)
    scale_u: np.ndarray = None    # matrices: mantissas of the rows' scales
    scale_d: np.ndarray = None    # matrices: their exponents
    cos: np.ndarray = None
    sin: np.ndarray = None
    points: np.ndarray = None
    values: np.ndarray = None
    slopes: np.ndarray = None

    @property
    def is_matrix(self):
        return self.encoding in (INT8, INT16)

    @property
    def width(self):
        return 8 * self.encoding

    @property
    def byte_count(self):
        rows = align(self.rows, 16)
        return {INT8: rows * align(self.columns, 4) + 2 * rows,
                INT16: 2 * rows * align(self.columns, 2) + 2 * rows,
                VECTOR: 4 * self.columns,
                ROTATION: 4 * self.rows * self.columns,
                PIECEWISE: 4 * (3 * self.columns + 1)}[self.encoding]


def read_records(table):
    tensors = []
    for i in range(len(table) // 32):
        encoding, rows, columns, exponent = struct.unpack_from("<IIIi", table, 32 * i)
        t = Tensor(i, encoding, rows, columns, exponent)
        name = f"tensor {i}"
        require(1 <= encoding <= 5, f"{name}: encoding {encoding} is unknown")
        require(1 <= rows <= 2**20, f"{name}: {rows} rows are not in 1 ... 1048576")
        limit = COLUMN_LIMITS[encoding]
        require(1 <= columns <= limit, f"{name}: {columns} columns are not in 1 ... {limit}")
        require(not any(table[32 * i + 16:32 * i + 32]), f"{name}: reserved bytes are not zero")
        if t.is_matrix:
            require(-64 <= exponent <= 127, f"{name}: exponent {exponent} is not in -64 ... 127")
        elif encoding == ROTATION:
            require(exponent == 14, f"{name}: exponent {exponent} of a rotation is not 14")
        else:
            require(rows == 1, f"{name}: {rows} rows in a tensor of encoding {encoding}, which has 1")
            require(-32 <= exponent <= 62, f"{name}: exponent {exponent} is not in -32 ... 62")
        tensors.append(t)
    return tensors


def read_weights(t, data, check_padding):
    """Fills the arrays of t from its region's bytes, whose count has been checked."""
    name = f"tensor {t.index}"
    if t.is_matrix:
        group = 4 // t.encoding
        rows, columns = align(t.rows, 16), align(t.columns, group)
        code_bytes = rows * columns * t.encoding
        codes = np.frombuffer(data, "<i%d" % t.encoding, rows * columns)
        codes = codes.reshape(rows // 16, columns // group, 16, group).transpose(0, 2, 1, 3).reshape(rows, columns)
        q = np.frombuffer(data, "<u2", rows, code_bytes).astype(np.int64)
        if check_padding:
            require(not codes[t.rows:].any(), f"{name}: codes of padding rows are not zero")
            require(not codes[:, t.columns:].any(), f"{name}: codes of padding columns are not zero")
            require(not q[t.rows:].any(), f"{name}: scales of padding rows are not zero")
        t.codes = codes[:t.rows, :t.columns].astype(np.int64)
        t.scale_u, t.scale_d = 2048 + q[:t.rows] % 2048, q[:t.rows] >> 11
    elif t.encoding == ROTATION:
        pairs = np.frombuffer(data, "<i2").astype(np.int64).reshape(t.rows, t.columns, 2)
        t.cos, t.sin = pairs[:, :, 0], pairs[:, :, 1]
    else:
        words = np.frombuffer(data, "<i4").astype(np.int64)
        if t.encoding == VECTOR:
            t.codes = words
        else:
            n = t.columns
            t.points, t.values, t.slopes = words[:n], words[n:2 * n], words[2 * n:]
            require((np.diff(t.points) > 0).all(), f"{name}: its breakpoints do not ascend strictly")
