#!/usr/bin/env python3
"""Writes Sources/Tokenizers/CharacterClassTable.swift from Formats/character-classes.txt. Run from the package root.

A range is two numbers of 7 bits a byte, low bits first, bit 7 set on all bytes but the last: 4 * (code points since the range before)
+ class, and its length - 1. Every 16th range has an entry in the index: the code point after the range before, and where its bytes begin.
"""
GROUP, OFFSET_BITS = 16, 11
CLASSES = {"L": 1, "N": 2, "W": 3}


def number(value):
    out = []
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return out + [value]


def array(name, element, values, digits):
    per_line = (160 - 4) // (digits + 4)
    lines = ["let %s: InlineArray<%d, %s> = [" % (name, len(values), element)]
    for i in range(0, len(values), per_line):
        lines.append("    " + ", ".join("0x%0*X" % (digits, v) for v in values[i:i + per_line]) + ",")
    return lines + ["]"]


with open("Formats/character-classes.txt") as f:
    lines = f.read().splitlines()
version = lines[0].split()[-1].rstrip(".")
ranges = [line.split() for line in lines if line[0] != "#"]
content, index, position = [], [], 0
for k, (kind, first, last) in enumerate(ranges):
    first, last = int(first, 16), int(last, 16)
    assert position <= first <= last
    if k % GROUP == 0:
        assert len(content) < 1 << OFFSET_BITS
        index.append(position << OFFSET_BITS | len(content))
    content += number(4 * (first - position) + CLASSES[kind]) + number(last - first)
    position = last + 1
text = ["// Made by Tools/tables/make_class_table.py from Formats/character-classes.txt (Unicode %s)." % version, "",
        "/// For every %dth range: the code point after the range before, and in the low %d bits where its numbers begin." % (GROUP, OFFSET_BITS)]
text += array("characterClassIndex", "UInt32", index, 8)
text += ["", "/// %d ranges: 4 * gap + class, then length - 1, seven bits a byte." % len(ranges)]
text += array("characterClassRanges", "UInt8", content, 2)
with open("Sources/Tokenizers/CharacterClassTable.swift", "w") as f:
    f.write("\n".join(text) + "\n")
print(len(content) + 4 * len(index), "bytes")
