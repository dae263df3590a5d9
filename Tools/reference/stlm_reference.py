"""Command line of the reference implementation of stlm-1 and arithmetic-1."""

import argparse
import json
import sys

import numpy as np

from constraint import Grammar
from forward import Forward
from generation import generate
from model_file import check_settings, open_model
from refusal import Refused, require
from sampling import q16
from scoring import LN2_Q64, MOST, decimal, option_cost, parts, perplexity, score
from tokenizer import decode
from transcript import is_right


def parse_ids(text):
    require(all(word.isascii() and word.isdigit() for word in text.split()), f"ids: {text} are not all whole numbers")
    return [int(word) for word in text.split()]


def parse_inputs(model, text):
    """Tokens, or blocks from block_size numbers each."""
    ids, size = parse_ids(text), model.block_size
    if not model.bytes_in:
        return ids
    require(len(ids) % size == 0, f"ids: {len(ids)} symbols are no blocks of {size}")
    return [ids[k:k + size] for k in range(0, len(ids), size)]


def numbers(drawn):
    """Tokens as they are, blocks one after the other."""
    return [number for one in drawn for number in (one if isinstance(one, list) else [one])]


def items(model, text):
    require(model.tokenizer is not None, "the model has no tokenizer")
    return model.tokenizer.encode(text)


def sides(model, text):
    """What goes in and what comes out for each item of a text."""
    found = items(model, text)
    blocks = [model.tokenizer.block(item) for item in found] if model.bytes_in or model.bytes_out else []
    return blocks if model.bytes_in else found, blocks if model.bytes_out else found


def encode(model, text):
    inputs = sides(model, text)[0]
    return inputs if model.bos is None else [model.bos] + inputs


def prompt(model, text):
    """A text to go on from. An empty one of a model without bos_token begins with the first end token or end_block."""
    return encode(model, text) or [first for first in [model.first_input] if first is not None]


def bytes_of_argument(text):
    return text.encode("utf-8", "surrogateescape")


def run_logits(model, a):
    """A byte decoder's slots see the symbols of the block that follows among the inputs, or else their own likeliest."""
    inputs = parse_inputs(model, a.ids)
    logits = Forward(model, a.kv).logits(inputs, inputs[1:] if model.bytes_in else ()).astype(np.int32)
    np.save(a.out, logits)
    print(json.dumps({"fraction_bits": model.logit_fraction_bits, "shape": list(logits.shape)}))


def run_encode(model, a):
    print(*numbers(encode(model, bytes_of_argument(a.text))))


def run_decode(model, a):
    inputs = parse_inputs(model, a.ids)
    Forward(model).check(inputs)
    require(model.bytes_in or model.tokenizer is not None, "the model has no tokenizer")
    sys.stdout.buffer.write(decode(model, inputs) + b"\n")


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
    inputs = prompt(model, text) if a.ids is None else parse_inputs(model, a.ids)
    grammar = None
    if a.grammar or a.choices:
        with open(a.grammar or a.choices, "rb") as file:
            grammar = Grammar(file.read(), bool(a.choices))
    how = dict(grammar=grammar, seed=a.seed, context=a.context, slide=a.slide, keep=a.keep, ignore_end=a.ignore_eos, kv=a.kv)
    if a.print == "ids":
        print(*numbers(generate(model, inputs, settings, a.n, **how)[0]))
        return
    require(model.bytes_out or model.tokenizer is not None, "the model has no tokenizer")
    stops = [] if grammar else model.stops + [bytes_of_argument(stop) for stop in a.stop]
    require(all(1 <= len(stop) <= 256 for stop in stops), "a stop string must have 1 to 256 bytes")
    require(a.max_bytes is None or a.max_bytes >= 1, "a limit of bytes must be at least 1")
    made = generate(model, inputs, settings, a.n, stops=stops, max_bytes=a.max_bytes, **how)[1]
    if text is None:
        text = decode(model, inputs)
    elif not text and model.tokenizer and not grammar:
        made = model.tokenizer.without_space(made)
    sys.stdout.buffer.write(text + made + b"\n")


def run_self_check(model, a):
    require(model.transcript, "the file has no transcript")
    require(is_right(model), "transcript: the logits are others than the packer's")
    print(f"{model.transcript[0]} positions, as the packer computed them")


def context_of(model, a):
    size = model.context_default if a.context is None else a.context
    require(1 <= size <= model.context_maximum, f"context {size} is not in 1 ... {model.context_maximum}")
    return size


def run_score(model, a):
    size = context_of(model, a)
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
        first = model.first_input
    scores = [score(Forward(model, a.kv), *sides(model, part), size, first) for part in texts]
    count, total = (sum(column) for column in zip(*scores, (0, 0)))
    total = min(MOST, total)
    byte_count = sum(map(len, texts))
    require(count, f"{a.file}: there is nothing that can be scored")
    print(json.dumps({"tokens": count, "total_bits": total, "bytes": byte_count, "bits": decimal(total, 1 << 24),
                      "bits_per_byte": decimal(total, byte_count << 24), "perplexity": decimal(perplexity(total, count), 2**30)}))


def run_choose(model, a):
    """Section 10, multiple choice."""
    size, sums = context_of(model, a), []
    for option in a.option:
        inputs, targets = sides(model, bytes_of_argument(f"{a.prefix} {option}"))
        sums.append(option_cost(Forward(model, a.kv), inputs, targets, size))
    print(json.dumps({"choice": sums.index(min(sums)), "total_bits": sums, "log_likelihoods": [-(total * LN2_Q64 >> 64) for total in sums]}))


def run_info(model, a):
    t = model.tokenizer
    print(json.dumps({
        "description": model.description, "hidden_size": model.hidden_size, "vocabulary_size": model.vocabulary_size,
        "block_size": model.block_size, "embedder": model.embedder.kind,
        "head": model.head.kind, "context_default": model.context_default, "context_maximum": model.context_maximum, "causal": model.causal,
        "steps": len(model.steps), "tensors": len(model.tensors), "names": len(model.names), "bos_token": model.bos,
        "end_tokens": model.end_tokens, "end_block": model.end_block, "parameters": model.parameter_count,
        "unique_parameters": model.unique_parameter_count, "settings": model.settings,
        "stops": [stop.decode("utf-8", "replace") for stop in model.stops],
        "tokenizer": t and {"kind": t.kind, "pieces": t.count, "merges": len(t.merges), "pre_split": t.pre_split},
        "ledger": model.ledger and ledger_of(model.ledger)}))


def ledger_of(ledger):
    """Costs in units of 2^-24 bits; of every tensor its error and the divergence estimated for it."""
    values = {**vars(ledger), **ledger.measured}
    return {name: value for name, value in values.items() if name != "measured"}


def arguments(words):
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(name, run, attends=False):
        sub = commands.add_parser(name)
        sub.add_argument("model")
        if attends:
            sub.add_argument("--kv", choices=("int16", "int8", "int4"), default="int16")
        sub.set_defaults(run=run)
        return sub

    sub = command("logits", run_logits, True)
    sub.add_argument("--ids", required=True)
    sub.add_argument("--out", required=True)
    command("encode", run_encode).add_argument("--text", required=True)
    command("decode", run_decode).add_argument("--ids", required=True)
    sub = command("generate", run_generate, True)
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
    sub.add_argument("--keep", type=int)
    sub.add_argument("--ignore-eos", action="store_true")
    sub.add_argument("--stop", action="append", default=[])
    sub.add_argument("--max-bytes", type=int)
    sub.add_argument("--grammar")
    sub.add_argument("--choices")
    sub.add_argument("--print", choices=("ids", "text"), default="ids")
    sub = command("score", run_score, True)
    sub.add_argument("--file", required=True)
    sub.add_argument("--context", type=int)
    sub.add_argument("--bytes", type=int)
    sub.add_argument("--split")
    sub = command("choose", run_choose, True)
    sub.add_argument("--prefix", required=True)
    sub.add_argument("--option", action="append", required=True)
    sub.add_argument("--context", type=int)
    command("self-check", run_self_check)
    command("info", run_info).add_argument("--verify", action="store_true")
    return parser.parse_args(words)


def main(words=None):
    a = arguments(words)
    try:
        a.run(open_model(a.model, getattr(a, "verify", False)), a)
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
