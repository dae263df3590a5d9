#!/usr/bin/env python3
"""Writes Sources/FixedPoint/SigmoidTable.swift and NormalTable.swift: the tables of arithmetic-1, section 2.4.

Needs mpmath (Debian: python3-mpmath). Usage, from the package root: python3 Tools/tables/make_tables.py
"""
import struct
import zlib
from mpmath import mp, mpf, erf, exp, nint, sqrt

mp.dps = 50
SIGMOID = [int(nint(mpf(2) ** 31 / (1 + exp(-mpf(i) / 64)))) for i in range(1025)]
NORMAL = [int(nint(mpf(2) ** 31 * (1 + erf(mpf(i) / 128 / sqrt(2))) / 2)) for i in range(1025)]


def write(name, constant, about, table):
    crc = zlib.crc32(struct.pack("<1025I", *table))
    lines = ["// Made by Tools/tables/make_tables.py. CRC-32 of the little-endian words: 0x%08X." % crc, "",
             "/// %s, (1025) Q31. arithmetic-1, section 2.4." % about,
             "@usableFromInline", "let %s: InlineArray<1025, UInt32> = [" % constant]
    for i in range(0, 1025, 8):
        lines.append("    " + ", ".join("0x%08X" % v for v in table[i:i + 8]) + ",")
    lines.append("]\n")
    with open("Sources/FixedPoint/%s.swift" % name, "w") as f:
        f.write("\n".join(lines))
    print(name, "0x%08X" % crc)


write("SigmoidTable", "sigmoidTable", "The logistic function at i / 64", SIGMOID)
write("NormalTable", "normalTable", "The normal distribution function at i / 128", NORMAL)
