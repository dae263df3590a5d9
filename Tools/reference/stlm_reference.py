"""Command line of the reference implementation of stlm-1 and arithmetic-1."""

import argparse
import json
import sys

import numpy as np

from forward import Forward
from model_file import check_settings, open_model
from refusal import Refused, require
from sampling import SplitMix, q16, sample
from scoring import decimal, perplexity, score


def parse_ids(text):
    require(all(word.isascii() and word.isdigit() for word in text.split()), f"ids: {text} are not all whole numbers")
    return [int(word) for word in text.split()]


def tokenizer_of(model):
    require(model.tokenizer is not None, "the model has no tokenizer")
    return model.tokenizer


def encode(model, text, with_bos=True):
    ids = tokenizer_of(model).encode(text)
    return [model.bos] + ids if with_bos and model.bos is not None else ids


def generate(model, ids, count, settings, seed):
    """Up to count tokens after ids; an end token stops and is not given. The last token needs no position."""
    forward, random = Forward(model), SplitMix(seed)
    sequence, fed, made = list(ids), 0, []
    require(sequence, "there is no token to begin with")
    while len(made) < count and len(sequence) <= model.context_default:
        logits = forward.logits(sequence[fed:])[-1]
        fed = len(sequence) if model.causal else 0
        token = sample(logits, model.logit_fraction_bits, settings, sequence, random)
        if token in model.end_tokens:
            break
        made.append(token)
        sequence.append(token)
    return made


def run_logits(model, a):
    logits = Forward(model).logits(parse_ids(a.ids)).astype(np.int32)
    np.save(a.out, logits)
    print(json.dumps({"fraction_bits": model.logit_fraction_bits, "shape": list(logits.shape)}))


def run_encode(model, a):
    print(*encode(model, a.text.encode("utf-8", "surrogateescape")))


def run_decode(model, a):
    ids = parse_ids(a.ids)
    for i in ids:
        require(i < model.vocabulary_size, f"token {i} is not below {model.vocabulary_size}")
    sys.stdout.buffer.write(tokenizer_of(model).decode(ids) + b"\n")


def run_generate(model, a):
    settings = dict(model.settings)
    for name in ("temperature", "top_p", "min_p", "repeat_penalty"):
        if getattr(a, name) is not None:
            settings[name] = q16(getattr(a, name), name)
    for name in ("top_k", "repeat_window"):
        if getattr(a, name) is not None:
            settings[name] = getattr(a, name)
            require(0 <= settings[name] < 2**32, f"{name} {settings[name]} is not in 0 ... 2^32 - 1")
    check_settings(settings, "settings")
    require(0 <= a.seed < 2**64, f"seed {a.seed} is not in 0 ... 2^64 - 1")
    ids = encode(model, a.text.encode("utf-8", "surrogateescape")) if a.ids is None else parse_ids(a.ids)
    print(*generate(model, ids, a.n, settings, a.seed))


def run_score(model, a):
    size = model.context_default if a.context is None else a.context
    require(1 <= size <= model.context_maximum, f"context {size} is not in 1 ... {model.context_maximum}")
    try:
        with open(a.file, "rb") as file:
            text = file.read() if a.bytes is None else file.read(max(0, a.bytes))
    except OSError as error:
        require(False, f"{a.file}: {error.strerror}")
    require(text, f"{a.file}: there is no text to score")
    count, total = score(Forward(model), encode(model, text, with_bos=False), size)
    require(count, f"{a.file}: no token can be scored")
    print(json.dumps({"tokens": count, "total_bits": total, "bytes": len(text),
                      "bits_per_byte": decimal(total, len(text) << 24), "perplexity": decimal(perplexity(total, count), 2**30)}))


def run_info(model, a):
    t = model.tokenizer
    print(json.dumps({
        "description": model.description, "hidden_size": model.hidden_size, "vocabulary_size": model.vocabulary_size,
        "context_default": model.context_default, "context_maximum": model.context_maximum, "causal": model.causal,
        "steps": len(model.steps), "tensors": len(model.tensors), "names": len(model.names), "bos_token": model.bos,
        "end_tokens": model.end_tokens, "parameters": model.parameter_count,
        "unique_parameters": model.unique_parameter_count, "settings": model.settings, "stops": model.stops,
        "tokenizer": t and {"kind": t.kind, "pieces": t.count, "merges": len(t.merges)}}))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(name, run):
        sub = commands.add_parser(name)
        sub.add_argument("model")
        sub.set_defaults(run=run)
        return sub

    sub = command("logits", run_logits)
    sub.add_argument("--ids", required=True)
    sub.add_argument("--out", required=True)
    command("encode", run_encode).add_argument("--text", required=True)
    command("decode", run_decode).add_argument("--ids", required=True)
    sub = command("generate", run_generate)
    source = sub.add_mutually_exclusive_group(required=True)
    source.add_argument("--text")
    source.add_argument("--ids")
    sub.add_argument("-n", type=int, required=True)
    sub.add_argument("--temp", dest="temperature")
    sub.add_argument("--top-k", type=int)
    for name in ("--top-p", "--min-p", "--repeat-penalty"):
        sub.add_argument(name)
    sub.add_argument("--repeat-window", type=int)
    sub.add_argument("--seed", type=int, default=0)
    sub = command("score", run_score)
    sub.add_argument("--file", required=True)
    sub.add_argument("--context", type=int)
    sub.add_argument("--bytes", type=int)
    command("info", run_info)
    return parser.parse_args()


def main():
    a = arguments()
    try:
        a.run(open_model(a.model), a)
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
