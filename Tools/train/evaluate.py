"""Bits per byte of an STLM model, token level or byte level, on a text, in float32 or float64."""
import argparse
import json
import math
import os
import sys

import numpy as np
import torch
from torch.nn import functional as F

import bpe
import words
from model import Model, wide


def load_checkpoint(path):
    """The checkpoint's dict. It is a pickle: open only files that you trust."""
    if not os.path.isfile(path):
        raise SystemExit(f"There is no checkpoint {path}; check the path.")
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except TypeError:  # PyTorch before 1.13 has no such option
        return torch.load(path, map_location="cpu")


def load_model(path, dtype=torch.float32):
    ckpt = load_checkpoint(path)
    model = Model(ckpt["config"].model)
    model.load_state_dict(ckpt["model"])
    return model.to(dtype).eval(), ckpt


def find_tokenizer(config, folder):
    e = config.model.embedder
    if e.embedding_model_type == "byte_level" and e.tokenizer_type == "words":
        return words.Tokenizer()
    if e.embedding_model_type == "byte_level" or e.tokenizer_type != "bpe":
        raise SystemExit(f"The checkpoint uses the {e.embedding_model_type} embedder with the tokenizer {e.tokenizer_type}, "
                         "but only generic with bpe and byte_level with words can be run here; give another checkpoint.")
    path = os.path.join(folder, f"bpe_{e.dataset_name}_{config.model.vocab_size}.model")
    if not os.path.isfile(path):
        raise SystemExit(f"There is no tokenizer {path}; put it beside the checkpoint or name it with --tokenizer.")
    return bpe.Tokenizer.load(path)


def windows(ids, W):
    """Inputs ids[k*W:(k+1)*W] (tokens or blocks) with targets one further: all ids but the first are scored once."""
    return [ids[s:s + W + 1] for s in range(0, len(ids) - 1, W)]


def total_nll(model, pieces, tokens_per_batch=4096, device="cpu", table=None):
    """Sum of -ln p over all targets of all pieces; returns (nats, count). For byte models `table` holds the blocks."""
    pieces = sorted(pieces, key=len)
    nats, count, i = 0.0, 0, 0
    with torch.no_grad():
        while i < len(pieces):
            j = i + 1
            while j < len(pieces) and len(pieces[j]) * (j + 1 - i) <= tokens_per_batch + len(pieces[j]):
                j += 1
            longest = len(pieces[j - 1])
            x = np.zeros((j - i, longest), np.int64)
            target = np.full((j - i, longest), -100, np.int64)
            for r, p in enumerate(pieces[i:j]):
                x[r, :len(p)] = p
                target[r, :len(p) - 1] = p[1:]
                count += len(p) - 1
            logits, symbols = model.scored(torch.from_numpy(x[:, :-1]).to(device), torch.from_numpy(target[:, :-1]).to(device), table)
            nats += float(F.cross_entropy(wide(logits), symbols, reduction="none").double().sum())
            i = j
    return nats, count


def measure(model, tok, data, W, split=None, device="cpu"):
    """data: bytes. With split, each story starts from end of text and the separators are left out of the count."""
    if split:
        stories = [s for s in data.split(split) if s]
        pieces = []
        for s in stories:
            pieces += windows(np.concatenate([[tok.eot], tok.encode(s)]), W)
        n = sum(map(len, stories))
    else:
        pieces, n = windows(tok.encode(data), W), len(data)
    if not pieces:
        raise SystemExit(f"The text is too short to be scored; give at least two {'blocks' if model.bytes else 'tokens'} of text.")
    table = torch.from_numpy(tok.table).to(device) if model.bytes else None
    nats, count = total_nll(model, pieces, device=device, table=table)
    return {"bits_per_byte": nats / math.log(2) / n, "scored_tokens": count, "bytes": n, "window": W,
            "nats": nats, "stories": len(stories) if split else None}


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("checkpoint")
    p.add_argument("text")
    p.add_argument("--tokenizer", help="the .model file; default: beside the checkpoint")
    p.add_argument("--window", type=int, help="inputs per window; default: the model's context window")
    p.add_argument("--split", help=r"story by story, stories separated by this text; \n is a line end")
    p.add_argument("--bytes", type=int, help="only the first so many bytes of the text")
    p.add_argument("--float64", action="store_true")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--json", action="store_true")
    a = p.parse_args(argv)
    torch.set_num_threads(a.threads)
    model, ckpt = load_model(a.checkpoint, torch.float64 if a.float64 else torch.float32)
    if a.tokenizer and model.bytes:
        raise SystemExit("A byte-level model has no tokenizer file; leave --tokenizer out.")
    tok = bpe.Tokenizer.load(a.tokenizer) if a.tokenizer else find_tokenizer(ckpt["config"], os.path.dirname(a.checkpoint))
    if not model.bytes and tok.vocab_size != ckpt["config"].model.vocab_size:
        raise SystemExit(f"The tokenizer has {tok.vocab_size} ids and the model {ckpt['config'].model.vocab_size}; give the matching tokenizer.")
    W = a.window or model.window
    if not 1 <= W <= 2 * model.window:
        raise SystemExit(f"The window must lie between 1 and {2 * model.window}; change --window.")
    if not os.path.isfile(a.text):
        raise SystemExit(f"There is no text {a.text}; check the path.")
    with open(a.text, "rb") as f:
        data = f.read() if a.bytes is None else f.read(a.bytes)
    split = a.split.encode().replace(b"\\n", b"\n") if a.split else None
    r = measure(model, tok, data, W, split)
    if a.json:
        print(json.dumps(r))
    else:
        print(f"{r['bits_per_byte']:.6f} bits per byte: {r['scored_tokens']} scored {'blocks' if model.bytes else 'tokens'}, {r['bytes']} bytes, window {W}"
              + (f", {r['stories']} stories" if split else ""))


if __name__ == "__main__":
    sys.exit(main())
