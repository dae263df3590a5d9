"""stlm-1, section 8: the tokenizer tables, encoding and decoding."""

import heapq
import struct

from refusal import require

SPACE = b" "


class Tokenizer:
    def __init__(self, record, offsets, piece_bytes, merges, characters, adjacency, vocabulary_size, bos):
        self.bos = bos
        self.read_record(record, vocabulary_size)
        self.read_pieces(offsets, piece_bytes)
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
        require(self.count <= limit, f"tokenizer: piece_count {self.count} is more than {limit}")
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
            require(data == b"\0", "piece bytes: without pieces they must be one zero byte")
        else:
            require(offsets[-1] == len(data), f"piece offsets: the last is {offsets[-1]} and not {len(data)}")
        self.pieces = [data[offsets[k]:offsets[k + 1]] for k in range(self.count)]
        longest = max(map(len, self.pieces))
        require(longest == self.longest, f"tokenizer: longest_piece is {self.longest}, the longest has {longest} bytes")

    # 8.3
    def read_merges(self, table):
        self.merges, before = {}, None
        for k in range(len(table) // 8):
            left, right, result, rank = struct.unpack_from("<4H", table, 8 * k)
            for token in (left, right, result):
                require(token < self.count, f"merge {k}: token {token} is not below {self.count}")
            require(before is None or before < (left, right), f"merge {k}: ({left}, {right}) does not ascend")
            sizes = [len(self.pieces[token]) for token in (left, right, result)]
            require(sizes[0] + sizes[1] == sizes[2], f"merge {k}: pieces of {sizes[0]} and {sizes[1]} bytes make one of {sizes[2]}")
            self.merges[left, right] = (rank, result)
            before = (left, right)

    # 8.4
    def read_characters(self, table):
        self.characters, before = {}, -1
        for k in range(len(table) // 8):
            scalar, token = struct.unpack_from("<II", table, 8 * k)
            require(scalar <= 0x10FFFF and not 0xD800 <= scalar <= 0xDFFF, f"character {k}: 0x{scalar:x} is no Unicode scalar")
            require(scalar > before, f"character {k}: 0x{scalar:x} does not ascend")
            require(token < self.count, f"character {k}: token {token} is not below {self.count}")
            self.characters[chr(scalar).encode("utf-8")] = token
            before = scalar

    # 8.5
    def check_adjacency(self, table):
        expected = bytearray(8192)
        for text in (*self.pieces, *self.characters):
            for a, b in zip(text, text[1:]):
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
        """bos_token stands for its own piece; ids without a piece stand for nothing."""
        parts = [self.pieces[i] if i < self.count else b"" for i in ids]
        if self.space_first and len(ids) > 1 and ids[0] == self.bos and parts[1].startswith(SPACE):
            parts[1] = parts[1][1:]
        return b"".join(parts)


def character_size(text, at):
    """Bytes of the well-formed UTF-8 character at this place, or 0."""
    for size in range(1, 5):
        try:
            text[at:at + size].decode("utf-8")
            return size
        except UnicodeDecodeError:
            pass
    return 0
