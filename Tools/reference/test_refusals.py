"""One lie for every rule of stlm-1: each must be refused with one sentence."""

import os
import struct
import sys
import unittest

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from example_files import NONE, Example, set32
from forward import Forward
from lies import (ADJACENCY, ATTENTION, CHARACTERS, FFN, LEDGER, MERGES, MODEL, NAMES, NORM, OFFSETS, PIECES, SCHEDULE, TENSOR_ERRORS, TENSORS,
                  TEXT, TOKENIZER, TRANSCRIPT, WEIGHTS, before_weights, change, damaged_later, drop, entry, first_tensor, insert, last_weights_padding, level,
                  other_digits, other_matrix, part_lie, poke, put, ranked, raw, resize, set_bits, swap_pieces, tensor_lie,
                  unused, weights, with_byte)
from model_file import Reader
from refusal import Refused

R, PIECEWISE, UTF8 = {"rotation": True}, {"activation": 7}, {"tokenizer": 2, "vocabulary": 311}
BIASED = {"kind": 2, "bias": True}
BYTES = {"embedder": "bytes"}
WORDS = {"tokenizer": 3, "embedder": "bytes", "head": "decoder"}
SLOTS, DECODER = {**BYTES, "head": "slots"}, {**BYTES, "head": "decoder"}
S0, S1, S2, S3, S4, S5 = range(0, 192, 32)
VECTOR, ROTATION = first_tensor(3), first_tensor(4)
B_VECTOR = first_tensor(3, **BIASED)
CORRECTED = {"rank": 2, "encodings": (1,)}
C, C_VECTOR = first_tensor(13, **CORRECTED), first_tensor(3, **CORRECTED)
named = lambda kind, at, **settings: poke(kind, at, first_tensor(13, **CORRECTED, **settings), **CORRECTED, **settings)
UNMEASURED = [word for at in range(56, 120, 4) for word in (at, 0)]

LIES = {
    # 2.1
    "short file": lambda: Example().image()[:63], "empty file": lambda: b"", "magic": raw(put(0, 0x88)),
    "format version": raw(put(8, 2)), "draft": raw(put(10, 1)), "features": raw(put(12, 1)), "file size": raw(put(16, 0)),
    "cut file": lambda: Example().image()[:-1], "longer file": lambda: Example().image() + b"\0",
    "no regions": raw(put(24, 0, 0, 0, 0)), "region count": raw(put(24, 255, 255)), "header reserved": raw(put(63, 1)),
    "many regions": raw(put(26, 1)), "header checksum": raw(put(28, 1, 2, 3, 4), False),
    # 2.2 and 2
    "kind 0": raw(put(entry(0, 0), 0)), "kind 17": change(before_weights([17, 64, b"x"])),
    "kind 31": change(before_weights([31, 64, b"x"])), "kind 65": change(lambda e: e.regions.append([65, 64, b"x"])),
    "later kinds' order": change(before_weights([34, 64, b"x"], [33, 64, b"x"])), "later kind twice": change(before_weights([40, 64, b"x"], [40, 64, b"x"])),
    "later kind's alignment": change(before_weights([63, 16384, b"x"])), "later kind's checksum": damaged_later,
    "later kind after weights": change(lambda e: e.regions.append([40, 64, b"x"])), "later kind before tables": change(insert(3, [40, 64, b"x"])),
    "later kind empty": change(before_weights([40, 64, b""])), "ledger size": change(resize(LEDGER, lambda d: d * 2), ledger=True),
    "no ledger": change(drop(LEDGER), ledger=True), "no tensor errors": change(drop(TENSOR_ERRORS), ledger=True),
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
    "encoding 0": tensor_lie(2, 0, 0), "encoding 14": tensor_lie(2, 0, 14), "encoding other": tensor_lie(2, 0, 1), "rows 0": tensor_lie(3, 4, 0),
    "rows": tensor_lie(2, 4, 2**20 + 1), "columns 0": tensor_lie(3, 8, 0), "columns": tensor_lie(2, 8, 65537), "matrix exponent": tensor_lie(2, 12, 128),
    "matrix exponent low": tensor_lie(2, 12, -65), "vector rows": tensor_lie(3, 4, 2), "vector exponent": tensor_lie(3, 12, 63),
    "vector exponent low": tensor_lie(3, 12, -33), "rotation exponent": tensor_lie(4, 12, 13), "tensor reserved": tensor_lie(2, 28, 1),
    "rotation columns large": tensor_lie(4, 8, 65537),
    "piecewise rows": tensor_lie(5, 4, 2, **PIECEWISE), "piecewise breakpoints": tensor_lie(5, 8, 65, **PIECEWISE),
    "breakpoints order": change(weights(first_tensor(5, **PIECEWISE), lambda d: set32(d, 4, -2**30)), **PIECEWISE),
    "breakpoints equal": change(weights(first_tensor(5, **PIECEWISE), lambda d: d[4:8] + d[4:]), **PIECEWISE),
    "weights size": change(weights(1, lambda d: d + b"\0")), "weights size less": change(weights(1, lambda d: d[:-1])),
    "vector columns": tensor_lie(3, 8, 2**20 + 1),
    **{f"{name} of encoding {k}": tensor_lie(k, 4 * field, value, encodings=(k,), hidden=33) for k in range(6, 13) for name, field, value in (
        ("rows 0", 1, 0), ("rows", 1, 2**20 + 1), ("columns 0", 2, 0), ("columns", 2, 8193 if k < 11 else 65537), ("exponent", 3, 128),
        ("exponent low", 3, -65), ("reserved", 5, 1), ("another encoding", 0, k % 12 + 1))},
    **{f"columns over the limit {k}": unused(1, 8193 if k in range(6, 11) else 65537, encodings=(k,)) for k in (1, 2, *range(6, 13))},
    **{f"{name} of encoding {k}": change(weights(0, edit), encodings=(k,)) for k in range(6, 13) for name, edit in (
        ("a byte more", lambda d: d + b"\0"), ("a byte less", lambda d: d[:-1]))},
    **{f"level {value} of {bits} bits": level(k, value, bits) for bits in (2, 3, 4, 5) for k, value in ((0, 65), (2**bits - 1, -65), (1, 127), (2, -128))},
    "corrected bytes": change(weights(C, lambda d: d + bytes(4)), **CORRECTED), "corrected exponent": tensor_lie(13, 12, 1, **CORRECTED),
    "corrected rows": tensor_lie(13, 4, 49, **CORRECTED), "corrected columns": tensor_lie(13, 8, 25, **CORRECTED),
    "corrected columns large": tensor_lie(13, 8, 65537, **CORRECTED), "corrected reserved": tensor_lie(13, 31, 1, **CORRECTED),
    **{f"{name} {what}": part_lie(4 * k, value, **CORRECTED) for k, name in enumerate(("base", "down", "up"))
       for what, value in (("index", 999), ("none", NONE), ("a vector", C_VECTOR), ("corrected", C))},
    "base of another shape": part_lie(0, 0, **CORRECTED), "down of other columns": part_lie(4, C - 1, **CORRECTED),
    "up of other rows": part_lie(8, C - 2, **CORRECTED),
    "up of another rank": part_lie(8, C - 3, **CORRECTED), "rank": ranked(1025, **CORRECTED), "bits of up's input": part_lie(12, 12, **CORRECTED),
    "bits of up's input 0": part_lie(12, 0, **CORRECTED), "bits of up's input 8": lambda: Example(rank=2, rank_bits=8, encodings=(2, 1, 1)).image(),
    "bits 8 with a base of 16": lambda: Example(rank=2, activation_bits=8, encodings=(1, 2, 1)).image(),
    "bits 8 with a down of 16": lambda: Example(rank=2, activation_bits=8, encodings=(1, 1, 2)).image(),
    "corrected table": change(lambda e: e.poke(MODEL, 212, len(e.tensors) - 1), **CORRECTED, norms=False),
    "corrected positions": named(MODEL, 216, positions=True), "corrected byte table": named(MODEL, 260, **DECODER),
    "corrected embedder table": named(MODEL, 212, **BYTES), "corrected slots": named(MODEL, 216, **BYTES),
    "corrected head positions": named(MODEL, 264, **SLOTS), "corrected norm": poke(NORM, 4, C, **CORRECTED),
    "corrected rotation": poke(ATTENTION, 36, C, **CORRECTED), "corrected bias": poke(ATTENTION, 4, C, **CORRECTED),
    "corrected rows of a layer": poke(ATTENTION, 12, C, **CORRECTED),
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
    # 11
    **{f"{name} past text": poke(LEDGER, at, 10**6, ledger=True) for name, at in (
        ("options", 0), ("options size", 4), ("calibration_text", 8), ("verification_text", 36))},
    "options empty": poke(LEDGER, 4, 0, ledger=True), "options none": poke(LEDGER, 0, 0, 4, 0, ledger=True),
    "calibration_text empty": poke(LEDGER, 12, 0, ledger=True), "verification_text empty": poke(LEDGER, 36, 0, ledger=True),
    "verification_text none": poke(LEDGER, 32, 0, 36, 0, ledger=True), "verification_count 0": poke(LEDGER, 48, 0, *UNMEASURED, ledger=True),
    **{f"ledger's field at {at}, not measured": poke(LEDGER, 32, 0, 36, 0, 48, 0, *UNMEASURED, at, 1, ledger=True) for at in range(56, 120, 4)},
    **{f"ledger's sum at {at}": poke(LEDGER, at + 4, 2**30, ledger=True) for at in (64, 72, 80, 88, 104)},
    "transcript size": change(resize(TRANSCRIPT, lambda d: d * 2), transcript=True), "no positions": poke(TRANSCRIPT, 0, 0, transcript=True),
    "positions beyond the context": poke(TRANSCRIPT, 0, 21, transcript=True), "transcript reserved": poke(TRANSCRIPT, 60, 1, transcript=True),
    "65 positions": poke(TRANSCRIPT, 0, 65, transcript=True, context=80),
    "transcript before the ledger": change(
        lambda e: e.regions.insert(0, e.regions.pop(next(k for k, r in enumerate(e.regions) if r[0] == TRANSCRIPT))), transcript=True),
    "agreement_count": poke(LEDGER, 112, 901, ledger=True), "ledger reserved": poke(LEDGER, 120, 1, ledger=True),
    "ledger reserved at the end": poke(LEDGER, 252, 2**31, ledger=True),
    "tensor errors more": change(resize(TENSOR_ERRORS, lambda d: d + bytes(8)), ledger=True),
    "tensor errors less": change(resize(TENSOR_ERRORS, lambda d: d[:-8]), ledger=True),
    "tensor errors' size": change(resize(TENSOR_ERRORS, lambda d: d[:-4]), ledger=True),
    "error of a vector": poke(TENSOR_ERRORS, 8 * VECTOR, 1, ledger=True), "divergence of a rotation": poke(TENSOR_ERRORS, 8 * ROTATION + 4, 1, ledger=True),
    "error of a piecewise linear": poke(TENSOR_ERRORS, 8 * first_tensor(5, **PIECEWISE), 1, ledger=True, **PIECEWISE),
}


LINES = {6: [1], 7: [1, 1], 8: [2], 9: [2, 1], 10: [2, 1], 12: [1]}
LEVELS = {6: 4, 7: 8, 8: 16, 9: 32}
# What only verifying finds, besides a checksum
HIDDEN_LIES = {
    "padding scales": (weights(0, lambda d: with_byte(d, -1, 1)), {}),
    "padding rows": (weights(0, lambda d: with_byte(d, -2 * 304 - 1, 1)), {}),
    "padding columns": (weights(0, lambda d: with_byte(d, 23 // 2 * 64 + 3, 1)), {"hidden": 23}),
    # 300 rows of 12 columns are 19 blocks of 16, in each the lines of the first plane, of the second, and 16 bytes of group scales
    **{f"padding scales {k}": (weights(0, lambda d, k=k: with_byte(d, -1 - LEVELS.get(k, 0), 1)), {"encodings": (k,), "hidden": 12}) for k in range(6, 13)},
    **{f"padding rows {k}, plane {p}": (set_bits((18 * sum(lines) + sum(lines[:p])) * 64 + 12 * 4, 2), {"encodings": (k,), "hidden": 12})
       for k, lines in LINES.items() for p in range(len(lines))},
    **{f"padding columns {k}": (set_bits(at, bit), {"encodings": (k,), "hidden": 12}) for k, at, bit in (
        (6, 0, 64), (7, 0, 64), (8, 64, 16), (9, 64, 128), (10, 64, 16), (12, 0, 128))},
    **{f"padding columns {k}, second plane": (set_bits(at, bit), {"encodings": (k,), "hidden": 12}) for k, at, bit in ((7, 64, 8), (9, 128, 8), (10, 128, 64))},
    **{f"group scales of padding rows {k}": (set_bits(19 * 64 * sum(LINES[k]) + 19 * 16 - 1, 1), {"encodings": (k,), "hidden": 12}) for k in range(6, 11)},
    **{f"scales of padding groups {k}": (set_bits(19 * 64 * sum(LINES[k]), 16), {"encodings": (k,), "hidden": 12}) for k in range(6, 11)},
    "padding columns 11": (other_digits(0, 3), {"encodings": (11,), "hidden": 12}),
    "padding rows 11": (other_digits(18 * 64 + 12 * 4, 0), {"encodings": (11,), "hidden": 12}),
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
    "kinds for later": change(before_weights([33, 64, b"x"], [40, 64, bytes(999)], [63, 64, b"\xff"]), ledger=True),
    "any ternary byte": change(weights(1, lambda d: bytes(range(256)) + d[256:]), encodings=(11,), rotation=False, hidden=80),
    "any ternary byte of four": change(weights(1, lambda d: bytes(range(256)) + d[256:]), encodings=(12,), rotation=False, hidden=80),
    "levels at the limit": level(3, 64, 2), "levels at the lower limit": level(0, -64, 5), "rank 1024": ranked(1024, **CORRECTED),
    "any encoding": lambda: Example(encodings=(1, 2, *range(6, 13)), rank=3, ledger=True, positions=True).image(),
    **{f"columns at the limit {k}": unused(1, 8192 if k in range(6, 11) else 65536, encodings=(k,)) for k in (1, 2, *range(6, 13))},
    "nothing measured": poke(LEDGER, 8, 0, 12, 0, 32, 0, 36, 0, 48, 0, *UNMEASURED, ledger=True),
    "greatest sums": poke(LEDGER, 68, 2**30 - 1, 64, NONE, 108, 2**30 - 1, 104, NONE, ledger=True),
    "greatest errors": poke(TENSOR_ERRORS, 0, NONE, 4, NONE, ledger=True),
}


class Refusals(unittest.TestCase):
    def test_hidden_lies(self):
        with self.assertRaises(Refused):
            Reader(with_byte(Example().image(), -1, 77), verify=True)
        for name, (function, settings) in HIDDEN_LIES.items():
            with self.subTest(name):
                example = Example(**settings)
                honest = example.image()
                function(example)
                lie = example.image()
                self.assertNotEqual(lie, honest)
                logits = Forward(Reader(lie).model).logits([1, 2])
                self.assertTrue((logits == Forward(Reader(honest, verify=True).model).logits([1, 2])).all())
                with self.assertRaises(Refused) as caught:
                    Reader(lie, verify=True)
                if os.environ.get("SHOW_WORST"):
                    print(f"{name}: {caught.exception}")

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
                              activation=7, bias=True, kind=2, vocabulary=311, ledger=k % 4 == 0, rank=2 * int(k % 7 == 0),
                              encodings=(2, *range(6, 13)) if k % 3 else (), **byte_model)
            region = example.regions[random.integers(0, len(example.regions) - len(example.bodies))]
            at = 4 * int(random.integers(0, max(1, len(region[2]) // 4)))
            value = int(random.choice(values)) if k % 2 else int(random.integers(0, 64))
            region[2] = set32(region[2], at, value)
            try:
                model = Reader(example.image()).model
                Forward(model).logits([[3] * model.block_size] * 2 if model.bytes_in else [3, 4])
            except Refused:
                pass

    def test_damaged_parts(self):
        """Whatever a corrected matrix names, the file is refused or computes."""
        random, example = np.random.default_rng(6), Example(seed=2, rank=3, encodings=(1, 8, 12), bias=True)
        honest, corrected = example.regions, [k for k, t in enumerate(example.tensors) if t[0] == 13]
        computed = 0
        for _ in range(150):
            example.regions = [list(region) for region in honest]
            part = 4 * int(random.integers(0, 4))
            weights(int(random.choice(corrected)), lambda d: set32(d, part, int(random.integers(0, len(example.tensors) + 2))))(example)
            try:
                Forward(Reader(example.image()).model).logits([3, 4])
                computed += 1
            except Refused:
                pass
        self.assertGreater(computed, 0)


if __name__ == "__main__":
    unittest.main()
