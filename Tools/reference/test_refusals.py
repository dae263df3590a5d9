"""One lie for every rule of stlm-1: each must be refused with one sentence."""

import os
import struct
import sys
import unittest

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from example_files import NONE, Example, seal, set32
from forward import Forward
from model_file import Reader
from refusal import Refused

MODEL, SCHEDULE, ATTENTION, FFN, NORM, TENSORS, NAMES, TEXT = range(1, 9)
TOKENIZER, OFFSETS, PIECES, MERGES, CHARACTERS, ADJACENCY = range(9, 15)
WEIGHTS = 64


def poke(kind, *pairs, model=(), **settings):
    """A file in which u32 fields (place, value) of a region, and of the model record, are changed; all checksums are right."""
    def make():
        example = Example(**settings)
        for at, value in zip(pairs[::2], pairs[1::2]):
            example.poke(kind, at, value)
        for at, value in zip(model[::2], model[1::2]):
            example.poke(MODEL, at, value)
        return example.image()
    return make


def change(function, **settings):
    """A file whose Example has been changed by a function."""
    def make():
        example = Example(**settings)
        function(example)
        return example.image()
    return make


def other_matrix(kind, at, rows, columns, **settings):
    """A file in which a field of a region names a matrix of this shape."""
    def function(example):
        k = example.matrix(rows, columns)
        example.regions = example.make_regions()
        example.poke(kind, at, k)
    return change(function, **settings)


def raw(function, right_checksum=True):
    """A file whose final bytes have been changed."""
    def make():
        data = bytearray(Example().image())
        data = function(data) or data
        return seal(data) if right_checksum else bytes(data)
    return make


def put(at, *values):
    """Writes single bytes."""
    def function(data):
        data[at:at + len(values)] = bytes(values)
    return function


def drop(kind):
    def function(example):
        example.regions = [r for r in example.regions if r[0] != kind]
    return function


def resize(kind, edit):
    def function(example):
        region = example.region(kind)
        region[2] = edit(region[2])
    return function


def insert(at, region):
    return lambda example: example.regions.insert(at, region)


def weights(k, edit):
    def function(example):
        region = [r for r in example.regions if r[0] == WEIGHTS][k]
        region[2] = edit(region[2])
    return function


def with_byte(data, at, value):
    at %= len(data)
    return data[:at] + bytes([value]) + data[at + 1:]


def entry(i, field):
    return 64 + 32 * i + field


def last_weights_padding(data):
    """The byte before the last region is padding in this example."""
    count = struct.unpack_from("<I", data, 24)[0]
    offset = struct.unpack_from("<Q", data, entry(count - 1, 8))[0]
    before = struct.unpack_from("<QQ", data, entry(count - 2, 8))
    assert sum(before) < offset
    data[offset - 1] = 1


def first_tensor(encoding, **settings):
    return next(k for k, t in enumerate(Example(**settings).tensors) if t[0] == encoding)


def tensor_lie(encoding, field, value, **settings):
    return poke(TENSORS, 32 * first_tensor(encoding, **settings) + field, value, **settings)


def swap_pieces(example, one, other):
    """Writes one piece's bytes over another of the same size."""
    region = example.region(PIECES)
    at = sum(map(len, example.piece_list[:example.piece_list.index(other)]))
    region[2] = region[2][:at] + one + region[2][at + len(other):]


R, PIECEWISE, UTF8 = {"rotation": True}, {"activation": 7}, {"tokenizer": 2, "vocabulary": 311}
BIASED = {"kind": 2, "bias": True}
BYTES = {"embedder": "bytes"}
WORDS = {"tokenizer": 3, "embedder": "bytes", "head": "decoder"}
SLOTS, DECODER = {**BYTES, "head": "slots"}, {**BYTES, "head": "decoder"}
S0, S1, S2, S3, S4, S5 = range(0, 192, 32)
VECTOR, ROTATION = first_tensor(3), first_tensor(4)
B_VECTOR = first_tensor(3, **BIASED)

LIES = {
    # 2.1
    "short file": lambda: Example().image()[:63], "empty file": lambda: b"", "magic": raw(put(0, 0x88)),
    "format version": raw(put(8, 2)), "draft": raw(put(10, 1)), "features": raw(put(12, 1)), "file size": raw(put(16, 0)),
    "cut file": lambda: Example().image()[:-1], "longer file": lambda: Example().image() + b"\0",
    "no regions": raw(put(24, 0, 0, 0, 0)), "region count": raw(put(24, 255, 255)), "header reserved": raw(put(63, 1)),
    "many regions": raw(put(26, 1)), "header checksum": raw(put(28, 1, 2, 3, 4), False),
    # 2.2 and 2
    "kind 0": raw(put(entry(0, 0), 0)), "kind 15": raw(put(entry(1, 0), 15)),
    "order": change(lambda e: e.regions.insert(0, e.regions.pop(1))),
    "table after weights": change(lambda e: e.regions.append(e.regions.pop(0))),
    "twice": change(lambda e: e.regions.insert(0, list(e.regions[0]))),
    "alignment": raw(put(entry(0, 4), 32)), "table alignment": change(lambda e: e.regions[1].__setitem__(1, 16384)),
    "offset": raw(put(entry(1, 8), 1)), "empty region": raw(put(entry(1, 16), 0, 0, 0, 0)),
    "byte count": raw(put(entry(1, 22), 255, 255)), "region reserved": raw(put(entry(1, 28), 1)),
    "region checksum": raw(put(entry(1, 24), 1, 2, 3, 4)), "padding": raw(last_weights_padding),
    "wrapping byte count": raw(put(entry(1, 16), *[255] * 8)),
    "bytes after the last region": raw(lambda d: d[:16] + struct.pack("<Q", len(d) + 64) + d[24:] + bytes(64)),
    "model size": change(resize(MODEL, lambda d: d * 2)), "schedule size": change(resize(SCHEDULE, lambda d: d[:-1])),
    "adjacency size": change(resize(ADJACENCY, lambda d: d * 2)),
    **{f"no region {k}": change(drop(k)) for k in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14)},
    "merges without tokenizer": change(insert(8, [12, 64, bytes(8)]), tokenizer=0, bos=None),
    "a weights region less": change(lambda e: e.regions.pop()), "a weights region more": change(lambda e: e.regions.append([64, 64, b"x"])),
    # 3 and 10
    "hidden 1": poke(MODEL, 0, 1), "hidden large": poke(MODEL, 0, 65537), "hidden other": poke(MODEL, 0, 25),
    "vocabulary 0": poke(MODEL, 4, 0), "vocabulary large": poke(MODEL, 4, 2**20 + 1), "vocabulary other": poke(MODEL, 4, 301),
    "vocabulary large without tokens": poke(MODEL, 4, 2**20 + 1, **DECODER),
    "context_default 0": poke(MODEL, 8, 0), "context_default large": poke(MODEL, 8, 21), "context_maximum": poke(MODEL, 12, 65537),
    "context beyond rotation": poke(MODEL, 12, 21), "position rows": poke(MODEL, 12, 19, positions=True, rotation=False),
    "kv_slot_count more": poke(MODEL, 16, 3), "kv_slot_count less": poke(MODEL, 16, 1),
    "block in a token model": poke(MODEL, 20, 5), "block 0": poke(MODEL, 20, 0, 144, 0, 148, 0, 152, 0, **DECODER),
    "block other": poke(MODEL, 20, 4, 152, 0, **DECODER),
    "block 33": poke(MODEL, 20, 33, **DECODER),
    "residual bits": poke(MODEL, 24, 63), "residual bits low": poke(MODEL, 24, -33), "residual bits other": poke(MODEL, 24, 21),
    "flags": poke(MODEL, 28, 3), "bos": poke(MODEL, 32, 300), "bos with blocks": poke(MODEL, 32, 0, embedder="bytes"), "pad": poke(MODEL, 36, 300),
    "end count": poke(MODEL, 40, 5), "end token": poke(MODEL, 44, 300), "end token none": poke(MODEL, 44, NONE),
    "unused end token": poke(MODEL, 48, 0), "temperature": poke(MODEL, 60, 6553601), "top_p 0": poke(MODEL, 68, 0),
    "top_p": poke(MODEL, 68, 65537), "min_p": poke(MODEL, 72, 65537), "penalty low": poke(MODEL, 76, 6553),
    "penalty": poke(MODEL, 76, 6553601), "window": poke(MODEL, 80, 65537), "stop count": poke(MODEL, 84, 5),
    "stop text": poke(MODEL, 88, 10**6), "stop wraps": poke(MODEL, 88, NONE, 92, 2), "unused stop": poke(MODEL, 96, 1),
    "unused stop size": poke(MODEL, 100, 1), "stop 0": poke(MODEL, 92, 0),
    "stop 257": change(lambda e: (resize(TEXT, lambda d: d + b"a" * 257)(e), e.poke(MODEL, 92, 257))),
    "description": poke(MODEL, 124, 10**6), "end block in a token model": poke(MODEL, 144, 1),
    "end block symbol": poke(MODEL, 144, 258, **DECODER), "end block longer": poke(MODEL, 152, 256 + (1 << 16), **DECODER),
    "model reserved": poke(MODEL, 380, 1),
    # 3.1
    "embedder kind 0": poke(MODEL, 208, 0), "embedder kind 3": poke(MODEL, 208, 3), "embedder other": poke(MODEL, 208, 2),
    "embedding index": poke(MODEL, 212, 99), "embedding none": poke(MODEL, 212, NONE), "embedding kind": poke(MODEL, 212, VECTOR),
    "position index": poke(MODEL, 216, 99), "position kind": poke(MODEL, 216, VECTOR),
    "embedder bits of tokens": poke(MODEL, 220, 21), "embedder reserved": poke(MODEL, 236, 1),
    "byte table rows": poke(MODEL, 212, 1, **BYTES), "byte table none": poke(MODEL, 212, NONE, **BYTES),
    "byte positions none": poke(MODEL, 216, NONE, **BYTES), "byte positions rows": poke(MODEL, 216, 0, **BYTES),
    "byte positions columns": other_matrix(MODEL, 216, 5, 11, **BYTES),
    "embedder bits": poke(MODEL, 220, 21, **BYTES), "embedder bits large": poke(MODEL, 220, 63, **BYTES),
    # 3.2
    "head kind 0": poke(MODEL, 240, 0), "head kind 4": poke(MODEL, 240, 4), "input_norm": poke(MODEL, 244, 99), "input_norm size": poke(MODEL, 244, 0, **BYTES),
    "projection in linear": poke(MODEL, 248, 0), "projection bias in linear": poke(MODEL, 252, 0), "projection bits in linear": poke(MODEL, 256, 16),
    "byte_table in linear": poke(MODEL, 260, 0), "positions in linear": poke(MODEL, 264, 0), "bits in linear": poke(MODEL, 268, 22),
    "output_norm in linear": poke(MODEL, 272, 4), "head tensor": poke(MODEL, 276, 2), "head none": poke(MODEL, 276, NONE),
    "head bias": poke(MODEL, 280, 0), "head bias size": poke(MODEL, 280, VECTOR), "head bits": poke(MODEL, 284, 12),
    "head bits 8": poke(MODEL, 284, 8), "head bits 0": poke(MODEL, 284, 0), "logit bits": poke(MODEL, 288, 63),
    "logit bits low": poke(MODEL, 288, -33), "head reserved": poke(MODEL, 316, 1),
    "decoder as linear": poke(MODEL, 240, 1, **DECODER), "decoder as slots": poke(MODEL, 240, 2, **DECODER), "slots as decoder": poke(MODEL, 240, 3, **SLOTS),
    "linear as slots": poke(MODEL, 240, 2, 20, 5), "projection rows": poke(MODEL, 248, 0, **DECODER), "projection none": poke(MODEL, 248, NONE, **SLOTS),
    "projection bits": poke(MODEL, 256, 8, **DECODER), "decoder without table": poke(MODEL, 260, NONE, **DECODER),
    "slots with table": poke(MODEL, 260, 0, **SLOTS),
    "decoder table rows": poke(MODEL, 260, 0, **DECODER), "head positions none": poke(MODEL, 264, NONE, **SLOTS),
    "head positions rows": poke(MODEL, 264, 0, **SLOTS),
    "head positions other": other_matrix(MODEL, 264, 5, 15, **SLOTS),
    "head stream bits": poke(MODEL, 268, 20, **DECODER), "head stream bits large": poke(MODEL, 268, 63, **DECODER),
    "output_norm index": poke(MODEL, 272, 99, **DECODER), "output_norm size": poke(MODEL, 272, 3, **DECODER),
    "symbols of output": poke(MODEL, 276, 1, **DECODER),
    "output columns": other_matrix(MODEL, 276, 258, 14, **DECODER),
    # 4
    "empty step": poke(SCHEDULE, 0, NONE, 4, NONE, 8, NONE, 12, NONE, 16, NONE), "step attention": poke(SCHEDULE, 0, 2),
    "step feed-forward": poke(SCHEDULE, 4, 2), "step norm": poke(SCHEDULE, 8, 5), "step norm 2": poke(SCHEDULE, 12, 5),
    "norm without attention": poke(SCHEDULE, 0, NONE, 16, NONE), "norm without feed-forward": poke(SCHEDULE, 4, NONE),
    "slot": poke(SCHEDULE, 16, 2), "slot none": poke(SCHEDULE, 16, NONE), "slot twice": poke(SCHEDULE, 16, 1),
    "slot without attention": poke(SCHEDULE, 0, NONE, 8, NONE), "section 0": poke(SCHEDULE, S0 + 20, 0), "section 4": poke(SCHEDULE, S1 + 20, 4),
    "sections descend": poke(SCHEDULE, S4 + 16, NONE, S4 + 20, 3, S4 + 28, 19, S5 + 16, 1, S5 + 20, 2, S5 + 28, 22, **DECODER, narrow=(24, 24)),
    "step flags": poke(SCHEDULE, S1 + 24, 3, **BYTES), "replacing in the core": poke(SCHEDULE, S0 + 24, 1),
    "replacing without feed-forward": poke(SCHEDULE, S0 + 4, NONE, S0 + 12, NONE, S0 + 24, 1, **BYTES), "step bits": poke(SCHEDULE, S0 + 28, 21),
    "replacing bits": poke(SCHEDULE, S1 + 28, 63, **BYTES), "bits in the embedder": poke(SCHEDULE, S0 + 28, 21, **BYTES),
    "bits at the embedder's end": poke(SCHEDULE, S2 + 28, 21, **BYTES), "bits in the head": poke(SCHEDULE, S5 + 28, 20, **DECODER),
    "slot in the embedder": poke(SCHEDULE, S0 + 16, 2, model=(16, 3), **BYTES), "slot in the head": poke(SCHEDULE, S5 + 16, 2, model=(16, 3), **DECODER),
    "embedder steps with tokens": poke(SCHEDULE, S0 + 20, 1, S0 + 16, NONE, S1 + 16, 0, model=(16, 1)),
    "head steps in linear": poke(SCHEDULE, S1 + 20, 3, S1 + 16, NONE, model=(16, 1)),
    "width at the embedder's end": change(resize(SCHEDULE, lambda d: d[:S2] + d[S3:]), **BYTES), "attention width": poke(SCHEDULE, S0, 2, **BYTES),
    "attention_norm size": poke(SCHEDULE, S0 + 8, 3, **BYTES), "feed_forward_norm size": poke(SCHEDULE, S0 + 12, 3, **BYTES),
    "feed-forward input": poke(SCHEDULE, S1 + 4, 2, **BYTES), "feed-forward output": poke(SCHEDULE, S1 + 24, 0, S1 + 28, 20, **BYTES),
    "core attention": poke(SCHEDULE, S3, 0, **BYTES), "core feed-forward": poke(SCHEDULE, S3 + 4, 0, **BYTES), "core norm": poke(SCHEDULE, S3 + 8, 0, **BYTES),
    "rotation for slots": lambda: Example(context=4, **BYTES).image(), "steps": change(resize(SCHEDULE, lambda d: d * 2049)),
    # 5.1 and 5.2
    "qkv tensor": poke(ATTENTION, 0, 99), "qkv shape": poke(ATTENTION, 0, 0), "qkv bias": poke(ATTENTION, 4, VECTOR),
    "bits 8 with codes of 16": poke(ATTENTION, 8, 8), "output shape": poke(ATTENTION, 12, 0), "heads 0": poke(ATTENTION, 24, 0),
    "heads": poke(ATTENTION, 24, 3), "heads huge": poke(ATTENTION, 24, 2**32 - 2), "kv heads 0": poke(ATTENTION, 28, 0), "kv heads": poke(ATTENTION, 28, 3),
    "head size 0": poke(ATTENTION, 32, 0), "head size": poke(ATTENTION, 32, 4097), "rotation index": poke(ATTENTION, 36, 99),
    "rotation kind": poke(ATTENTION, 36, 0), "odd head size": poke(ATTENTION, 36, 1, rotation=False, head_size=5),
    "pairing": poke(ATTENTION, 40, 1), "pairing without rotation": poke(ATTENTION, 40, 1, rotation=False),
    "mantissa low": poke(ATTENTION, 44, 2**30 - 1), "mantissa": poke(ATTENTION, 44, 2**31), "score exponent": poke(ATTENTION, 48, 65),
    "score exponent low": poke(ATTENTION, 48, -1), "attention reserved": poke(ATTENTION, 60, 1),
    "rotation columns": poke(ATTENTION, 36, first_tensor(4), 24, 2, 28, 1, 32, 12),
    "output rows": other_matrix(ATTENTION, 12, 25, 24),
    # 5.3
    "ffn output": other_matrix(FFN, 32, 65537, 40, width=8), "ffn size": other_matrix(FFN, 20, 65537, 24, width=8),
    "ffn kind": poke(FFN, 0, 3), "activation": poke(FFN, 4, 8), "gate none": poke(FFN, 8, NONE), "gate in plain": poke(FFN, 8, 0, gated=False),
    "gate bits in plain": poke(FFN, 16, 16, gated=False), "gate shape": poke(FFN, 8, 0), "up": poke(FFN, 20, 99),
    "gate columns": other_matrix(FFN, 8, 40, 25), "down": poke(FFN, 32, 0),
    "no piecewise": poke(FFN, 44, NONE, **PIECEWISE),
    "piecewise not wanted": poke(FFN, 44, 0), "piecewise kind": poke(FFN, 44, 0, **PIECEWISE), "ffn reserved": poke(FFN, 60, 1),
    # 5.4
    "norm kind": poke(NORM, 0, 0), "norm weight": poke(NORM, 4, NONE), "norm weight kind": poke(NORM, 4, 0), "norm bias": poke(NORM, 8, 0),
    "norm bias size": change(lambda e: e.poke(NORM, 8, struct.unpack_from("<I", e.parts[5][3], 8)[0]), **BYTES, **BIASED),
    "norm bias exponent": poke(NORM, 8, VECTOR), "norm bits": poke(NORM, 12, 63), "norm reserved": poke(NORM, 24, 1),
    # 6
    "encoding 0": tensor_lie(2, 0, 0), "encoding 6": tensor_lie(2, 0, 6), "encoding other": tensor_lie(2, 0, 1), "rows 0": tensor_lie(3, 4, 0),
    "rows": tensor_lie(2, 4, 2**20 + 1), "columns 0": tensor_lie(3, 8, 0), "columns": tensor_lie(2, 8, 65537), "matrix exponent": tensor_lie(2, 12, 128),
    "matrix exponent low": tensor_lie(2, 12, -65), "vector rows": tensor_lie(3, 4, 2), "vector exponent": tensor_lie(3, 12, 63),
    "vector exponent low": tensor_lie(3, 12, -33), "rotation exponent": tensor_lie(4, 12, 13), "tensor reserved": tensor_lie(2, 28, 1),
    "rotation columns large": tensor_lie(4, 8, 65537),
    "piecewise rows": tensor_lie(5, 4, 2, **PIECEWISE), "piecewise breakpoints": tensor_lie(5, 8, 65, **PIECEWISE),
    "breakpoints order": change(weights(first_tensor(5, **PIECEWISE), lambda d: set32(d, 4, -2**30)), **PIECEWISE),
    "breakpoints equal": change(weights(first_tensor(5, **PIECEWISE), lambda d: d[4:8] + d[4:]), **PIECEWISE),
    "weights size": change(weights(1, lambda d: d + b"\0")), "weights size less": change(weights(1, lambda d: d[:-1])),
    "vector columns": tensor_lie(3, 8, 2**20 + 1),
    # 7
    "name text": poke(NAMES, 0, 10**6), "name target": poke(NAMES, 8, 99), "name rows": poke(NAMES, 16, 301), "name first row": poke(NAMES, 12, 1),
    "rows wrap": poke(NAMES, 12, 2**31 - 1, 16, 2**31 + 1), "alias with row": poke(NAMES, 20 * 17 + 12, 2**31 + 1),
    "alias with rows": poke(NAMES, 20 * 17 + 16, 1),
    "alias target": poke(NAMES, 20 * 17 + 8, 18), "alias of itself": poke(NAMES, 20 * 17 + 8, 17),
    "names": change(resize(NAMES, lambda d: d * (262144 // 18 + 1))), "NUL in text": change(resize(TEXT, lambda d: d + b"\0")),
    "name without rows": poke(NAMES, 16, 0), "text size": change(resize(TEXT, lambda d: d + b" " * 2**24)),
    # 8
    "tokenizer kind 0": poke(TOKENIZER, 0, 0), "tokenizer kind 4": poke(TOKENIZER, 0, 4), "tokenizer flags": poke(TOKENIZER, 4, 2),
    "piece count": poke(TOKENIZER, 8, 301), "piece count 0": poke(TOKENIZER, 8, 0), "piece count less": poke(TOKENIZER, 8, 266),
    "longest": poke(TOKENIZER, 12, 9), "longest large": poke(TOKENIZER, 12, 4097), "byte token": poke(TOKENIZER, 16, 267),
    "pre_split": poke(TOKENIZER, 528, 2), "pre_split with characters": poke(TOKENIZER, 528, 1, 4, 0, **UTF8),
    "pre_split with a space": poke(TOKENIZER, 528, 1, 4, 1),
    "tokenizer reserved": poke(TOKENIZER, 532, 1), "tokenizer reserved at the end": poke(TOKENIZER, 1020, 1),
    "words with flags": poke(TOKENIZER, 4, 1, **WORDS), "words with reserved": poke(TOKENIZER, 1020, 1, **WORDS),
    "words with pre_split": poke(TOKENIZER, 528, 1, **WORDS),
    **{f"words with region {k}": change(insert(9, [k, 64, bytes(8192)]), **WORDS) for k in range(10, 15)},
    "words with tokens": lambda: Example(tokenizer=3).image(), "words with tokens in": lambda: Example(tokenizer=3, head="slots").image(),
    "words with tokens out": lambda: Example(tokenizer=3, **BYTES).image(), "words as pieces": poke(TOKENIZER, 0, 1, **WORDS),
    "first offset": poke(OFFSETS, 0, 1), "offsets order": poke(OFFSETS, 4, 99), "last offset": poke(OFFSETS, 4 * 267, 10**6),
    "offsets size": change(resize(OFFSETS, lambda d: d + bytes(4))), "piece bytes": change(resize(PIECES, lambda d: d + b"x")),
    "merge token": poke(MERGES, 0, 267), "merge result": poke(MERGES, 4, 267), "merge length": poke(MERGES, 4, 4),
    "merge of other bytes": change(lambda e: swap_pieces(e, b"aa", b"th")),
    "byte of another": poke(TOKENIZER, 16, 3 + (3 << 16)), "byte of a longer piece": poke(TOKENIZER, 16, 0 + (4 << 16)),
    "characters in kind 1": change(lambda e: e.regions.insert(12, [13, 64, struct.pack("<II", 97, 100)])),
    "character of another": poke(CHARACTERS, 4, 3 + ord("!"), **UTF8), "character of other bytes": poke(CHARACTERS, 8, ord("b"), **UTF8),
    "merge order": change(resize(MERGES, lambda d: d[8:] + d[:8])),
    "merge twice": change(resize(MERGES, lambda d: d[:8] + d)), "adjacency more": change(resize(ADJACENCY, lambda d: with_byte(d, 77, 1))),
    "adjacency less": change(resize(ADJACENCY, lambda d: bytes(8192))), "character token": poke(CHARACTERS, 4, 10**6, **UTF8),
    "character order": change(resize(CHARACTERS, lambda d: d[8:] + d[:8]), **UTF8), "surrogate": poke(CHARACTERS, 24, 0xD800, **UTF8),
    "scalar": poke(CHARACTERS, 24, 0x110000, **UTF8),
    "all pieces empty": change(lambda e: (e.region(OFFSETS).__setitem__(2, bytes(4 * 268)), drop(MERGES)(e), e.poke(TOKENIZER, 12, 0))),
}


# What only verifying finds
HIDDEN_LIES = {
    "weights checksum": lambda: with_byte(Example().image(), -1, 77),
    "padding scales": change(weights(0, lambda d: with_byte(d, -1, 1)), vocabulary=300),
    "padding rows": change(weights(0, lambda d: with_byte(d, -2 * 304 - 1, 1))),
    "padding columns": change(weights(0, lambda d: with_byte(d, 23 // 2 * 64 + 3, 1)), hidden=23),
}

# What "should" allows, and limits reached
ALLOWED = {
    "text no UTF-8": change(resize(TEXT, lambda d: d + b"\xff")),
    "stop 256": change(lambda e: (resize(TEXT, lambda d: d + b"a" * 256)(e), e.poke(MODEL, 92, 256))),
    "name of bytes": change(lambda e: (e.region(TEXT).__setitem__(2, "é".encode() + e.text), e.poke(NAMES, 0, 1))),
    "unused long vector": change(lambda e: (e.region(TENSORS).__setitem__(2, e.region(TENSORS)[2] + struct.pack("<IIIi16x", 3, 1, 2**20, 62)),
                                            e.regions.append([WEIGHTS, 64, bytes(2**22)]))),
    "any weights code": change(weights(1, lambda d: b"\x00\x80" * (len(d) // 2))),
    "exact limits": poke(MODEL, 60, 6553600, 64, NONE, 68, 1, 72, 65536, 76, 6553600, 80, 65536),
    "no vocabulary": poke(MODEL, 4, 0, 40, 0, 44, NONE, tokenizer=0, **DECODER), "32 slots": lambda: Example(block=32, context=32, **SLOTS).image(),
    "one slot": lambda: Example(block=1, **DECODER).image(), "stream of width 1": lambda: Example(narrow=(1, 1), **DECODER).image(),
    "no steps in the core": lambda: Example(steps=0, **BYTES).image(), "no steps in the head": lambda: Example(plain=True, **SLOTS).image(),
    "unused parts of other widths": change(lambda e: (resize(SCHEDULE, lambda d: d[S3:])(e), e.poke(MODEL, 220, 22)), **BYTES, narrow=(24, 14)),
    "words": lambda: Example(**WORDS).image(), "words in slots": lambda: Example(**{**WORDS, "head": "slots"}).image(),
    "pre_split": lambda: Example(pre_split=1).image(), "pieces with blocks": lambda: Example(pre_split=1, **DECODER).image(),
    "part of a tensor": poke(NAMES, 12, 299, 16, 1),
}


class Refusals(unittest.TestCase):
    def test_hidden_lies(self):
        for name, make in HIDDEN_LIES.items():
            with self.subTest(name):
                logits = Forward(Reader(make()).model).logits([1, 2])
                if name.startswith("padding"):
                    honest = Reader(Example(hidden=23 if "columns" in name else 24).image()).model
                    self.assertTrue((logits == Forward(honest).logits([1, 2])).all())
                with self.assertRaises(Refused):
                    Reader(make(), verify=True)

    def test_allowed(self):
        for name, make in ALLOWED.items():
            with self.subTest(name):
                Reader(make(), verify=True)

    def test_lies(self):
        honest = Reader(Example().image())
        self.assertEqual(len(honest.model.names), 18)
        for name, make in LIES.items():
            with self.subTest(name):
                with self.assertRaises(Refused) as caught:
                    Reader(make())
                sentence = str(caught.exception)
                self.assertNotIn("\n", sentence)
                self.assertGreater(len(sentence), 10)
                if os.environ.get("SHOW_WORST"):
                    print(f"{name}: {sentence}")

    def test_random_damage(self):
        """Whatever single field is changed, with right checksums, the file is refused or computes."""
        random = np.random.default_rng(4)
        values = [0, 1, 2, 3, 255, 2**16, 2**30, 2**31 - 1, 2**31, NONE - 1, NONE]
        for k in range(500):
            byte_model = ({}, BYTES, SLOTS, DECODER, {"head": "decoder"})[k % 5]
            example = Example(seed=1, tokenizer=k % 3, bos=0 if k % 3 else None, pre_split=int(k % 6 == 1),
                              activation=7, bias=True, kind=2, vocabulary=311, **byte_model)
            region = example.regions[random.integers(0, len(example.regions) - len(example.bodies))]
            at = 4 * int(random.integers(0, max(1, len(region[2]) // 4)))
            value = int(random.choice(values)) if k % 2 else int(random.integers(0, 64))
            region[2] = set32(region[2], at, value)
            try:
                model = Reader(example.image()).model
                Forward(model).logits([[3] * model.block_size] * 2 if model.bytes_in else [3, 4])
            except Refused:
                pass


if __name__ == "__main__":
    unittest.main()
