#!/usr/bin/env python3
"""Whether --slide keeps time and memory for each token the same: sliding.py MODEL [--counts 1000,10000,100000] [--context N] [--kv TYPE] [--rounds 5]

Writes so many tokens past a full context, on one thread, in interleaved runs; medians. The static program (Tools/boards/build x86_64) where it is
there, else the ordinary one. Run from the package root.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys

PROGRAMS = (".build/boards/x86_64/stlm-run", ".build/release/stlm-run")


def run(words):
    program = next((name for name in PROGRAMS if os.path.exists(name)), None)
    if not program:
        sys.exit("There is no stlm-run; build it first.")
    outcome = subprocess.run([program, *words, "--stats"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if outcome.returncode:
        sys.exit(outcome.stderr)
    milliseconds = re.search(r"^decode .* in ([0-9.]+) ms", outcome.stderr, re.M).group(1)
    resident = re.search(r"at most ([0-9,]+)", outcome.stderr).group(1)
    return float(milliseconds), int(resident.replace(",", ""))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--counts", default="1000,10000,100000")
    parser.add_argument("--context", default="256")
    parser.add_argument("--kv", default="int16")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    counts = [int(count) for count in options.counts.split(",")]
    times, most = {count: [] for count in counts}, {count: 0 for count in counts}
    print("load average %.2f %.2f %.2f, %d CPUs" % (*os.getloadavg(), os.cpu_count()))
    for _ in range(options.rounds):
        for count in counts:
            took, resident = run([options.model, "-p", "Once upon a time", "-n", str(count), "--slide", "--ignore-eos", "--seed", "1", "--threads", "1",
                                  "--context", options.context, "--kv", options.kv])
            times[count].append(1000 * took / count)
            most[count] = max(most[count], resident)
    for count in counts:
        print(f"{count:>8,} tokens: {statistics.median(times[count]):8.2f} us each, resident at most {most[count]:,} bytes")


if __name__ == "__main__":
    main()
