#!/usr/bin/env python3
"""Compares GPT-2's tokenizer here with tiktoken's.

Needs tiktoken (pip install tiktoken) and GPT-2's vocab.json; nothing is downloaded. From the package root:

    python3 Tools/tables/verify_gpt2.py VOCAB.json CASES.bin [TEXT...]
    STLM_GPT2_CASES=CASES.bin swift test -c release --filter GPT2Tests

The first command checks that Formats/character-classes.txt holds the classes of tiktoken's engine, and writes texts with tiktoken's ids: the
given files, every code point in seven contexts, and seeded mixtures of scripts, signs, spaces and runs. The second encodes them here; it
finds vocab.json and merges.txt as the other tests do, in the folder STLM_SHARED. A case is u32 bytes, u32 ids, the text in UTF-8, u16 ids.
"""
import json
import random
import struct
import sys

try:
    import tiktoken
except ModuleNotFoundError:
    sys.exit("tiktoken is not installed; run: pip install tiktoken")

PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
POOLS = [
    "the of and to in a is that for it was on are as with his they at be this from have or by one had not but what all were".split(),
    ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'", "''", "\u2019s", "don't", "I'll", "we've", "o'clock", "'tis"],
    [" ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", "\t\t", "\v", "\f", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u202f", "\u3000", " \n ", "        "],
    ["0", "7", "42", "1999", "3.14", "1,000,000", "\u0663\u0664", "\u096a", "\u2167", "\xb2", "\xbd", "\u2460", "\u3007", "\U0001d7d8", "\u0e53"],
    ["\u043f\u0440\u0438\u0432\u0435\u0442", "\u03b1\u03b2\u03b3", "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "\u0928\u092e\u0938\u094d\u0924\u0947",
     "\u4f60\u597d\u4e16\u754c", "\u3053\u3093\u306b\u3061\u306f", "\uc548\ub155", "\u0e44\u0e17\u0e22", "\u10d2\u10d0", "\u1e00\u1e01", "\U00010400", "\U00020000", "\u01c5"],
    ["\U0001f600", "\U0001f44d\U0001f3fd", "\U0001f469\u200d\U0001f4bb", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "\u2122"],
    ["e\u0301", "a\u0308\u0304", "\u0301", "\u093f", "\u200b", "\u200d", "\xad", "\ufeff", "\u0378", "\ue000", "\U0010ffff", "\ufffd"],
    [".", ",", "!", "?", "...", "--", "=====", "(", ")", "{\"", "\"}", "//", "<|endoftext|>", "_", "\u3002", "\u201c", "\u201d", "\u2026", "%", "$", "\u20ac"],
    ["\0", "\x01", "\x1c", "\x1f", "\x7f", "\x80", "\x9f", "\x1b[0m"],
]


def byte_of_character():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + n): b for n, b in enumerate(rest)}


def encoding(path, pattern):
    spelled = byte_of_character()
    with open(path, encoding="utf-8") as f:
        vocabulary = json.load(f)
    end = vocabulary.pop("<|endoftext|>")
    ranks = {bytes(spelled[c] for c in key): number for key, number in vocabulary.items()}
    return tiktoken.Encoding("gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": end})


def scalars():
    return (chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)


def check_classes(vocab):
    expected = {}
    with open("Formats/character-classes.txt") as f:
        for kind, first, last in (line.split() for line in f if line[0] != "#"):
            expected.update((chr(c), kind) for c in range(int(first, 16), int(last, 16) + 1))
    for kind, pattern in (("L", r"\p{L}"), ("N", r"\p{N}"), ("W", r"\s")):
        engine = encoding(vocab, pattern)
        # Text that the pattern does not match is dropped.
        wrong = [c for c in scalars() if bool(engine.encode_ordinary(c)) != (expected.get(c) == kind)]
        if wrong:
            raise SystemExit("%d code points differ in %s, first U+%04X" % (len(wrong), pattern, ord(wrong[0])))
    print("the classes of every code point agree with tiktoken", tiktoken.__version__)


def texts(paths):
    for path in paths:
        with open(path, encoding="utf-8", newline="") as f:
            yield f.read()
    every = list(scalars())
    for context in ("%s", " %s\n", "a%sb", "%s 1", "  %s", "'%s", "\u0301%s\t"):
        for k in range(0, len(every), 512):
            yield "".join(context % c for c in every[k:k + 512])
    rng = random.Random(5)
    for _ in range(40000):
        pools = rng.sample(POOLS, rng.randint(1, 4)) + [[" "]]
        yield "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 60)))
    # Letters in soups and runs: the order of merges.
    for _ in range(40000):
        letters = rng.choice(["ab", "aeiou", "etaoinshrdlu", "abcdefghijklmnopqrstuvwxyz", "ABCdef", " '", "0123456789", "-=_", "\u00e9\u0430\u4e00"])
        yield "".join(rng.choice(letters) * rng.choice([1, 1, 1, 2, 3, rng.randint(1, 60)]) for _ in range(rng.randint(1, 30)))


def main():
    vocab, out, *paths = sys.argv[1:]
    check_classes(vocab)
    gpt2 = encoding(vocab, PATTERN)
    cases = byte_count = id_count = 0
    with open(out, "wb") as f:
        for text in texts(paths):
            ids, data = gpt2.encode_ordinary(text), text.encode("utf-8")
            f.write(struct.pack("<II", len(data), len(ids)) + data + struct.pack("<%dH" % len(ids), *ids))
            cases, byte_count, id_count = cases + 1, byte_count + len(data), id_count + len(ids)
    print(cases, "texts,", byte_count, "bytes,", id_count, "ids in", out)


main()
