"""stlm-1, section 8: cutting, encoding and decoding text, and its blocks."""

import os
import re
import sys
import unicodedata
import unittest

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from characters import class_of, cut, end_of_piece
from example_files import Example
from model_file import Reader
from tokenizer import Words, decode

# Of each class some characters of every size in UTF-8; what is no UTF-8 comes as lone surrogates (surrogateescape)
SETS = {"L": "astrevmldéß語\U00010400ªא", "N": "17²Ⅷ٣\U00010107", "W": " \n\t\u2003\u3000\u0085\u00a0",
        "O": "'!?_\u0301\u27DF\U0001F600\u200b\udcff\udcc3\udce2\udc9f"}
L, N, W, O = (f"[{re.escape(SETS[k])}]" for k in "LNWO")
O = O[:-1] + "\udc80-\udcff]"
GPT2 = re.compile(f"'s|'t|'re|'ve|'m|'ll|'d| ?{L}+| ?{N}+| ?{O}+|{W}+(?!{L}|{N}|{O})|{W}+")
WORD = re.compile(f" ?{L}+| ?{N}+| ?{O}+|{W}(?:(?! (?:{L}|{N}|{O})){W})*")
SPLIT, CHARACTERS = {"pre_split": 1}, {"tokenizer": 2, "vocabulary": 311}


def opened(**settings):
    return Reader(Example(**settings).image()).model


def encoded(text):
    return text.encode("utf-8", "surrogateescape")


def decoded(data):
    return data.decode("utf-8", "surrogateescape")


def random_texts(seed, count):
    random, alphabet = np.random.default_rng(seed), list("".join(SETS.values()) + "  '''   aa")
    for _ in range(count):
        yield encoded("".join(random.choice(alphabet, random.integers(0, 30))))


class Cutting(unittest.TestCase):
    def test_classes(self):
        white = {*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
        for code_point in range(0x110000):
            category = unicodedata.category(chr(code_point))
            if category != "Cn":                        # Python's Unicode may be older than 16.0.0
                exact = "W" if code_point in white else category[0] if category[0] in "LN" else "O"
                self.assertEqual(class_of(code_point), exact, hex(code_point))

    def test_examples(self):
        self.assertEqual(list(cut(b"I don't  know!\n\n", end_of_piece)), [b"I", b" don", b"'t", b" ", b" know", b"!", b"\n\n"])
        self.assertEqual(Words(12).encode(b'She said:  "internationalization"\n'),
                         [b"She", b" said", b":", b" ", b' "', b"internationa", b"lization", b'"', b"\n"])

    def test_pieces(self):
        for data in [*random_texts(1, 3000), b"''s 's's'd", b"'r'l'rell", b" 's", b"  's", b"a\n a", b" \xc3\xa9\xc3", b"\xe2\x80\x83 \xe2\x80\x83a", b" "]:
            pieces = list(cut(data, end_of_piece))
            self.assertEqual(b"".join(pieces), data)
            self.assertEqual(pieces, [encoded(m.group()) for m in GPT2.finditer(decoded(data))])

    def words_as_written(self, data, size):
        words = []
        while data:
            text, word = WORD.match(decoded(data)).group(), b""
            for character in map(encoded, text):
                if len(word + character) > size:
                    break
                word += character
            words.append(word or data[:size])
            data = data[len(words[-1]):]
        return words

    def test_words(self):
        for data in [*random_texts(2, 3000), b"   a", b" \n a", b"\n  ", b"  ", b"a" * 100, b" " * 40 + b"a", b" " * 5 + b"a", b"a \xf0\x9f\x98\x80!"]:
            for size in (1, 2, 3, 5, 12, 32):
                words = Words(size).encode(data)
                self.assertEqual(words, self.words_as_written(data, size))
                self.assertEqual(b"".join(words), data)
                self.assertTrue(all(1 <= len(word) <= size for word in words))


class Text(unittest.TestCase):
    def test_round_trip(self):
        for settings in ({}, SPLIT, CHARACTERS):
            model = opened(**{"vocabulary": 311, **settings})
            for text in ("", "the the aaaaaaa thth e", "é€éa €éa aé  aé", "\U0001F600\x00", "a's  the\n\n"):
                data = text.encode()
                ids = model.tokenizer.encode(data)
                for begin in ([], [0]):
                    self.assertEqual(decode(model, begin + ids), data)
                broken = b"\xc3\xe2\x82" + data + b"\xed\xa0\x80\xc3\xa9\xff"
                self.assertEqual(decode(model, [0] + model.tokenizer.encode(broken)), broken)

    def test_decode(self):
        model = opened(**CHARACTERS)
        space, a = (model.tokenizer.byte_tokens[b] for b in b" a")
        for ids, text in (([], b""), ([0], b""), ([0, space, space, a], b" a"), ([a, space], b"a "), ([space], b""),
                          ([310, 0, a], b"\n<s>\na"), ([0, 0, 310], b"\n<s>\n")):
            self.assertEqual(decode(model, ids), text)
        model = opened(embedder="bytes", head="slots", **CHARACTERS)
        for blocks, text in (([[32, 97, 256, 98, 257]], b"ab"), ([[257] * 5, [32, 32, 97, 256, 256]], b" a"), ([], b"")):
            self.assertEqual(decode(model, blocks), text)

    def test_merges_as_written(self):
        random = np.random.default_rng(2)
        for settings in ({}, SPLIT, CHARACTERS):
            tokenizer = opened(**{"vocabulary": 311, **settings}).tokenizer
            differ = 0
            for _ in range(100):
                data = "".join(random.choice(list("the aé€"), 30)).encode()
                pieces = [(b" " if tokenizer.kind == 2 else b"") + data]
                if tokenizer.pre_split:
                    pieces = [piece.encode() for piece in re.findall(r" ?[theaé]+| ?[€]+|\s+(?!\S)|\s+", data.decode())]
                made = []
                for piece in pieces:
                    tokens = tokenizer.split(piece)
                    while True:
                        pairs = [(tokenizer.merges[p][0], i) for i, p in enumerate(zip(tokens, tokens[1:])) if p in tokenizer.merges]
                        if not pairs:
                            break
                        i = min(pairs)[1]
                        tokens[i:i + 2] = [tokenizer.merges[tokens[i], tokens[i + 1]][1]]
                    made += tokens
                self.assertEqual(tokenizer.encode(data), made)
                differ += made != tokenizer.merge(tokenizer.split(data))
            self.assertEqual(differ > 0, tokenizer.pre_split or tokenizer.kind == 2)


class Blocks(unittest.TestCase):
    def subparts(self, data):
        """Unicode, table 3-7 and section 3.9, byte by byte."""
        followers = lambda lead, k: ((0xA0, 0xBF) if lead == 0xE0 and k == 0 else (0x80, 0x9F) if lead == 0xED and k == 0 else
                                     (0x90, 0xBF) if lead == 0xF0 and k == 0 else (0x80, 0x8F) if lead == 0xF4 and k == 0 else (0x80, 0xBF))
        result, at = b"", 0
        while at < len(data):
            lead, end = data[at], at + 1
            more = 0 if lead < 0x80 else 1 if 0xC2 <= lead <= 0xDF else 2 if 0xE0 <= lead <= 0xEF else 3 if 0xF0 <= lead <= 0xF4 else -1
            while end - at - 1 < more and end < len(data) and followers(lead, end - at - 1)[0] <= data[end] <= followers(lead, end - at - 1)[1]:
                end += 1
            result += data[at:end] if end - at - 1 == more else "\uFFFD".encode()
            at = end
        return result

    def test_tokens(self):
        tokenizer = opened(block=7, head="slots").tokenizer
        random = np.random.default_rng(3)
        pieces = [bytes(random.choice(list(b"A\xe2\x82\xac\xed\xa0\x80\xf0\x9f\x98\xc3\xa9\xf4\x8f\x90\xc0\xe0"), random.integers(1, 8))) for _ in range(2000)]
        for piece in pieces + [b"", b"\xe2\x82A", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"abcdefgh", "aaaaaé".encode(), "aaaaaa€".encode()]:
            tokenizer.pieces[5] = piece
            exact = list(self.subparts(piece)[:7])
            self.assertEqual(tokenizer.block(5), exact + [256] * (7 - len(exact)))
        self.assertEqual(tokenizer.block(299), [256] * 7)
        self.assertEqual(self.subparts(b"\xe2\x82A\xed\xa0\x80"), "\uFFFDA\uFFFD\uFFFD\uFFFD".encode())

    def test_words(self):
        model = opened(tokenizer=3, embedder="bytes", head="decoder")
        words = model.tokenizer.encode(b"ab \xe2\x82\xaccdefgh")
        self.assertEqual([model.tokenizer.block(word) for word in words],
                         [[97, 98, 256, 256, 256], [32, 0xE2, 0x82, 0xAC, 256], [99, 100, 101, 102, 103], [104] + [256] * 4])


if __name__ == "__main__":
    unittest.main()
