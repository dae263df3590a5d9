#!/usr/bin/env python3
"""Writes Formats/character-classes.txt: the letters, numbers and white space of one version of Unicode.

Needs the package unicodedata2 of that version: pip install unicodedata2==16.0.0. Run from the package root.
"""
import unicodedata2

VERSION = "16.0.0"
HEADER = """\
# The character classes of stlm-1, section 8.8: those of Unicode %s.
# One range a line, ascending: class, first and last code point. L: General_Category L (letters). N: General_Category N (numbers).
# W: White_Space. Every other code point is of class O (other) and not listed.
# Made by Tools/tables/make_character_classes.py.
"""


def character_class(code):
    category = unicodedata2.category(chr(code))
    # White_Space is the separators and these controls, in every version since 6.3.
    if category[0] == "Z" or 0x09 <= code <= 0x0D or code == 0x85:
        return "W"
    return category[0] if category[0] in "LN" else None


if unicodedata2.unidata_version != VERSION:
    raise SystemExit("this is unicodedata2 of Unicode %s; install unicodedata2==%s" % (unicodedata2.unidata_version, VERSION))
ranges = []
for code in range(0x110000):
    kind = character_class(code)
    if kind and ranges and ranges[-1][0] == kind and ranges[-1][2] == code - 1:
        ranges[-1][2] = code
    elif kind:
        ranges.append([kind, code, code])
with open("Formats/character-classes.txt", "w") as f:
    f.write(HEADER % VERSION)
    f.writelines("%s %04X %04X\n" % tuple(r) for r in ranges)
print(len(ranges), "ranges")
