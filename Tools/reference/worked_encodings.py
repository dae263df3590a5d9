"""Prints, as markdown for Formats/, one tiny matrix of each encoding from 6 on: what it says and the bytes of its region.

    python3 Tools/reference/worked_encodings.py
"""

import re
import struct
import textwrap

import numpy as np

from arithmetic import quantise
from example_matrices import Matrix
from layers import linear, product
from model import Linear
from tensors import Correction, Tensor, read_matrix

LEVELS = {2: [-64, -20, 20, 64], 3: [-64, -38, -20, -6, 6, 20, 38, 64], 4: range(-60, 61, 8), 5: range(-62, 63, 4)}
COLUMNS = {6: 20, 7: 36, 8: 20, 9: 20, 10: 20, 11: 22, 12: 18}
NAMES = {6: "int2 groups", 7: "int3 groups", 8: "int4 groups", 9: "int5 groups", 10: "int6 groups", 11: "Ternary, five a byte",
         12: "Ternary, four a byte"}
ROW_SCALES = np.array([0x0180, 0x0B21])
GROUP_SCALES = np.array([[5, 11, 9], [14, 3, 2]])
EXPONENT = 20


def example(encoding):
    columns = COLUMNS[encoding]
    r, j = np.indices((2, columns))
    if encoding >= 11:
        return Matrix(encoding, (r + j + j // 4) % 3, ROW_SCALES)
    b = encoding - 4
    levels = np.array(LEVELS[b]) if b in LEVELS else None
    return Matrix(encoding, (7 * r + 5 * j + j // 4) % 2**b, ROW_SCALES, GROUP_SCALES[:, :-(-columns // 16)], levels)


def tensor(matrix, exponent=EXPONENT):
    """Read back from the bytes, padding and all."""
    t = Tensor(0, matrix.encoding, *matrix.codes.shape, exponent)
    data = matrix.bytes
    assert len(data) == t.byte_count
    read_matrix(t, data, True)
    assert (t.integers == matrix.integers).all()
    return t


def dump(data):
    """Lines of 16 bytes; those like the one before are one *."""
    lines, before = [], None
    for at in range(0, len(data), 16):
        row = data[at:at + 16]
        if row != before or at + 16 >= len(data):
            halves = "  ".join(row[k:k + 8].hex(" ") for k in (0, 8) if row[k:])
            text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
            lines.append(f"    {at:08x}  {halves:48}  |{text}|")
        elif lines[-1] != "    *":
            lines.append("    *")
        before = row
    return lines


def paragraph(text):
    """Wrapped, but not inside `code`."""
    whole = re.sub("`[^`]*`", lambda match: match[0].replace(" ", "\0"), text)
    return [line.replace("\0", " ") for line in textwrap.wrap(whole, 120)]


def values(name, row):
    return textwrap.wrap(f"{name} = {' '.join(map(str, row))}", 120, initial_indent="    ", subsequent_indent="        ")


def described(encoding):
    m = example(encoding)
    t, (rows, columns) = tensor(m), m.codes.shape
    q = ", ".join(f"0x{int(s):04X}" for s in m.q)
    lines = [f"**{NAMES[encoding]}** (encoding {encoding}), {rows} x {columns}, {t.byte_count} bytes."]
    if encoding >= 11:
        lines[0] += f" W + 1 is `(r + j + j / 4) mod 3`. Row scales {q}. Where there are no rows or columns, W is 0."
    else:
        levels = "level(c) = c - 32" if m.levels is None else "levels " + ", ".join(map(str, m.levels))
        scales = "; ".join(", ".join(map(str, row)) for row in m.scales)
        code, s = m.codes[1, 17], m.scales[1, 1]
        lines[0] += (f" code[r][j] is `(7 r + 5 j + j / 4) mod {2**m.bits}`; {levels}; group scales {scales}; row scales {q}. "
                     f"The weight of row 1 and column 17: code {code}, level {m.integers[1, 17] // s}, group scale {s}, so that W is "
                     f"{m.integers[1, 17]}; row scale 0x{int(m.q[1]):04X}, so that u is {t.scale_u[1]} and d is {t.scale_d[1]}.")
    lines = paragraph(lines[0]) + [""]
    for r in range(rows):
        lines += values(f"W[{r}]", m.integers[r])
    return lines + [""] + dump(m.bytes)


def corrected():
    """A layer of the ternary matrix of four a byte with a correction of rank 2, and what it makes of one vector."""
    columns = COLUMNS[12]
    j = np.arange(columns)
    base = tensor(example(12))
    down = tensor(Matrix(1, np.stack([9 * j % 31 - 15, 4 * j % 23 - 11]), np.array([0x0200, 0x0000])), 18)
    up = tensor(Matrix(1, np.array([[100, 33], [-77, 2]]), np.array([0x0000, 0x0800])), 25)
    layer = Linear(base, None, 8, Correction(base, down, up, 16))
    x, F = (j * j * 1000 - 99999)[None, :], np.array([20])
    c, m, e = quantise(x, F, 8)
    y, FY = product(base, None, c, m, e, 8)
    t, FT = product(down, None, c, m, e, 8)
    ct, mt, et = quantise(t, FT, 16)
    v, _ = product(up, None, ct, mt, et, 16, FY)
    result, FR = linear(layer, x, F)
    assert FR[0] == FY[0] and (result == y + v).all()
    lines = paragraph(f"**Corrected** (encoding 13), 2 x {columns}, rank 2, 16 bytes. base is tensor 4, the ternary matrix of four a byte; down "
                      "tensor 5; up tensor 6; activation_bits 16.") + [""] + dump(struct.pack("<4I", 4, 5, 6, 16)) + [""]
    lines += paragraph(f"What it computes, in a layer of 8 activation bits without a bias: base has exponent {EXPONENT}; down is int8 rows of "
                       f"exponent 18, row scales 0x0200, 0x0000; up int8 rows of exponent 25, row scales 0x0000, 0x0800. Floating form; the input "
                       f"`x[j] = 1000 j * j - 99999` has {F[0]} fraction bits.") + [""]
    matrices = ((f"{name}[{r}]", row) for name, part in (("down", down), ("up", up)) for r, row in enumerate(part.integers))
    for name, row in (*matrices, ("x", x[0]), (f"m = {m[0]}, e = {e[0]}, codes", c[0]),
                      (f"F = {FY[0]}, y", y[0]), (f"{FT[0]} fraction bits, t", t[0]), (f"m = {mt[0]}, e = {et[0]}, codes", ct[0]),
                      ("v", v[0]), ("y + v", result[0])):
        lines += values(name, row)
    return lines



TITLE = """\
# One matrix in each encoding

Worked examples for section 6 of `stlm-1.md` and section 4.1 of `arithmetic-1.md`: what a small matrix says, and the bytes of its region. The rotation, int8
rows and int32 vectors stand in the worked file of `stlm-1.md`, section 12. This page is printed by `Tools/reference/worked_encodings.py`.

"""


def markdown():
    parts = [described(encoding) for encoding in NAMES] + [corrected()]
    return TITLE + "\n\n".join("\n".join(line.rstrip() for line in lines) for lines in parts) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
