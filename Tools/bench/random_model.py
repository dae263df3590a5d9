#!/usr/bin/env python3
"""Writes a llama2.c model (version 0, tied) with seeded random weights, for measuring speed: random_model.py SHAPE OUT.bin

Shapes: 260K, 15M, 42M, 110M, those of the TinyStories models. Needs numpy.
"""
import struct
import sys

import numpy as np

# dim, hidden, layers, heads, key-value heads, vocabulary, context
SHAPES = {
    "260K": (64, 172, 5, 8, 4, 512, 512),
    "15M": (288, 768, 6, 6, 6, 32000, 256),
    "42M": (512, 1376, 8, 8, 8, 32000, 1024),
    "110M": (768, 2048, 12, 12, 12, 32000, 1024),
}


def write(shape, path, seed=1):
    dim, hidden, layers, heads, kv_heads, vocabulary, context = SHAPES[shape]
    head_size = dim // heads
    kv_dim = kv_heads * head_size
    random = np.random.default_rng(seed)

    with open(path, "wb") as file:
        def weights(*size):
            values = random.standard_normal(size, dtype=np.float32) / np.float32(np.sqrt(size[-1]))
            file.write(values.tobytes())

        def ones(*size):
            file.write(np.ones(size, np.float32).tobytes())

        file.write(struct.pack("<7i", dim, hidden, layers, heads, kv_heads, vocabulary, context))
        weights(vocabulary, dim)
        ones(layers, dim)
        for rows in (dim, kv_dim, kv_dim, dim):
            weights(layers, rows, dim)
        ones(layers, dim)
        weights(layers, hidden, dim)
        weights(layers, dim, hidden)
        weights(layers, hidden, dim)
        ones(dim)
        # Two tables of rotary frequencies that readers skip.
        file.write(np.zeros((2, context, head_size // 2), np.float32).tobytes())


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SHAPES:
        sys.exit("usage: random_model.py %s OUT.bin" % "|".join(SHAPES))
    write(sys.argv[1], sys.argv[2])
