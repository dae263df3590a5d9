#!/usr/bin/env python3
"""What a constraint costs: constrained.py MODEL... [--tokens 200] [--rounds 15] [--threads 1]

Tokens (blocks) a second of free text and under four grammars, in interleaved runs; medians, and the median of each round's ratio to free text. The
static program (Tools/boards/build x86_64) where it is there, else the ordinary one. Run from the package root.
A model of the 15M shape with a tokenizer of 32,000 made-up pieces: constrained.py --tokenizer tokenizer.bin, then
random_model.py 15M model.bin and stlm-pack model.bin --tokenizer tokenizer.bin -o 15M.stlm.
"""
import argparse
import os
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile

PROGRAMS = (".build/boards/x86_64/stlm-run", ".build/release/stlm-run")
# What nothing is refused by; nearly everything; words, about half; and JSON, where most is laid down.
GRAMMARS = {
    "any text": "root ::= .*\n",
    "a string": 'root ::= [^"\\\\\\x00-\\x1F]*\n',
    "words": "root ::= ([A-Za-z']{1,12} [,.]? \" \")*\n",
    "commands": 'root ::= (command "\\n")*\ncommand ::= "{\\"device\\": \\"" ("lamp" | "fan" | "door") "\\", \\"action\\": \\"" ("on" | "off" | "set") "\\""'
                ' (", \\"level\\": " [0-9]{1,2})? "}"\n',
}


def write_tokenizer(path, count=32000):
    """Pieces as SentencePiece has them for llama2.c: three marks, bytes, words with and without a space before them, other scripts."""
    numbers = random.Random(1)
    syllables = ["".join(numbers.choice(part) for part in ("bcdfghjklmnprstvwz", "aeiou", ("", "", "n", "r", "s", "l", "t"))) for _ in range(400)]
    pieces = [chr(c) for c in range(0x20, 0x7F)] + [chr(c) for c in range(0xA1, 0x250)] + [chr(c) for c in range(0x4E00, 0x4E00 + 2000)]
    seen = set(pieces)
    while len(pieces) < count - 259:
        word = "".join(numbers.choice(syllables) for _ in range(numbers.choice((1, 1, 2, 2, 2, 3, 3, 4))))[:numbers.randint(2, 12)]
        kind = numbers.random()
        word = " " * (numbers.random() < 0.5) + (word.capitalize() if kind < 0.2 else word + numbers.choice("();:\"'=_/<") if kind < 0.25 else word)
        if word not in seen:
            seen.add(word)
            pieces.append(word)
    every = ["<unk>", "\n<s>\n", "\n</s>\n"] + [f"<0x{byte:02X}>" for byte in range(256)] + pieces
    with open(path, "wb") as file:
        file.write(struct.pack("<I", max(len(piece.encode()) for piece in every)))
        for k, piece in enumerate(every):
            data = piece.encode()
            file.write(struct.pack("<fI", -float(max(0, k - 259)), len(data)) + data)


def speed(model, words, options):
    program = next((name for name in PROGRAMS if os.path.exists(name)), None)
    if not program:
        sys.exit("There is no stlm-run; build it first.")
    words = [program, model, "-p", "Once upon a time", "-n", str(options.tokens), "--ignore-eos", "--slide", "--seed", "1", "--temp", "0.8",
             "--threads", str(options.threads), "--stats", *words]
    outcome = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    # 1: the text ended where the grammar asked for more.
    if outcome.returncode not in (0, 1):
        sys.exit(outcome.stderr)
    found = re.search(r"^decode .*\((\d+) \w+ in ([0-9.]+) ms", outcome.stderr, re.M)
    if not found or int(found.group(1)) != options.tokens:
        sys.exit(outcome.stderr)
    return 1000 * options.tokens / float(found.group(2))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokenizer")
    options = parser.parse_args()
    if options.tokenizer:
        write_tokenizer(options.tokenizer)
    if options.models:
        print("load average %.2f %.2f %.2f, %d CPUs" % (*os.getloadavg(), os.cpu_count()))
    with tempfile.TemporaryDirectory() as folder:
        flags = {"free text": []}
        for name, text in GRAMMARS.items():
            path = os.path.join(folder, name.replace(" ", "-"))
            with open(path, "w") as file:
                file.write(text)
            flags[name] = ["--grammar", path]
        for model in options.models:
            speeds = {name: [] for name in flags}
            for _ in range(options.rounds):
                for name, words in flags.items():
                    speeds[name].append(speed(model, words, options))
            print(model)
            for name, values in speeds.items():
                ratio = statistics.median(own / free for own, free in zip(values, speeds["free text"]))
                print(f"  {name:10} {statistics.median(values):10,.0f}/s  {ratio:6.3f}")


if __name__ == "__main__":
    main()
