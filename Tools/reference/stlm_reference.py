"""Command line of the reference implementation of stlm-1 and arithmetic-1."""

import argparse
import json
import sys

import numpy as np

from forward import Forward
from generation import generate
from model_file import check_settings, open_model
from refusal import Refused, require
from sampling import q16
from scoring import decimal, parts, perplexity, score


def parse_ids(text):
    require(all(word.isascii() and word.isdigit() for word in text.split()), f"ids: {text} are not all whole numbers")
    return [int(word) for word in text.split()]


def tokenizer_of(model):
    require(model.tokenizer is not None, "the model has no tokenizer")
    return model.tokenizer


def encode(model, text, with_bos=True):
    ids = tokenizer_of(model).encode(text)
    return [model.bos] + ids if with_bos and model.bos is not None else ids


def prompt(model, text):
    """A text to go on from. An empty one of a model without bos_token begins with the first end token."""
    return encode(model, text) or model.end_tokens[:1]


def bytes_of_argument(text):
    return text.encode("utf-8", "surrogateescape")


def run_logits(model, a):
    logits = Forward(model).logits(parse_ids(a.ids)).astype(np.int32)
    np.save(a.out, logits)
    print(json.dumps({"fraction_bits": model.logit_fraction_bits, "shape": list(logits.shape)}))


def run_encode(model, a):
    print(*encode(model, bytes_of_argument(a.text)))


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
    text = None if a.text is None else bytes_of_argument(a.text)
    ids = prompt(model, text) if a.ids is None else parse_ids(a.ids)
    how = dict(seed=a.seed, context=a.context, slide=a.slide, ignore_end=a.ignore_eos)
    if a.print == "ids":
        print(*generate(model, ids, settings, a.n, **how)[0])
        return
    t = tokenizer_of(model)
    stops = model.stops if a.stop is None else [bytes_of_argument(stop) for stop in a.stop]
    require(all(1 <= len(stop) <= 256 for stop in stops), "a stop string must have 1 to 256 bytes")
    made = generate(model, ids, settings, a.n, stops=stops, **how)[1]
    if text is None:
        text = t.decode(ids)
    elif not text:
        made = t.without_space(made)
    sys.stdout.buffer.write(text + made + b"\n")


def run_score(model, a):
    size = model.context_default if a.context is None else a.context
    require(1 <= size <= model.context_maximum, f"context {size} is not in 1 ... {model.context_maximum}")
    try:
        with open(a.file, "rb") as file:
            text = file.read() if a.bytes is None else file.read(max(0, a.bytes))
    except OSError as error:
        require(False, f"{a.file}: {error.strerror}")
    require(text, f"{a.file}: there is no text to score")
    first, texts = None, [text]
    if a.split is not None:
        require(a.split, "the separator is empty")
        texts = parts(text, bytes_of_argument(a.split))
        first = model.end_tokens[0] if model.bos is None and model.end_tokens else None
    scores = [score(Forward(model), encode(model, part, with_bos=False), size, first) for part in texts]
    count, total = (sum(column) for column in zip(*scores, (0, 0)))
    byte_count = sum(map(len, texts))
    require(count, f"{a.file}: no token can be scored")
    print(json.dumps({"tokens": count, "total_bits": total, "bytes": byte_count, "bits": decimal(total, 1 << 24),
                      "bits_per_byte": decimal(total, byte_count << 24), "perplexity": decimal(perplexity(total, count), 2**30)}))


def run_info(model, a):
    t = model.tokenizer
    print(json.dumps({
        "description": model.description, "hidden_size": model.hidden_size, "vocabulary_size": model.vocabulary_size,
        "context_default": model.context_default, "context_maximum": model.context_maximum, "causal": model.causal,
        "steps": len(model.steps), "tensors": len(model.tensors), "names": len(model.names), "bos_token": model.bos,
        "end_tokens": model.end_tokens, "parameters": model.parameter_count,
        "unique_parameters": model.unique_parameter_count, "settings": model.settings,
        "stops": [stop.decode("utf-8", "replace") for stop in model.stops],
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
    sub.add_argument("--context", type=int)
    sub.add_argument("--slide", action="store_true")
    sub.add_argument("--ignore-eos", action="store_true")
    sub.add_argument("--stop", action="append")
    sub.add_argument("--print", choices=("ids", "text"), default="ids")
    sub = command("score", run_score)
    sub.add_argument("--file", required=True)
    sub.add_argument("--context", type=int)
    sub.add_argument("--bytes", type=int)
    sub.add_argument("--split")
    command("info", run_info).add_argument("--verify", action="store_true")
    return parser.parse_args()


def main():
    a = arguments()
    try:
        a.run(open_model(a.model, getattr(a, "verify", False)), a)
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
