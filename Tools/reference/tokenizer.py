"""stlm-1, section 8: the tokenizer tables, encoding and decoding."""

import heapq
import struct

from refusal import require

SPACE = b" "


class Tokenizer:
    """Opened from the regions 9 to 14; bos_token matters to decoding only."""

    def __init__(self, record, offsets, piece_bytes, merges, characters, adjacency, vocabulary_size, bos):
        self.bos = bos
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
        self.space_first = flags == 1
        limit = min(65536, vocabulary_size)
        require(self.kind in (1, 2), f"tokenizer: kind {self.kind} is neither 1 nor 2")
        require(flags <= 1, f"tokenizer: flags 0x{flags:x} has reserved bits set")
        require(1 <= self.count <= limit, f"tokenizer: piece_count {self.count} is not in 1 ... {limit}")
        require(self.longest <= 4096, f"tokenizer: longest_piece {self.longest} is more than 4096")
        for byte, token in enumerate(self.byte_tokens):
            require(token < self.count, f"tokenizer: token {token} of byte {byte} is not below {self.count}")
        require(not any(r[528:]), "tokenizer: reserved bytes are not zero")

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

    # 8.1, last line
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

    # 8.6, without step 4
    def encode(self, text):
        if self.space_first and text:
            text = SPACE + text
        return self.merge(self.split(text))

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
        """Step 3 on a linked list with a heap; pairs that have changed since are skipped."""
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
    def decode(self, ids):
        """The whole text of ids from its start: a bos_token there stands for nothing, and a space put before it is dropped."""
        begins = self.bos is not None and ids[:1] == [self.bos]
        return self.without_space(self.bytes_of(ids[1:] if begins else ids))

    def without_space(self, text):
        return text[1:] if self.space_first and text.startswith(SPACE) else text

    def bytes_of(self, ids):
        """The pieces' bytes; ids without a piece stand for nothing."""
        return b"".join(self.pieces[i] for i in ids if i < self.count)


def character_size(text, at):
    """Bytes of the well-formed UTF-8 character at this place, or 0."""
    for size in range(1, 5):
        try:
            text[at:at + size].decode("utf-8")
            return size
        except UnicodeDecodeError:
            pass
    return 0
