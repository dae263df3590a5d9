"""stlm-1, sections 3 to 7 and 10: opens a model file and checks every rule."""

import struct
from dataclasses import dataclass, field

from container import NONE, WEIGHTS, check_sum, read_regions, table_bytes
from refusal import require
from tensors import INT8, PIECEWISE, ROTATION, VECTOR, read_records, read_weights
from tokenizer import Tokenizer


@dataclass
class Linear:
    matrix: object
    bias: object           # tensor or None
    activation_bits: int

    @property
    def rows(self):
        return self.matrix.rows


@dataclass
class Attention:
    qkv: Linear
    output: Linear
    head_count: int
    kv_head_count: int
    head_size: int
    rotation: object
    score_mantissa: int
    score_exponent: int


@dataclass
class FeedForward:
    gated: bool
    activation: int
    gate: Linear
    up: Linear
    down: Linear
    pieces: object


@dataclass
class Norm:
    layer: bool
    weight: object
    bias: object
    fraction_bits: int
    epsilon: int


@dataclass
class Step:
    attention: Attention
    feed_forward: FeedForward
    attention_norm: Norm
    feed_forward_norm: Norm
    kv_slot: int


@dataclass
class Model:
    hidden_size: int
    vocabulary_size: int
    context_default: int
    context_maximum: int
    kv_slot_count: int
    residual_fraction_bits: int
    logit_fraction_bits: int
    causal: bool
    bos: int
    pad: int
    end_tokens: list
    settings: dict
    stops: list
    description: str
    parameter_count: int
    unique_parameter_count: int
    embedding: object = None
    positions: object = None
    head: Linear = None
    final_norm: Norm = None
    steps: list = field(default_factory=list)
    tensors: list = field(default_factory=list)
    names: list = field(default_factory=list)
    tokenizer: Tokenizer = None


class Reader:
    """Turns the tables into objects; every index and shape is checked on the way. To verify is to check also the two
    things that take reading all weights and that no result depends on: their checksums and their padding."""

    def __init__(self, data, verify=False):
        self.data = data
        self.regions = read_regions(data)
        self.text = self.table(8)
        self.check_text()
        self.model = self.read_model()
        self.tensors = self.model.tensors = read_records(self.table(6))
        self.norms = self.records(5, 32, self.read_norm)
        self.attentions = self.records(3, 64, self.read_attention)
        self.feed_forwards = self.records(4, 64, self.read_feed_forward)
        self.finish_model()
        self.model.steps = self.records(2, 24, self.read_step)
        self.check_slots()
        self.model.names = self.read_names()
        if self.table(9):
            tables = [self.table(kind) for kind in range(9, 15)]
            self.model.tokenizer = Tokenizer(*tables, self.model.vocabulary_size, self.model.bos)
        self.read_all_weights(verify)

    def table(self, kind):
        return table_bytes(self.data, self.regions, kind)

    def records(self, kind, size, read):
        table = self.table(kind)
        count = len(table) // size
        require(count <= 4096, f"region kind {kind} has {count} records, more than 4096")
        return [read(table[k * size:(k + 1) * size], k) for k in range(count)]

    # Section 7: text

    def check_text(self):
        require(len(self.text) <= 2**24, f"text: {len(self.text)} bytes are more than 16 MiB")
        require(0 not in self.text, "text: it holds a NUL byte")

    def bytes_at(self, offset, size, what):
        require(offset + size <= len(self.text), f"{what}: text {offset} + {size} is past its {len(self.text)} bytes")
        return self.text[offset:offset + size]

    def text_at(self, offset, size, what):
        """A name or the description. That text is UTF-8 is advice to writers and not checked."""
        return self.bytes_at(offset, size, what).decode("utf-8", "replace")

    # Sections 3 and 10: model record

    def read_model(self):
        r = self.table(1)
        hidden, vocabulary, default, maximum, slots = struct.unpack_from("<5I", r, 0)
        residual, logit, flags, bos, pad, ends = struct.unpack_from("<iiIIII", r, 44)
        end_tokens = struct.unpack_from("<4I", r, 68)
        names = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_window")
        settings = dict(zip(names, struct.unpack_from("<6I", r, 84)))
        stop_count = struct.unpack_from("<I", r, 108)[0]
        require(2 <= hidden <= 65536, f"model: hidden_size {hidden} is not in 2 ... 65536")
        require(1 <= vocabulary <= 2**20, f"model: vocabulary_size {vocabulary} is not in 1 ... 1048576")
        require(1 <= maximum <= 65536, f"model: context_maximum {maximum} is not in 1 ... 65536")
        require(1 <= default <= maximum, f"model: context_default {default} is not in 1 ... {maximum}")
        for name, value in (("residual_fraction_bits", residual), ("logit_fraction_bits", logit)):
            require(-32 <= value <= 62, f"model: {name} {value} is not in -32 ... 62")
        require(flags <= 1, f"model: flags 0x{flags:x} has reserved bits set")
        for name, value in (("bos_token", bos), ("pad_token", pad)):
            require(value == NONE or value < vocabulary, f"model: {name} {value} is not below {vocabulary}")
        require(ends <= 4, f"model: end_count {ends} is more than 4")
        for k, token in enumerate(end_tokens):
            require(token < vocabulary if k < ends else token == NONE,
                    f"model: end token {k} is {token}, with {ends} in use of {vocabulary}")
        check_settings(settings, "model")
        require(stop_count <= 4, f"model: stop_count {stop_count} is more than 4")
        stops = []
        for k in range(4):
            offset, size = struct.unpack_from("<II", r, 112 + 8 * k)
            if k < stop_count:
                require(1 <= size <= 256, f"model: stop {k} has {size} bytes, not 1 ... 256")
                stops.append(self.bytes_at(offset, size, f"model: stop {k}"))
            else:
                require(offset == size == 0, f"model: unused stop {k} is {offset}, {size} and not 0, 0")
        description = self.text_at(*struct.unpack_from("<II", r, 144), "model: description")
        require(not any(r[168:]), "model: reserved bytes are not zero")
        return Model(hidden, vocabulary, default, maximum, slots, residual, logit, flags == 1,
                     None if bos == NONE else bos, None if pad == NONE else pad, list(end_tokens[:ends]),
                     settings, stops, description, *struct.unpack_from("<QQ", r, 152))

    def finish_model(self):
        r, m = self.table(1), self.model
        embedding, positions, norm = struct.unpack_from("<III", r, 20)
        m.embedding = self.matrix(embedding, m.vocabulary_size, m.hidden_size, "model: embedding")
        if positions != NONE:
            m.positions = self.matrix(positions, m.context_maximum, m.hidden_size, "model: position_tensor")
        m.final_norm = self.pick(self.norms, norm, "model: final_norm")
        m.head = self.linear(r[32:44], m.vocabulary_size, m.hidden_size, "model: head")

    # Section 5: parts

    def pick(self, table, index, what):
        if index == NONE:
            return None
        require(index < len(table), f"{what}: index {index} is not below {len(table)}")
        return table[index]

    def tensor(self, index, what):
        require(index < len(self.tensors), f"{what}: tensor {index} is not below {len(self.tensors)}")
        return self.tensors[index]

    def matrix(self, index, rows, columns, what):
        t = self.tensor(index, what)
        require(t.is_matrix, f"{what}: tensor {index} of encoding {t.encoding} is no matrix")
        require(t.rows == rows or rows is None, f"{what}: tensor {index} has {t.rows} rows and not {rows}")
        require(t.columns == columns, f"{what}: tensor {index} has {t.columns} columns and not {columns}")
        return t

    def vector(self, index, size, what):
        t = self.tensor(index, what)
        require(t.encoding == VECTOR, f"{what}: tensor {index} of encoding {t.encoding} is no vector")
        require(t.columns == size, f"{what}: tensor {index} has {t.columns} elements and not {size}")
        return t

    def linear(self, record, rows, columns, what):
        tensor, bias, width = struct.unpack("<III", record)
        matrix = self.matrix(tensor, rows, columns, what)
        require(width in (8, 16), f"{what}: activation_bits {width} is neither 8 nor 16")
        require(width == 16 or matrix.encoding == INT8, f"{what}: activation_bits {width} with codes of 16 bits")
        vector = None if bias == NONE else self.vector(bias, matrix.rows, f"{what}: bias")
        return Linear(matrix, vector, width)

    def read_attention(self, r, k):
        what, hidden = f"attention {k}", self.model.hidden_size
        heads, kv_heads, size, rotation, pairing, mantissa, exponent = struct.unpack_from("<6Ii", r, 24)
        require(heads >= 1 and kv_heads >= 1, f"{what}: head counts {heads} and {kv_heads} are not both at least 1")
        require(heads % kv_heads == 0, f"{what}: {kv_heads} key-value heads do not divide {heads} heads")
        require(1 <= size <= 4096, f"{what}: head_size {size} is not in 1 ... 4096")
        require(heads * size <= 65536, f"{what}: {heads} heads of {size} are more than 65536")
        require(pairing == 0, f"{what}: rotation_pairing {pairing} is not 0")
        require(2**30 <= mantissa < 2**31, f"{what}: score_scale_mantissa {mantissa} is not in 2^30 ... 2^31 - 1")
        require(0 <= exponent <= 64, f"{what}: score_scale_exponent {exponent} is not in 0 ... 64")
        require(not any(r[52:]), f"{what}: reserved bytes are not zero")
        qkv = self.linear(r[0:12], (heads + 2 * kv_heads) * size, hidden, f"{what}: qkv")
        output = self.linear(r[12:24], hidden, heads * size, f"{what}: output")
        table = None
        if rotation != NONE:
            require(size % 2 == 0, f"{what}: head_size {size} with rotation is odd")
            table = self.tensor(rotation, f"{what}: rotation")
            require(table.encoding == ROTATION, f"{what}: tensor {rotation} of encoding {table.encoding} is no rotation")
            require(table.columns == size // 2, f"{what}: rotation of {table.columns} pairs for head_size {size}")
            require(table.rows >= self.model.context_maximum, f"{what}: rotation of {table.rows} positions "
                    f"for context_maximum {self.model.context_maximum}")
        return Attention(qkv, output, heads, kv_heads, size, table, mantissa, exponent)

    def read_feed_forward(self, r, k):
        what, hidden = f"feed-forward {k}", self.model.hidden_size
        kind, activation = struct.unpack_from("<II", r, 0)
        pieces = struct.unpack_from("<I", r, 44)[0]
        require(kind in (1, 2), f"{what}: kind {kind} is neither 1 nor 2")
        require(activation <= 7, f"{what}: activation {activation} is unknown")
        require(not any(r[48:]), f"{what}: reserved bytes are not zero")
        up = self.linear(r[20:32], None, hidden, f"{what}: up")
        require(up.rows <= 65536, f"{what}: ffn_size {up.rows} is more than 65536")
        down = self.linear(r[32:44], hidden, up.rows, f"{what}: down")
        gate = None
        if kind == 2:
            gate = self.linear(r[8:20], up.rows, hidden, f"{what}: gate")
        else:
            require(struct.unpack_from("<III", r, 8) == (NONE, NONE, 0), f"{what}: it is plain and has a gate")
        require((activation == 7) == (pieces != NONE), f"{what}: activation {activation} with activation_tensor {pieces}")
        table = None
        if pieces != NONE:
            table = self.tensor(pieces, f"{what}: activation_tensor")
            require(table.encoding == PIECEWISE, f"{what}: tensor {pieces} of encoding {table.encoding} is not piecewise linear")
        return FeedForward(kind == 2, activation, gate, up, down, table)

    def read_norm(self, r, k):
        what, hidden = f"norm {k}", self.model.hidden_size
        kind, weight, bias, fraction_bits, epsilon, reserved = struct.unpack("<IIIiQQ", r)
        require(kind in (1, 2), f"{what}: kind {kind} is neither 1 nor 2")
        require(-32 <= fraction_bits <= 62, f"{what}: output_fraction_bits {fraction_bits} is not in -32 ... 62")
        require(reserved == 0, f"{what}: the reserved field is {reserved}")
        weight = self.vector(weight, hidden, f"{what}: weight")
        if bias != NONE:
            bias = self.vector(bias, hidden, f"{what}: bias")
            require(bias.exponent == fraction_bits,
                    f"{what}: its bias has {bias.exponent} fraction bits and its output {fraction_bits}")
        return Norm(kind == 2, weight, None if bias == NONE else bias, fraction_bits, epsilon)

    # Section 4: schedule

    def read_step(self, r, k):
        what = f"step {k}"
        attention, feed_forward, norm_a, norm_f, slot, reserved = struct.unpack("<6I", r)
        require(attention != NONE or feed_forward != NONE, f"{what}: it has neither attention nor feed-forward")
        require(attention != NONE or norm_a == NONE, f"{what}: it has a norm {norm_a} for no attention")
        require(feed_forward != NONE or norm_f == NONE, f"{what}: it has a norm {norm_f} for no feed-forward")
        require((slot == NONE) == (attention == NONE), f"{what}: kv_slot {slot} with attention {attention}")
        count = self.model.kv_slot_count
        require(slot == NONE or slot < count, f"{what}: kv_slot {slot} is not below {count}")
        require(reserved == 0, f"{what}: the reserved field is {reserved}")
        return Step(self.pick(self.attentions, attention, f"{what}: attention"),
                    self.pick(self.feed_forwards, feed_forward, f"{what}: feed-forward"),
                    self.pick(self.norms, norm_a, f"{what}: attention_norm"),
                    self.pick(self.norms, norm_f, f"{what}: feed_forward_norm"), slot)

    def check_slots(self):
        used, count = [s.kv_slot for s in self.model.steps if s.attention], self.model.kv_slot_count
        require(len(used) == len(set(used)) == count,
                f"schedule: {len(used)} steps with attention use {len(set(used))} kv slots of {count}")

    # Section 7: names

    def read_names(self):
        table, names = self.table(7), []
        rows = [struct.unpack_from("<5I", table, 20 * k) for k in range(len(table) // 20)]
        require(len(rows) <= 262144, f"names: {len(rows)} records are more than 262144")
        for k, (offset, size, target, first, count) in enumerate(rows):
            what = f"name {k}"
            name = self.text_at(offset, size, what)
            if first >> 31:
                require(first == 2**31 and count == 0, f"{what}: an alias with rows 0x{first:x}, {count}")
                require(target < len(rows), f"{what}: it is an alias of name {target}, not below {len(rows)}")
                require(not rows[target][3] >> 31, f"{what}: it is an alias of the alias {target}")
            else:
                tensor = self.tensor(target, what)
                require(count >= 1, f"{what}: it names no row")
                require(first + count <= tensor.rows, f"{what}: rows {first} + {count} are past the tensor's {tensor.rows}")
            names.append((name, target, first, count))
        return names

    # Section 6: weights

    def read_all_weights(self, verify):
        regions = [r for r in self.regions if r.kind == WEIGHTS]
        require(len(regions) == len(self.tensors), f"there are {len(regions)} weights regions for {len(self.tensors)} tensors")
        for tensor, region in zip(self.tensors, regions):
            require(region.byte_count == tensor.byte_count,
                    f"tensor {tensor.index}: its region has {region.byte_count} bytes and not {tensor.byte_count}")
            if verify:
                check_sum(self.data, region)
            read_weights(tensor, self.data[region.offset:region.offset + region.byte_count], verify)


def check_settings(s, what):
    """Ranges of sections 3 and 10."""
    for name, low, high in (("temperature", 0, 100 << 16), ("top_p", 1, 65536), ("min_p", 0, 65536),
                            ("repeat_penalty", 6554, 100 << 16), ("repeat_window", 0, 65536)):
        require(low <= s[name] <= high, f"{what}: {name} {s[name]} is not in {low} ... {high}")


def open_model(path, verify=False):
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        require(False, f"{path}: {error.strerror}")
    return Reader(data, verify).model
