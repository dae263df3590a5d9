"""stlm-1, sections 3 to 5: what a model file says, as objects."""

from dataclasses import dataclass, field

BYTES, PAD, SYMBOLS = 256, 256, 258
TOKENS, BYTE_BLOCKS = 1, 2                          # kinds of embedder
LINEAR, BYTE_SLOTS, BYTE_DECODER = 1, 2, 3          # kinds of head
EMBEDDER, CORE, HEAD = 1, 2, 3                      # sections of the schedule


@dataclass
class Linear:
    matrix: object
    bias: object           # tensor or None
    activation_bits: int
    correction: object = None

    @property
    def rows(self):
        return self.matrix.rows

    @property
    def columns(self):
        return self.matrix.columns


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

    @property
    def width(self):
        return self.qkv.columns


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

    @property
    def size(self):
        return self.weight.columns


@dataclass
class Step:
    attention: Attention
    feed_forward: FeedForward
    attention_norm: Norm
    feed_forward_norm: Norm
    kv_slot: int
    section: int
    replaces: bool
    fraction_bits: int


@dataclass
class Embedder:
    kind: int
    table: object
    positions: object      # tensor or None
    fraction_bits: int


@dataclass
class Head:
    kind: int
    input_norm: Norm
    projection: Linear
    byte_table: object
    positions: object
    fraction_bits: int
    output_norm: Norm
    output: Linear
    logit_fraction_bits: int


@dataclass
class Model:
    hidden_size: int
    vocabulary_size: int
    context_default: int
    context_maximum: int
    kv_slot_count: int
    block_size: int
    residual_fraction_bits: int
    causal: bool
    bos: int
    pad: int
    end_tokens: list
    settings: dict
    stops: list
    description: str
    parameter_count: int
    unique_parameter_count: int
    end_block: list
    embedder: Embedder = None
    head: Head = None
    steps: list = field(default_factory=list)
    tensors: list = field(default_factory=list)
    names: list = field(default_factory=list)
    tokenizer: object = None
    ledger: object = None

    def section(self, number):
        return [step for step in self.steps if step.section == number]

    @property
    def bytes_in(self):
        return self.embedder.kind == BYTE_BLOCKS

    @property
    def bytes_out(self):
        return self.head.kind != LINEAR

    @property
    def logit_fraction_bits(self):
        return self.head.logit_fraction_bits

    @property
    def first_input(self):
        """What begins a text where there is no bos_token: the first end token or end_block; None if there is none."""
        return self.end_block if self.bytes_in else self.end_tokens[0] if self.end_tokens else None
