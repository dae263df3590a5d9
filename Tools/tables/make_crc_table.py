#!/usr/bin/env python3
"""Writes Sources/ModelFile/CRC32Table.swift: eight slices of the CRC-32 table. Run from the package root."""
table = []
for n in range(256):
    c = n
    for _ in range(8):
        c = (c >> 1) ^ (0xEDB88320 if c & 1 else 0)
    table.append(c)
for k in range(1, 8):
    for n in range(256):
        p = table[(k - 1) * 256 + n]
        table.append((p >> 8) ^ table[p & 255])
lines = ["// Made by Tools/tables/make_crc_table.py.", "",
         "/// Slice k, byte b: the CRC-32 of b followed by k zero bytes, without initial value and final xor. (8, 256)",
         "let crcTable: InlineArray<2048, UInt32> = ["]
lines += ["    " + ", ".join("0x%08X" % v for v in table[i:i + 8]) + "," for i in range(0, 2048, 8)]
with open("Sources/ModelFile/CRC32Table.swift", "w") as f:
    f.write("\n".join(lines) + "\n]\n")
