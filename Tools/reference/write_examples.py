"""Writes random model files whose matrices have all encodings, to compare implementations with:

    python3 Tools/reference/write_examples.py FOLDER

For each there are NAME.stlm and NAME.ids, inputs for the command `logits`."""

import os
import sys

import numpy as np

from example_files import Example

MIX = (8, 9, 2, 6, 1, 11, 10, 7, 12)
BYTES = {"embedder": "bytes"}
EXAMPLES = {
    **{f"encoding {k}": {"encodings": (k,)} for k in (1, 2, *range(6, 13))},
    **{f"encoding {k}, 8 bits": {"encodings": (k,), "activation_bits": 8} for k in range(6, 13)},
    **{f"encoding {k}, slots": {"encodings": (k,), **BYTES, "head": "slots"} for k in range(6, 13)},
    **{f"encoding {k}, decoder": {"encodings": (k,), **BYTES, "head": "decoder"} for k in range(6, 13)},
    **{f"encoding {k}, corrected": {"encodings": (k,), "rank": 3} for k in (1, 2, *range(6, 13))},
    "all": {"encodings": MIX, "hidden": 40, "ffn": 70, "positions": True, "ledger": True}, "untied": {"encodings": MIX, "tied": False, "bias": True, "kind": 2},
    "wide": {"encodings": MIX, "hidden": 300, "steps": 1, "bias": True}, "corrected": {"encodings": MIX, "rank": 5, "hidden": 36, "bias": True, "kind": 2},
    "corrected, 8 bits": {"encodings": (8, 1, 9), "rank": 4, "rank_bits": 8, "activation_bits": 8},
    "corrected, 16 and 8 bits": {"encodings": (8, 2, 9), "rank": 4, "rank_bits": 8},
    "corrected, not causal": {"encodings": MIX, "rank": 1, "causal": False, "shared": True},
    "corrected, no norms": {"encodings": MIX, "rank": 2, "norms": False, "steps": 1},
    "corrected, slots": {"encodings": MIX, "rank": 4, **BYTES, "head": "slots", "bias": True},
    "corrected, decoder": {"encodings": MIX, "rank": 4, **BYTES, "head": "decoder", "ledger": True},
    "corrected, bytes in": {"encodings": MIX, "rank": 20, **BYTES, "narrow": (33, 20)},
    "corrected, tokens in": {"encodings": MIX, "rank": 2, "head": "decoder"},
}


def inputs_of(example, seed):
    """Tokens, or blocks of symbols."""
    random = np.random.default_rng(seed)
    return (random.integers(0, 258, (6, example.block)) if example.bytes_in else random.integers(0, example.vocabulary, 12)).tolist()


def write_examples(folder):
    os.makedirs(folder, exist_ok=True)
    for k, (name, settings) in enumerate(EXAMPLES.items()):
        example = Example(seed=k, **settings)
        path = os.path.join(folder, name.replace(",", "").replace(" ", "-"))
        with open(path + ".stlm", "wb") as file:
            file.write(example.image())
        with open(path + ".ids", "w", encoding="ascii") as file:
            print(*np.ravel(inputs_of(example, k)), file=file)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_examples(sys.argv[1])
