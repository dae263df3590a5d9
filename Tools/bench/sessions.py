#!/usr/bin/env python3
"""What restoring a saved prefix costs beside computing it: sessions.py [--shape 15M] [--positions 256] [--rounds 5] [--threads 1,2] [--kv int16,int8,int4]

A seeded random model of one of llama2.c's shapes; the times are those that stlm-run --stats prints, of interleaved runs, medians. A restored prefix is
opened, checked and put in its place; its last position is computed with the tokens that follow it, or by itself where none do: that time is printed
too. Run from the package root after `swift build -c release`. Needs numpy.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import random_model

PROGRAM = ".build/release/"


def run(words):
    outcome = subprocess.run([PROGRAM + "stlm-run", *words, "--stats"], capture_output=True, text=True)
    if outcome.returncode:
        sys.exit(outcome.stderr)
    return outcome.stdout, outcome.stderr


def milliseconds(line, text):
    return float(re.search(rf"^{line} .*?([0-9.]+) ms", text, re.M).group(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", default="15M", choices=random_model.SHAPES)
    parser.add_argument("--positions", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--kv", default="int16,int8,int4")
    options = parser.parse_args()
    ids = " ".join(str(1 + 7 * k % 31999) if options.shape != "260K" else str(1 + 7 * k % 511) for k in range(options.positions))
    print("load average %.2f %.2f %.2f, %d CPUs" % (*os.getloadavg(), os.cpu_count()))
    with tempfile.TemporaryDirectory() as folder:
        source, model, session = (os.path.join(folder, name) for name in ("m.bin", "m.stlm", "s"))
        random_model.write(options.shape, source)
        subprocess.run([PROGRAM + "stlm-pack", source, "-o", model], check=True, stdout=subprocess.DEVNULL)
        for threads in options.threads.split(","):
            for kv in options.kv.split(","):
                flags = [model, "--threads", threads, "--kv", kv, "-n", "1", "--temp", "0"]
                computed, restored, saved, last = [], [], [], []
                for _ in range(options.rounds):
                    first, errors = run([*flags, "--ids", ids])
                    computed.append(milliseconds("prompt", errors))
                    _, errors = run([*flags, "--ids", ids, "-n", "0", "--save-session", session])
                    saved.append(milliseconds("saved", errors))
                    second, errors = run([*flags, "--ids", "", "--session", session])
                    restored.append(milliseconds("restored", errors))
                    last.append(restored[-1] + milliseconds("prompt", errors))
                    if first != second:
                        sys.exit("What follows the restored prefix is not what follows the computed one.")
                a, b, c, d = (statistics.median(values) for values in (computed, restored, saved, last))
                print(f"{options.shape}, {options.positions} positions, {kv}, {threads} threads: computed {a:.2f} ms, restored {b:.2f} ms "
                      f"({100 * b / a:.1f} %), with the last position by itself {d:.2f} ms ({100 * d / a:.1f} %); "
                      f"{os.path.getsize(session):,} bytes written in {c:.2f} ms")


if __name__ == "__main__":
    main()
