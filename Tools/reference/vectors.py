#!/usr/bin/env python3
"""Model files of Formats/vectors and what they compute: vectors.json, for any implementation to be tried on.

    python3 Tools/reference/vectors.py                      checks all of them
    python3 Tools/reference/vectors.py add NAME "1 5 9"     adds NAME.stlm of that folder, with these inputs

An entry has the file's size and CRC-32, inputs as the command `logits` takes them, the CRC-32 of the int32 logits with each type of keys
and values, what is drawn after the inputs with seed 1 and the model's own sampling settings, and with a tokenizer what goes in for the text
below. Entries are added and never changed, as the format is frozen."""
import json
import os
import sys
import zlib

from forward import Forward
from generation import generate
from model_file import open_model
from stlm_reference import encode, numbers, parse_inputs

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Formats", "vectors")
LIST = os.path.join(FOLDER, "vectors.json")
TYPES, DRAWN, SEED = ("int16", "int8", "int4"), 12, 1
TEXT = "The thé, there:\n a€ aaaa\U0001F600 the"


def entries():
    with open(LIST, encoding="ascii") as file:
        return json.load(file)


def entry(name, words):
    path = os.path.join(FOLDER, name + ".stlm")
    model = open_model(path)
    inputs = parse_inputs(model, words)
    with open(path, "rb") as file:
        data = file.read()
    logits = {}
    for kind in TYPES if model.causal else TYPES[:1]:
        rows = Forward(model, kind).logits(inputs, inputs[1:] if model.bytes_in else ())
        logits[kind] = f"{zlib.crc32(rows.astype('<i4').tobytes()):08X}"
    made = {"name": name, "bytes": len(data), "crc32": f"{zlib.crc32(data):08X}", "inputs": words, "logits_crc32": logits}
    if model.causal and model.bytes_in == model.bytes_out:
        drawn = generate(model, inputs, model.settings, DRAWN, seed=SEED, context=model.context_default, slide=False, ignore_end=True)[0]
        made["drawn"] = " ".join(map(str, numbers(drawn)))
    if model.tokenizer:
        made["encoded"] = " ".join(map(str, numbers(encode(model, TEXT.encode()))))
    return made


def add(name, words):
    known = entries() if os.path.exists(LIST) else []
    if any(e["name"] == name for e in known):
        sys.exit(f"{name} is in {LIST} already, and the format is frozen; give the file another name.")
    known.append(entry(name, words))
    with open(LIST, "w", encoding="ascii") as file:
        json.dump(known, file, indent=1)
        file.write("\n")


def check():
    """Names of those that differ."""
    return [e["name"] for e in entries() if entry(e["name"], e["inputs"]) != e]


if __name__ == "__main__":
    if sys.argv[1:2] == ["add"] and len(sys.argv) == 4:
        add(*sys.argv[2:])
    elif len(sys.argv) == 1:
        wrong = check()
        print(f"{len(entries())} files, {len(wrong)} differ{': ' if wrong else '.'}{', '.join(wrong)}")
        sys.exit(1 if wrong else 0)
    else:
        sys.exit(__doc__)
