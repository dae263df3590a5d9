"""stlm-1, section 8: the tokenizer tables, encoding and decoding, and the blocks of items."""

import heapq
import struct

from characters import SPACE, character_size, cut, end_of_piece, end_of_word
from model import BYTES, PAD
from refusal import require

WORDS = 3
TABLES = ("piece offsets", "piece bytes", "merges", "characters", "adjacency")


def read_tokenizer(record, tables, model):
    """From the regions 9 to 14; tables that are absent are empty."""
    kind = struct.unpack_from("<I", record)[0]
    require(kind in (1, 2, WORDS), f"tokenizer: kind {kind} is none of 1, 2 and 3")
    if kind == WORDS:
        require(not any(record[4:]), "tokenizer: bytes after the kind of a tokenizer of words are not zero")
        for name, table in zip(TABLES, tables):
            require(not table, f"{name}: a tokenizer of words has no such region")
        require(model.bytes_in and model.bytes_out, "tokenizer: words, but embedder and head do not both work on blocks")
        return Words(model.block_size)
    for name, table in zip(TABLES, tables):
        require(table or name in ("merges", "characters"), f"there is a tokenizer but no {name} region")
    return Tokenizer(record, *tables, model.vocabulary_size, model.block_size)


def padded(data, size):
    return list(data[:size]) + [PAD] * (size - len(data))


class Words:
    """8.10 and 8.11: items are words."""

    kind, count, merges, pre_split, space_first = WORDS, 0, {}, False, False

    def __init__(self, block_size):
        self.block_size = block_size

    def encode(self, text):
        return list(cut(text, lambda text, at: end_of_word(text, at, self.block_size)))

    def block(self, word):
        return padded(word, self.block_size)

    def without_space(self, text):
        return text


class Tokenizer:
    """Items are tokens."""

    def __init__(self, record, offsets, piece_bytes, merges, characters, adjacency, vocabulary_size, block_size):
        self.block_size = block_size
        self.read_record(record, vocabulary_size)
        self.read_pieces(offsets, piece_bytes)
        self.check_bytes()
        self.read_merges(merges)
        self.read_characters(characters)
        self.check_adjacency(adjacency)

    # 8.1
    def read_record(self, r, vocabulary_size):
        self.kind, flags, self.count, self.longest = struct.unpack_from("<4I", r, 0)
        self.byte_tokens = struct.unpack_from("<256H", r, 16)
        pre_split = struct.unpack_from("<I", r, 528)[0]
        self.space_first, self.pre_split = flags == 1, pre_split == 1
        limit = min(65536, vocabulary_size)
        require(flags <= 1, f"tokenizer: flags 0x{flags:x} has reserved bits set")
        require(pre_split <= 1, f"tokenizer: pre_split {pre_split} is neither 0 nor 1")
        require(not self.pre_split or self.kind == 1 and not flags, f"tokenizer: pre_split with kind {self.kind}, flags {flags}")
        require(1 <= self.count <= limit, f"tokenizer: piece_count {self.count} is not in 1 ... {limit}")
        require(self.longest <= 4096, f"tokenizer: longest_piece {self.longest} is more than 4096")
        for byte, token in enumerate(self.byte_tokens):
            require(token < self.count, f"tokenizer: token {token} of byte {byte} is not below {self.count}")
        require(not any(r[532:]), "tokenizer: reserved bytes are not zero")

    # 8.2
    def read_pieces(self, table, data):
        require(len(table) == 4 * (self.count + 1), f"piece offsets: {len(table)} bytes are not those of {self.count} pieces")
        offsets = struct.unpack(f"<{self.count + 1}I", table)
        require(offsets[0] == 0, f"piece offsets: the first is {offsets[0]} and not 0")
        for k in range(self.count):
            require(offsets[k] <= offsets[k + 1], f"piece offsets: {offsets[k + 1]} follows {offsets[k]}")
        if offsets[-1] == 0:
            require(data == b"\0", "piece bytes: with empty pieces only they must be one zero byte")
        else:
            require(offsets[-1] == len(data), f"piece offsets: the last is {offsets[-1]} and not {len(data)}")
        self.pieces = [data[offsets[k]:offsets[k + 1]] for k in range(self.count)]
        longest = max(map(len, self.pieces))
        require(longest == self.longest, f"tokenizer: longest_piece is {self.longest}, the longest has {longest} bytes")

    # 8.1, byte_tokens
    def check_bytes(self):
        for byte, token in enumerate(self.byte_tokens):
            require(self.pieces[token] == bytes([byte]), f"tokenizer: the piece of byte {byte}'s token {token} is not that byte")

    # 8.3
    def read_merges(self, table):
        self.merges, before = {}, None
        for k in range(len(table) // 8):
            left, right, result, rank = struct.unpack_from("<4H", table, 8 * k)
            for token in (left, right, result):
                require(token < self.count, f"merge {k}: token {token} is not below {self.count}")
            require(before is None or before < (left, right), f"merge {k}: ({left}, {right}) does not ascend")
            require(self.pieces[left] + self.pieces[right] == self.pieces[result],
                    f"merge {k}: the piece of {result} is not that of {left} followed by that of {right}")
            self.merges[left, right] = (rank, result)
            before = (left, right)

    # 8.4
    def read_characters(self, table):
        self.characters, before = {}, -1
        require(self.kind == 2 or not table, "characters: a tokenizer of kind 1 has none")
        for k in range(len(table) // 8):
            scalar, token = struct.unpack_from("<II", table, 8 * k)
            require(scalar <= 0x10FFFF and not 0xD800 <= scalar <= 0xDFFF, f"character {k}: 0x{scalar:x} is no Unicode scalar")
            require(scalar > before, f"character {k}: 0x{scalar:x} does not ascend")
            require(token < self.count, f"character {k}: token {token} is not below {self.count}")
            character = chr(scalar).encode("utf-8")
            require(self.pieces[token] == character, f"character {k}: the piece of token {token} is not 0x{scalar:x} in UTF-8")
            self.characters[character] = token
            before = scalar

    # 8.5
    def check_adjacency(self, table):
        expected = bytearray(8192)
        for piece in self.pieces:
            for a, b in zip(piece, piece[1:]):
                n = 256 * a + b
                expected[n // 8] |= 1 << n % 8
        for k in range(8192):
            if table[k] != expected[k]:
                n = 8 * k + (table[k] ^ expected[k]).bit_length() - 1
                require(False, f"adjacency: bit {n} (bytes {n // 256} and {n % 256}) is not what the pieces say")

    # 8.6, without step 5
    def encode(self, text):
        if self.space_first and text:
            text = SPACE + text
        pieces = cut(text, end_of_piece) if self.pre_split else [text]
        return [token for piece in pieces for token in self.merge(self.split(piece))]

    def split(self, text):
        tokens, at = [], 0
        while at < len(text):
            size = character_size(text, at) if self.kind == 2 else 0
            token = self.characters.get(text[at:at + size]) if size else None
            if token is None:
                token, size = self.byte_tokens[text[at]], 1
            tokens.append(token)
            at += size
        return tokens

    def merge(self, tokens):
        """Step 4 on a linked list with a heap; pairs that have changed since are skipped."""
        count = len(tokens)
        after, previous, alive = list(range(1, count + 1)), list(range(-1, count - 1)), [True] * count
        heap = []

        def offer(i):
            j = after[i]
            if j < count and (tokens[i], tokens[j]) in self.merges:
                rank, result = self.merges[tokens[i], tokens[j]]
                heapq.heappush(heap, (rank, i, tokens[i], tokens[j], result))

        for i in range(count):
            offer(i)
        while heap:
            _, i, left, right, result = heapq.heappop(heap)
            j = after[i]
            if not alive[i] or j >= count or (tokens[i], tokens[j]) != (left, right):
                continue
            tokens[i], alive[j], after[i] = result, False, after[j]
            if after[i] < count:
                previous[after[i]] = i
            offer(i)
            if previous[i] >= 0:
                offer(previous[i])
        return [token for token, live in zip(tokens, alive) if live]

    # 8.7

    def without_space(self, text):
        return text[1:] if self.space_first and text.startswith(SPACE) else text

    def bytes_of(self, ids):
        """The pieces' bytes; ids without a piece stand for nothing."""
        return b"".join(self.pieces[i] for i in ids if i < self.count)

    # 8.11
    def block(self, token):
        """The decoder puts U+FFFD for maximal subparts."""
        return padded(self.bytes_of([token]).decode("utf-8", "replace").encode(), self.block_size)


def bytes_of_block(block):
    return bytes(symbol for symbol in block if symbol < BYTES)


def decode(model, inputs):
    """The whole text of inputs from its start: a bos_token there stands for nothing, and a space put before it is dropped."""
    t = model.tokenizer
    if model.bytes_in:
        text = b"".join(map(bytes_of_block, inputs))
    else:
        text = t.bytes_of(inputs[1:] if model.bos is not None and inputs[:1] == [model.bos] else inputs)
    return t.without_space(text) if t else text
