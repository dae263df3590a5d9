"""Writes small model files for the tests, from a seed and directly from the document."""

import struct
import zlib

import numpy as np

from example_matrices import align, random_matrix

NONE = 0xFFFFFFFF


def assemble(regions, **lies):
    """Header, table and regions from a list of [kind, alignment, bytes]; lies replace computed header fields."""
    end = 64 + 32 * len(regions)
    table, body = b"", b""
    for kind, alignment, data in regions:
        start = align(end, alignment)
        body += bytes(start - end) + data
        end = start + len(data)
        table += struct.pack("<IIQQII", kind, alignment, start, len(data), zlib.crc32(data), 0)
    f = {"version": 1, "draft": 0, "features": 0, "size": end, "count": len(regions), **lies}
    head = b"\x89STLM\r\n\x1a" + struct.pack("<HHIQII", *(f[k] for k in ("version", "draft", "features", "size", "count")), 0)
    return seal(head + bytes(32) + table + body)


def seal(data):
    """The same file with a right header checksum."""
    data = bytearray(data)
    data[28:32] = bytes(4)
    count = struct.unpack_from("<I", data, 24)[0]
    data[28:32] = struct.pack("<I", zlib.crc32(data[:64 + 32 * count]))
    return bytes(data)


def set32(data, at, value):
    return data[:at] + struct.pack("<I", value & NONE) + data[at + 4:]


class Example:
    """A random model. `regions` may be changed before `image`; `real` holds each tensor's real values. `narrow` are the widths
    of a byte embedder's stream before it has that of the core, and of a byte head's. `encodings` go round over the matrices, in
    place of the `width`; with a `rank` all linear layers are corrected."""

    def __init__(self, seed=0, hidden=24, vocabulary=300, context=20, heads=4, kv_heads=2, head_size=6, ffn=40,
                 width=16, activation_bits=16, kind=1, bias=False, activation=6, gated=True, rotation=True,
                 positions=False, causal=True, tied=True, steps=2, shared=False, tokenizer=1, bos=0, norms=True,
                 pre_split=0, embedder="tokens", head="linear", block=5, narrow=(10, 14), plain=False, across=False,
                 encodings=(), rank=0, rank_bits=16, ledger=False, transcript=False):
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})
        self.bytes_in, self.bytes_out = embedder == "bytes", head != "linear"
        self.block = block if self.bytes_in or self.bytes_out else 0
        self.bos = None if self.bytes_in else bos
        self.random = np.random.default_rng(seed)
        self.tensors, self.bodies, self.real, self.names = [], [], [], []
        self.matrix_count = 0
        self.text = b"description" + (b"--int4calibration.txtverification.txt" if ledger else b"")
        self.parts, self.known = {3: [], 4: [], 5: [], 2: []}, {}
        self.build()

    # tensors

    def add(self, encoding, rows, columns, exponent, body, real, name=None):
        k = len(self.tensors)
        self.tensors.append(struct.pack("<IIIi16x", encoding, rows, columns, exponent))
        self.bodies.append(body)
        self.real.append(real)
        name = (name or f"tensor.{k}").encode()
        self.names.append(struct.pack("<5I", len(self.text), len(name), k, 0, rows))
        self.text += name
        return k

    def matrix(self, rows, columns, gain=1.0):
        encoding = self.encodings[self.matrix_count % len(self.encodings)] if self.encodings else self.width // 8
        self.matrix_count += 1
        matrix, size = random_matrix(self.random, encoding, rows, columns)
        exponent = int(np.round(np.log2(size * 2500 * columns ** 0.5 / gain)))
        return self.add(encoding, rows, columns, exponent, matrix.bytes, matrix.real(exponent))

    def corrected(self, base):
        """With a correction of rank `rank`, about a third as large."""
        rows, columns = self.real[base].shape
        down, up = self.matrix(self.rank, columns), self.matrix(rows, self.rank, 0.3)
        real = self.real[base] + self.real[up] @ self.real[down]
        return self.add(13, rows, columns, 0, struct.pack("<4I", base, down, up, self.rank_bits), real)

    def vector(self, n, mean, spread, fraction_bits=24):
        values = np.round((mean + self.random.normal(0, spread, n)) * 2.0 ** fraction_bits).astype("<i4")
        return self.add(3, 1, n, fraction_bits, values.tobytes(), values / 2.0 ** fraction_bits)

    def linear(self, rows, columns, gain=1.0):
        t = self.matrix(rows, columns, gain)
        if self.rank:
            t = self.corrected(t)
        b = self.vector(rows, 0, 0.1, 26) if self.bias else NONE
        return struct.pack("<III", t, b, self.activation_bits)

    def rotation_table(self):
        angle = np.arange(self.context)[:, None] * 10000.0 ** (-2 * np.arange(self.head_size // 2) / self.head_size)
        pairs = np.stack([np.round(np.cos(angle) * 16384), np.round(np.sin(angle) * 16384)], -1).astype("<i2")
        return self.add(4, self.context, self.head_size // 2, 14, pairs.tobytes(), pairs / 16384.0)

    def pieces(self):
        x = np.array([-2.0, -0.5, 1.0, 3.0])
        slopes = np.array([0.0, -0.1, 0.5, 1.0, 0.75])
        y = np.cumsum([-0.1, -0.15, 0.75, 2.0])
        words = np.concatenate([x * 2**20, y * 2**20, slopes * 2**16]).round().astype("<i4")
        return self.add(5, 1, 4, 16, words.tobytes(), (x, words[4:8] / 2.0**20, words[8:] / 2.0**16))

    # parts

    def norm(self, size):
        if not self.norms:
            return NONE
        weight = self.vector(size, 1, 0.2)
        bias = self.vector(size, 0, 0.1, 22) if self.kind == 2 else NONE
        return self.part(5, struct.pack("<IIIiQQ", self.kind, weight, bias, 22, int(1e-5 * 2**64), 0))

    def part(self, kind, record):
        self.parts[kind].append(record)
        return len(self.parts[kind]) - 1

    def once(self, shared, key, make):
        """One part for all that ask with this key, or another for each."""
        if key not in self.known or not shared:
            self.known[key] = make()
        return self.known[key]

    def attention(self, width):
        H, G, s = self.heads, self.kv_heads, self.head_size
        return self.part(3, self.linear((H + 2 * G) * s, width) + self.linear(width, H * s)
                         + struct.pack("<6Ii12x", H, G, s, self.rotation_tensor, 0, *self.score))

    def feed_forward(self, inside, outside):
        gate = self.linear(self.ffn, inside) if self.gated else struct.pack("<III", NONE, NONE, 0)
        up, down = self.linear(self.ffn, inside), self.linear(outside, self.ffn)
        table = self.pieces() if self.activation == 7 else NONE
        return self.part(4, struct.pack("<II", 2 if self.gated else 1, self.activation) + gate + up + down + struct.pack("<I16x", table))

    def step(self, section, width, outside=None, slot=NONE, fraction_bits=22, attention=True):
        """With a width outside, the feed-forward replaces the stream by one of that width."""
        a = self.once(self.across, ("a", width), lambda: self.attention(width)) if attention else NONE
        f = self.once(self.across or self.shared and section == 2, ("f", width, outside),
                      lambda: self.feed_forward(width, outside or width))
        norms = self.norm(width) if attention else NONE, self.norm(width)
        self.parts[2].append(struct.pack("<7Ii", a, f, *norms, slot, section, int(outside is not None), fraction_bits))

    def build(self):
        n, s = self.hidden, self.head_size
        exponent, factor = 0, np.log2(np.e) / s ** 0.5
        while factor * 2**exponent < 2**30:
            exponent += 1
        self.score = (int(round(factor * 2**exponent)), exponent)
        first, second = self.narrow
        self.embedding = self.matrix(258, first, 4) if self.bytes_in else self.matrix(self.vocabulary, n, 4)
        if self.bytes_in:
            self.position_tensor = self.matrix(self.block, first, 2)
        else:
            self.position_tensor = self.matrix(self.context, n, 2) if self.positions else NONE
        self.rotation_tensor = self.rotation_table() if self.rotation else NONE
        if self.bytes_in:
            self.step(1, first, fraction_bits=20)
            self.step(1, first, second, fraction_bits=24, attention=False)
            self.step(1, second, n)
        for k in range(self.steps):
            self.step(2, n, slot=k)
        self.final_norm = self.norm(n)
        self.head_parts = struct.pack("<5IiI", NONE, NONE, 0, NONE, NONE, 0, NONE)
        if self.bytes_out:
            projection = self.linear(second * (self.block if self.head == "slots" else 1), n)
            table = self.matrix(258, second, 2) if self.head == "decoder" else NONE
            places = self.matrix(self.block, second, 1)
            if not self.plain:
                self.step(3, second, fraction_bits=19)
                self.step(3, second, first, fraction_bits=23)
            out = second if self.plain else first
            self.head_parts = projection + struct.pack("<IIiI", table, places, 19, self.norm(out))
            self.output = self.linear(258, out)
        else:
            self.output = self.linear(self.vocabulary, n) if self.bytes_in or not self.tied else self.tied_output()
        self.names.append(struct.pack("<5I", 0, 4, 0, 2**31, 0))
        self.regions = self.make_regions()

    def tied_output(self):
        return struct.pack("<III", self.corrected(self.embedding) if self.rank else self.embedding, NONE, self.activation_bits)

    # the file

    @property
    def end_block(self):
        return [257] + [256] * (self.block - 1) if self.block else []

    def model_record(self):
        r = struct.pack("<6IiI", self.hidden, self.vocabulary, self.context - 2, self.context, self.steps, self.block, 22, int(self.causal))
        r += struct.pack("<7I", NONE if self.bos is None else self.bos, NONE, 1, 2, NONE, NONE, NONE)
        r += struct.pack("<6I", 65536, 0, 65536, 0, 65536, 64) + struct.pack("<9I", 1, 0, 4, 0, 0, 0, 0, 0, 0)
        r += struct.pack("<IIQQ", 0, 11, 1000, 900) + struct.pack("<32H", *self.end_block, *[0] * (32 - self.block))
        r += struct.pack("<IIIi16x", 2 if self.bytes_in else 1, self.embedding, self.position_tensor, 20 if self.bytes_in else 22)
        kind = {"linear": 1, "slots": 2, "decoder": 3}[self.head]
        return r + struct.pack("<II", kind, self.final_norm) + self.head_parts + self.output + struct.pack("<i28x64x", 20)

    def make_regions(self):
        regions = [[1, 64, self.model_record()]]
        tables = {k: b"".join(v) for k, v in self.parts.items()}
        tables.update({6: b"".join(self.tensors), 7: b"".join(self.names), 8: self.text})
        regions += [[k, 64, tables[k]] for k in range(2, 9) if tables[k]]
        if self.tokenizer:
            regions += self.tokenizer_regions()
        if self.ledger:
            regions += self.ledger_regions()
        if self.transcript:
            regions.append([32, 64, struct.pack("<I60x", 1)])
        return regions + [[64, 16384 if k == 0 else 64, body] for k, body in enumerate(self.bodies)]

    def tokenizer_regions(self):
        """Kind 1 or 2, of which some pieces are no result of merges, or 3, words, which need no tables."""
        if self.tokenizer == 3:
            return [[9, 64, struct.pack("<I1020x", 3)]]
        pieces = [b"\n<s>\n", b"<unk>", b""] + [bytes([b]) for b in range(256)]
        merges, characters = [], []
        if self.tokenizer == 2:
            for character in "é€ a":
                data = character.encode()
                if len(data) > 1:
                    pieces.append(data)
                characters.append((ord(character), pieces.index(data)))
            pairs = [("é".encode(), b"a"), ("€".encode(), "éa".encode()), (b"a", b"a"), (b" ", b"a")]
        else:
            pairs = [(b"t", b"h"), (b"th", b"e"), (b" ", b"the"), (b"a", b"a"), (b"aa", b"aa"), (b"\xc3", b"\xa9"), (b"e", b" "), (b"\xa9", b"\xe2")]
        for rank, (left, right) in enumerate(pairs):
            pieces.append(left + right)
            merges.append((pieces.index(left), pieces.index(right), len(pieces) - 1, rank // 2))
        self.piece_list, self.merge_list = pieces, sorted(merges)
        self.character_list = sorted(characters)
        ends = np.cumsum([0] + [len(p) for p in pieces]).astype("<u4")
        bits = bytearray(8192)
        for p in pieces:
            for a, b in zip(p, p[1:]):
                bits[(256 * a + b) // 8] |= 1 << b % 8
        record = struct.pack("<4I256HI492x", self.tokenizer, int(self.tokenizer == 2), len(pieces),
                             max(map(len, pieces)), *range(3, 259), self.pre_split)
        regions = [[9, 64, record], [10, 64, ends.tobytes()], [11, 64, b"".join(pieces)],
                   [12, 64, b"".join(struct.pack("<4H", *m) for m in self.merge_list)]]
        if characters:
            regions.append([13, 64, b"".join(struct.pack("<II", *c) for c in self.character_list)])
        return regions + [[14, 64, bytes(bits)]]

    def ledger_regions(self):
        record = struct.pack("<2I2I2Q2I2Q8Q136x", 11, 6, 17, 15, 1000, 500, 32, 16, 2000, 900, 20,
                             10**10, 10**10 + 1, 10**10 + 3, 10**10 + 2, 900, 9, 890)
        errors = b"".join(struct.pack("<II", *((1000 + k, k) if t[0] in (1, 2, *range(6, 13)) else (0, 0))) for k, t in enumerate(self.tensors))
        return [[15, 64, record], [16, 64, errors]]

    def image(self, **lies):
        return assemble(self.regions, **lies)

    def region(self, kind):
        return next(r for r in self.regions if r[0] == kind)

    def poke(self, kind, at, value):
        """Replaces the u32 at this place of a region."""
        region = self.region(kind)
        region[2] = set32(region[2], at, value)
        return self
