"""stlm-1, sections 3 to 7 and 10: opens a model file and checks every rule."""

import struct

from container import NONE, WEIGHTS, check_sum, read_regions, table_bytes
from ledger import read_ledger
from transcript import read_transcript
from model import (BYTE_BLOCKS, BYTE_DECODER, BYTE_SLOTS, CORE, EMBEDDER, HEAD, LINEAR, SYMBOLS, TOKENS,
                   Attention, Embedder, FeedForward, Head, Linear, Model, Norm, Step)
from refusal import require
from tensors import CORRECTED, PIECEWISE, ROTATION, VECTOR, check_activation_bits, read_records, read_weights
from tokenizer import read_tokenizer


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
        self.read_all_weights(verify)
        self.norms = self.records(5, 32, self.read_norm)
        self.attentions = self.records(3, 64, self.read_attention)
        self.feed_forwards = self.records(4, 64, self.read_feed_forward)
        self.model.embedder = self.read_embedder(self.table(1)[208:240])
        self.model.head = self.read_head(self.table(1)[240:320])
        self.model.steps = self.records(2, 32, self.read_step)
        self.check_slots()
        self.check_streams()
        self.model.names = self.read_names()
        if self.table(9):
            self.model.tokenizer = read_tokenizer(self.table(9), [self.table(kind) for kind in range(10, 15)], self.model)
        self.model.transcript = read_transcript(self.table(32), self.model)
        self.model.ledger = read_ledger(self.table(15), self.table(16), self.tensors, self.text_at)

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
        hidden, vocabulary, default, maximum, slots, block_size, residual, flags, bos, pad, ends = struct.unpack_from("<6Ii4I", r, 0)
        end_tokens = struct.unpack_from("<4I", r, 44)
        names = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_window")
        settings = dict(zip(names, struct.unpack_from("<6I", r, 60)))
        stop_count = struct.unpack_from("<I", r, 84)[0]
        end_block = struct.unpack_from("<32H", r, 144)
        require(2 <= hidden <= 65536, f"model: hidden_size {hidden} is not in 2 ... 65536")
        require(vocabulary <= 2**20, f"model: vocabulary_size {vocabulary} is more than 1048576")
        require(1 <= maximum <= 65536, f"model: context_maximum {maximum} is not in 1 ... 65536")
        require(1 <= default <= maximum, f"model: context_default {default} is not in 1 ... {maximum}")
        require(block_size <= 32, f"model: block_size {block_size} is more than 32")
        check_fraction_bits(residual, "model: residual_fraction_bits")
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
            offset, size = struct.unpack_from("<II", r, 88 + 8 * k)
            if k < stop_count:
                require(1 <= size <= 256, f"model: stop {k} has {size} bytes, not 1 ... 256")
                stops.append(self.bytes_at(offset, size, f"model: stop {k}"))
            else:
                require(offset == size == 0, f"model: unused stop {k} is {offset}, {size} and not 0, 0")
        description = self.text_at(*struct.unpack_from("<II", r, 120), "model: description")
        for k, symbol in enumerate(end_block):
            require(symbol < SYMBOLS if k < block_size else symbol == 0,
                    f"model: slot {k} of end_block is {symbol}, with block_size {block_size}")
        require(not any(r[320:]), "model: reserved bytes are not zero")
        return Model(hidden, vocabulary, default, maximum, slots, block_size, residual, flags == 1,
                     None if bos == NONE else bos, None if pad == NONE else pad, list(end_tokens[:ends]),
                     settings, stops, description, *struct.unpack_from("<QQ", r, 128), list(end_block[:block_size]))

    # Section 3.1

    def read_embedder(self, r):
        m = self.model
        kind, table, positions, fraction_bits = struct.unpack_from("<IIIi", r, 0)
        require(kind in (TOKENS, BYTE_BLOCKS), f"embedder: kind {kind} is neither 1 nor 2")
        require(not any(r[16:]), "embedder: reserved bytes are not zero")
        check_fraction_bits(fraction_bits, "embedder: fraction_bits")
        if kind == TOKENS:
            table = self.matrix(table, m.vocabulary_size, m.hidden_size, "embedder: table")
            require(fraction_bits == m.residual_fraction_bits,
                    f"embedder: fraction_bits {fraction_bits} are not the core's {m.residual_fraction_bits}")
            positions = None if positions == NONE else self.matrix(positions, m.context_maximum, m.hidden_size, "embedder: position_tensor")
        else:
            table = self.matrix(table, SYMBOLS, None, "embedder: table")
            require(m.bos is None, f"model: bos_token {m.bos} with an embedder of byte blocks")
            positions = self.matrix(positions, m.block_size, table.columns, "embedder: position_tensor")
        return Embedder(kind, table, positions, fraction_bits)

    # Section 3.2

    def read_head(self, r):
        """All but the shapes of output_norm and output, which depend on the steps."""
        m = self.model
        kind, norm = struct.unpack_from("<II", r, 0)
        byte_table, positions, fraction_bits, output_norm = struct.unpack_from("<IIiI", r, 20)
        logit_bits = struct.unpack_from("<i", r, 48)[0]
        require(kind in (LINEAR, BYTE_SLOTS, BYTE_DECODER), f"head: kind {kind} is none of 1, 2 and 3")
        require(not any(r[52:]), "head: reserved bytes are not zero")
        require((m.block_size == 0) == (m.embedder.kind == TOKENS and kind == LINEAR),
                f"model: block_size {m.block_size} with an embedder of kind {m.embedder.kind} and a head of kind {kind}")
        check_fraction_bits(fraction_bits, "head: fraction_bits")
        check_fraction_bits(logit_bits, "head: logit_fraction_bits")
        require((kind == BYTE_DECODER) == (byte_table != NONE), f"head: byte_table {byte_table} in a head of kind {kind}")
        projection = None
        if kind == LINEAR:
            require(struct.unpack_from("<III", r, 8) == (NONE, NONE, 0), "head: it is linear and has a projection")
            require(positions == output_norm == NONE, f"head: it is linear and has position_tensor {positions}, output_norm {output_norm}")
            require(fraction_bits == 0, f"head: it is linear and has fraction_bits {fraction_bits}")
            positions = byte_table = None
        else:
            positions = self.matrix(positions, m.block_size, None, "head: position_tensor")
            width = positions.columns
            rows = width * (m.block_size if kind == BYTE_SLOTS else 1)
            projection = self.linear(r[8:20], rows, m.hidden_size, "head: projection")
            byte_table = self.matrix(byte_table, SYMBOLS, width, "head: byte_table") if kind == BYTE_DECODER else None
        output = self.linear(r[36:48], m.vocabulary_size if kind == LINEAR else SYMBOLS, None, "head: output")
        return Head(kind, self.norm(norm, m.hidden_size, "head: input_norm"), projection, byte_table, positions,
                    fraction_bits, self.norm(output_norm, None, "head: output_norm"), output, logit_bits)

    # Section 5: parts

    def pick(self, table, index, what):
        if index == NONE:
            return None
        require(index < len(table), f"{what}: index {index} is not below {len(table)}")
        return table[index]

    def norm(self, index, size, what):
        norm = self.pick(self.norms, index, what)
        check_width(norm, size, what)
        return norm

    def tensor(self, index, what):
        require(index < len(self.tensors), f"{what}: tensor {index} is not below {len(self.tensors)}")
        return self.tensors[index]

    def matrix(self, index, rows, columns, what, corrected=False):
        """A linear layer may have a corrected one."""
        t = self.tensor(index, what)
        require(t.is_matrix or corrected and t.encoding == CORRECTED, f"{what}: tensor {index} of encoding {t.encoding} is no matrix")
        require(t.rows == rows or rows is None, f"{what}: tensor {index} has {t.rows} rows and not {rows}")
        require(t.columns == columns or columns is None, f"{what}: tensor {index} has {t.columns} columns and not {columns}")
        return t

    def vector(self, index, size, what):
        t = self.tensor(index, what)
        require(t.encoding == VECTOR, f"{what}: tensor {index} of encoding {t.encoding} is no vector")
        require(t.columns == size or size is None, f"{what}: tensor {index} has {t.columns} elements and not {size}")
        return t

    def linear(self, record, rows, columns, what):
        tensor, bias, width = struct.unpack("<III", record)
        matrix = self.matrix(tensor, rows, columns, what, corrected=True)
        correction = matrix.correction
        if correction:
            matrix = correction.base
        check_activation_bits(width, [matrix, correction.down] if correction else [matrix], what)
        vector = None if bias == NONE else self.vector(bias, matrix.rows, f"{what}: bias")
        return Linear(matrix, vector, width, correction)

    def read_attention(self, r, k):
        what = f"attention {k}"
        heads, kv_heads, size, rotation, pairing, mantissa, exponent = struct.unpack_from("<6Ii", r, 24)
        require(heads >= 1 and kv_heads >= 1, f"{what}: head counts {heads} and {kv_heads} are not both at least 1")
        require(heads % kv_heads == 0, f"{what}: {kv_heads} key-value heads do not divide {heads} heads")
        require(1 <= size <= 4096, f"{what}: head_size {size} is not in 1 ... 4096")
        require(heads * size <= 65536, f"{what}: {heads} heads of {size} are more than 65536")
        require(pairing == 0, f"{what}: rotation_pairing {pairing} is not 0")
        require(2**30 <= mantissa < 2**31, f"{what}: score_scale_mantissa {mantissa} is not in 2^30 ... 2^31 - 1")
        require(0 <= exponent <= 64, f"{what}: score_scale_exponent {exponent} is not in 0 ... 64")
        require(not any(r[52:]), f"{what}: reserved bytes are not zero")
        qkv = self.linear(r[0:12], (heads + 2 * kv_heads) * size, None, f"{what}: qkv")
        output = self.linear(r[12:24], qkv.columns, heads * size, f"{what}: output")
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
        what = f"feed-forward {k}"
        kind, activation = struct.unpack_from("<II", r, 0)
        pieces = struct.unpack_from("<I", r, 44)[0]
        require(kind in (1, 2), f"{what}: kind {kind} is neither 1 nor 2")
        require(activation <= 7, f"{what}: activation {activation} is unknown")
        require(not any(r[48:]), f"{what}: reserved bytes are not zero")
        up = self.linear(r[20:32], None, None, f"{what}: up")
        require(up.rows <= 65536, f"{what}: ffn_size {up.rows} is more than 65536")
        down = self.linear(r[32:44], None, up.rows, f"{what}: down")
        require(down.rows <= 65536, f"{what}: its output's width {down.rows} is more than 65536")
        gate = None
        if kind == 2:
            gate = self.linear(r[8:20], up.rows, up.columns, f"{what}: gate")
        else:
            require(struct.unpack_from("<III", r, 8) == (NONE, NONE, 0), f"{what}: it is plain and has a gate")
        require((activation == 7) == (pieces != NONE), f"{what}: activation {activation} with activation_tensor {pieces}")
        table = None
        if pieces != NONE:
            table = self.tensor(pieces, f"{what}: activation_tensor")
            require(table.encoding == PIECEWISE, f"{what}: tensor {pieces} of encoding {table.encoding} is not piecewise linear")
        return FeedForward(kind == 2, activation, gate, up, down, table)

    def read_norm(self, r, k):
        what = f"norm {k}"
        kind, weight, bias, fraction_bits, epsilon, reserved = struct.unpack("<IIIiQQ", r)
        require(kind in (1, 2), f"{what}: kind {kind} is neither 1 nor 2")
        check_fraction_bits(fraction_bits, f"{what}: output_fraction_bits")
        require(reserved == 0, f"{what}: the reserved field is {reserved}")
        weight = self.vector(weight, None, f"{what}: weight")
        if bias != NONE:
            bias = self.vector(bias, weight.columns, f"{what}: bias")
            require(bias.exponent == fraction_bits,
                    f"{what}: its bias has {bias.exponent} fraction bits and its output {fraction_bits}")
        return Norm(kind == 2, weight, None if bias == NONE else bias, fraction_bits, epsilon)

    # Section 4: schedule

    def read_step(self, r, k):
        what = f"step {k}"
        attention, feed_forward, norm_a, norm_f, slot, section, flags, fraction_bits = struct.unpack("<7Ii", r)
        require(attention != NONE or feed_forward != NONE, f"{what}: it has neither attention nor feed-forward")
        require(attention != NONE or norm_a == NONE, f"{what}: it has a norm {norm_a} for no attention")
        require(feed_forward != NONE or norm_f == NONE, f"{what}: it has a norm {norm_f} for no feed-forward")
        require(section in (EMBEDDER, CORE, HEAD), f"{what}: section {section} is none of 1, 2 and 3")
        require(flags <= 1, f"{what}: flags 0x{flags:x} has reserved bits set")
        require(not flags or feed_forward != NONE and section != CORE,
                f"{what}: nothing replaces the stream in section {section} with feed-forward {feed_forward}")
        require((slot == NONE) == (attention == NONE or section != CORE), f"{what}: kv_slot {slot} with attention {attention} in section {section}")
        count = self.model.kv_slot_count
        require(slot == NONE or slot < count, f"{what}: kv_slot {slot} is not below {count}")
        check_fraction_bits(fraction_bits, f"{what}: fraction_bits")
        return Step(self.pick(self.attentions, attention, f"{what}: attention"),
                    self.pick(self.feed_forwards, feed_forward, f"{what}: feed-forward"),
                    self.pick(self.norms, norm_a, f"{what}: attention_norm"),
                    self.pick(self.norms, norm_f, f"{what}: feed_forward_norm"), slot, section, flags == 1, fraction_bits)

    def check_slots(self):
        steps, count = self.model.steps, self.model.kv_slot_count
        for k in range(1, len(steps)):
            require(steps[k - 1].section <= steps[k].section, f"step {k}: section {steps[k].section} follows {steps[k - 1].section}")
        used = [s.kv_slot for s in steps if s.kv_slot != NONE]
        require(len(used) == len(set(used)) == count,
                f"schedule: {len(used)} steps with attention in the core use {len(set(used))} kv slots of {count}")

    def check_streams(self):
        """Follows the width and the fraction bits of each section's stream."""
        m, e, h = self.model, self.model.embedder, self.model.head
        require(e.kind == BYTE_BLOCKS or not m.section(EMBEDDER), "schedule: steps of an embedder of tokens")
        require(h.kind != LINEAR or not m.section(HEAD), "schedule: steps of a linear head")
        core = m.hidden_size, m.residual_fraction_bits
        ends = self.stream(EMBEDDER, e.table.columns, e.fraction_bits)
        require(ends == core, f"embedder: its stream ends with width and fraction bits {ends} and not {core}")
        self.stream(CORE, *core)
        width = m.hidden_size
        if h.kind != LINEAR:
            width = self.stream(HEAD, h.positions.columns, h.fraction_bits)[0]
        check_width(h.output_norm, width, "head: output_norm")
        require(h.output.columns == width, f"head: output has {h.output.columns} columns and not {width}")

    def stream(self, section, width, fraction_bits):
        for k, step in enumerate(self.model.steps):
            if step.section != section:
                continue
            what, a, f = f"step {k}", step.attention, step.feed_forward
            check_width(step.attention_norm, width, f"{what}: attention_norm")
            check_width(step.feed_forward_norm, width, f"{what}: feed_forward_norm")
            if a:
                require(a.width == width, f"{what}: attention of width {a.width} in a stream of {width}")
                # Section 6 asks a rotation for the core's positions only; here slots are positions
                require(section == CORE or a.rotation is None or a.rotation.rows >= self.model.block_size,
                        f"{what}: a rotation of fewer positions than block_size {self.model.block_size}")
            if f:
                require(f.up.columns == width, f"{what}: feed-forward of input width {f.up.columns} in a stream of {width}")
                require(step.replaces or f.down.rows == width, f"{what}: feed-forward of output width {f.down.rows} in a stream of {width}")
                width = f.down.rows
            require(step.replaces or step.fraction_bits == fraction_bits,
                    f"{what}: fraction_bits {step.fraction_bits} in a stream of {fraction_bits}")
            fraction_bits = step.fraction_bits
        return width, fraction_bits

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
            read_weights(tensor, self.data[region.offset:region.offset + region.byte_count], self.tensors, verify)


def check_fraction_bits(value, what):
    require(-32 <= value <= 62, f"{what} {value} is not in -32 ... 62")


def check_width(norm, width, what):
    require(norm is None or width is None or norm.size == width, f"{what}: a norm of size {norm and norm.size} for width {width}")


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
