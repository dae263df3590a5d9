"""arithmetic-1, section 6.1: embedder, core and head as streams, and the logits of what stands at the positions."""

import numpy as np

from arithmetic import INT, sat32, scale
from layers import Cache, attention, drop, feed_forward, linear, normalise, total
from model import BYTE_SLOTS, CORE, EMBEDDER, HEAD, LINEAR, PAD, SYMBOLS
from refusal import require


def entering(t, index, F):
    """Rows of a matrix in a stream's fraction bits."""
    shift = t.scale_d[index] + t.exponent - F
    return scale(t.integers[index] * t.scale_u[index][:, None], shift[:, None])


def added(x, t, index, F):
    return sat32(x + entering(t, index, F))


class Stream:
    """The steps of one section over the rows of one stream: the core's positions, or the slots of one block. Where a row
    sees only the rows before it, they may come in parts."""

    def __init__(self, model, section, causal, kind="int16"):
        self.steps, self.causal, self.count = model.section(section), causal, 0
        self.caches = [Cache(kind) for _ in self.steps]

    def run(self, x, F):
        rows = np.arange(self.count, self.count + len(x))
        self.count += len(x)
        for step, cache in zip(self.steps, self.caches):
            if step.attention:
                y, FY = normalise(step.attention_norm, x, np.full(len(x), F, INT))
                x = total(attention(step.attention, cache, y, FY, rows, self.causal, F), x)
            if step.feed_forward:
                y, FY = normalise(step.feed_forward_norm, x, np.full(len(x), F, INT))
                result = feed_forward(step.feed_forward, y, FY, step.fraction_bits)
                x, F = (total(result), step.fraction_bits) if step.replaces else (total(result, x), F)
        return x, F


class Decoder:
    """Section 6.1.2, byte decoder: the slots of one block, after the symbols that stand before them."""

    def __init__(self, model, p):
        self.model, self.p, self.stream = model, p, Stream(model, HEAD, causal=True)

    def logits(self, before):
        """Logits of the next slots, as many as there are symbols before them; before slot 0 stands the pad."""
        head, slots = self.model.head, self.stream.count + np.arange(len(before))
        x = np.repeat(self.p[None, :], len(before), axis=0)
        x = added(x, head.byte_table, np.array(before), head.fraction_bits)
        x = added(x, head.positions, slots, head.fraction_bits)
        return slot_logits(head, *self.stream.run(x, head.fraction_bits))

    def block(self, chosen):
        """Slot after slot until one closes the block: its symbols, each chosen from the slot's logits, and all logits."""
        symbols, rows, size = [], [], self.model.block_size
        while not symbols or len(symbols) < size and symbols[-1] < PAD:
            rows.append(self.logits([symbols[-1] if symbols else PAD])[0])
            symbols.append(chosen(rows[-1]))
        return symbols + [PAD] * (size - len(symbols)), rows


def slot_logits(head, x, F):
    y, F = normalise(head.output_norm, x, np.full(len(x), F, INT))
    return linear(head.output, y, F, head.logit_fraction_bits)[0]


def open_size(block):
    """Slots up to and including the one that closes the block."""
    return next((k + 1 for k, symbol in enumerate(block) if symbol >= PAD), len(block))


def mean(x):
    """Of all rows, rounded half up."""
    return (2 * x.sum(axis=0) + len(x)) // (2 * len(x))


def likeliest(logits):
    return int(logits.argmax())


class Forward:
    """A model; kv is the type of keys and values in the core (section 6.2, step 3)."""

    def __init__(self, model, kv="int16"):
        self.model, self.kv = model, kv
        self.reset()

    def reset(self):
        self.position = 0
        self.stream = Stream(self.model, CORE, self.model.causal, self.kv)

    def drop(self, first, count):
        """Section 10: forgets count positions from first on, and moves those after them down."""
        for step, cache in zip(self.stream.steps, self.stream.caches):
            if step.attention:
                drop(step.attention, cache, first, count)
        self.position -= count
        self.stream.count -= count

    def logits(self, inputs, blocks=()):
        """Logits of inputs: (positions, vocabulary), or of a byte head (positions, slots, symbols). A byte decoder's slots
        see those of blocks before them, and where there is none for a position the likeliest symbols."""
        kind, results = self.model.head.kind, self.results(inputs)
        if kind == LINEAR:
            return self.tokens(*results)
        if kind == BYTE_SLOTS:
            return np.stack([self.slots(*row) for row in zip(*results)])
        return np.stack([self.decoded(row, blocks[k] if k < len(blocks) else None) for k, row in enumerate(zip(*results))])

    def drawn(self, row, choose):
        """What is chosen from the logits of one of the results: a token, or the symbols of a block, slot 0 first."""
        kind, (y, F) = self.model.head.kind, row
        if kind == LINEAR:
            return choose(self.tokens(y[None, :], np.array([F]))[0])
        if kind == BYTE_SLOTS:
            return [choose(logits) for logits in self.slots(y, F)]
        return self.decoder(y, F).block(choose)[0]

    def results(self, inputs):
        """Embedder, core and the head's input norm: (positions, hidden_size) and its fraction bits. A causal model goes on
        where the last call stopped; others start anew."""
        m = self.model
        if not m.causal:
            self.reset()
        require(len(inputs) >= 1, "there are no inputs to compute")
        self.check(inputs)
        end = self.position + len(inputs)
        require(end <= m.context_maximum, f"{end} positions are more than the model's {m.context_maximum}")
        positions = np.arange(self.position, end)
        self.position = end
        x, F = self.stream.run(self.embedded(inputs, positions), m.residual_fraction_bits)
        return normalise(m.head.input_norm, x, np.full(len(x), F, INT))

    def check(self, inputs):
        m = self.model
        for i in inputs:
            if m.bytes_in:
                require(len(i) == m.block_size, f"a block has {len(i)} symbols and not {m.block_size}")
                require(all(0 <= symbol < SYMBOLS for symbol in i), f"block {list(i)} has symbols that are not in 0 ... {SYMBOLS - 1}")
            else:
                require(0 <= i < m.vocabulary_size, f"token {i} is not in 0 ... {m.vocabulary_size - 1}")

    # Section 6.1.1

    def embedded(self, inputs, positions):
        e = self.model.embedder
        if self.model.bytes_in:
            return np.stack([self.embedded_block(np.array(block)) for block in inputs])
        x = entering(e.table, np.array(inputs), e.fraction_bits)
        return added(x, e.positions, positions, e.fraction_bits) if e.positions else x

    def embedded_block(self, block):
        e = self.model.embedder
        x = added(entering(e.table, block, e.fraction_bits), e.positions, np.arange(len(block)), e.fraction_bits)
        return mean(Stream(self.model, EMBEDDER, causal=False).run(x, e.fraction_bits)[0])

    # Section 6.1.2

    def tokens(self, y, fraction_bits):
        return linear(self.model.head.output, y, fraction_bits, self.model.head.logit_fraction_bits)[0]

    def projected(self, y, fraction_bits, fixed):
        """One position's result through the head's projection."""
        return linear(self.model.head.projection, y[None, :], np.array([fraction_bits]), fixed)[0][0]

    def slots(self, y, fraction_bits):
        head, B = self.model.head, self.model.block_size
        x = self.projected(y, fraction_bits, head.fraction_bits + 1).reshape(B, -1)
        x = added(x, head.positions, np.arange(B), head.fraction_bits)
        return slot_logits(head, *Stream(self.model, HEAD, causal=False).run(x, head.fraction_bits))

    def decoder(self, y, fraction_bits):
        return Decoder(self.model, self.projected(y, fraction_bits, self.model.head.fraction_bits))

    def decoded(self, row, block):
        """Logits of all slots; zeros after the one that closes the block."""
        decoder, logits = self.decoder(*row), np.zeros((self.model.block_size, SYMBOLS), INT)
        if block is None:
            rows = decoder.block(likeliest)[1]
        else:
            rows = decoder.logits([PAD] + list(block[:open_size(block) - 1]))
        logits[:len(rows)] = rows
        return logits
