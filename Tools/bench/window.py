#!/usr/bin/env python3
"""Decoding a model that is larger than memory, beside the speed of the disk: window.py MODEL.stlm [--limit 32MB] [--rounds 5]

Reads the file in order with nothing of it in the system's cache, then decodes under --memory-limit, in turn, and prints medians: bytes a
second of both, and how often a byte of weights was read for a token. Run from the package root after `swift build -c release`, as the owner of
the file, on a machine that does nothing else.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import time

RUN, PIECE = ".build/release/stlm-run", 1 << 20


def forget(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def read_in_order(path):
    """Bytes a second."""
    forget(path)
    started, count = time.monotonic(), 0
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while piece := file.read(PIECE):
            count += len(piece)
    return count / (time.monotonic() - started)


def decode(options):
    """Tokens a second, bytes of weights dropped a token, bytes from the disk a token, and the most that was resident."""
    words = [RUN, options.model, "--ids", options.ids, "-n", str(options.tokens), "--temp", "0", "--ignore-eos", "--stats",
             "--threads", str(options.threads), "--context", str(options.context), "--memory-limit", options.limit]
    before = resource_blocks()
    run = subprocess.run(words, capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr.strip())
    read = (resource_blocks() - before) * 512

    def number(pattern):
        found = re.search(pattern, run.stderr)
        if not found:
            sys.exit(f"The model fits in {options.limit}; give a smaller --limit.")
        return float(found.group(1).replace(",", ""))
    passes = options.tokens  # the prompt is one pass, the last token is not fed
    return number(r"decode +([\d.]+)"), number(r"([\d,]+) bytes were read and dropped") / passes, read / passes, number(r"at most ([\d,]+)")


def resource_blocks():
    import resource
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--limit", default="32MB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--ids", default="1 2 3", help="the prompt; for a model of bytes a block")
    options = parser.parse_args()
    disk, runs = [], []
    print("load average before", *os.getloadavg())
    for _ in range(options.rounds):
        disk.append(read_in_order(options.model))
        forget(options.model)
        runs.append(decode(options))
    speed, dropped, read, resident = (statistics.median(column) for column in zip(*runs))
    print("load average after ", *os.getloadavg())
    print(f"file              {os.path.getsize(options.model):,} bytes, limit {options.limit}, resident at most {resident:,.0f}")
    print(f"disk, in order    {statistics.median(disk) / 1e6:,.0f} MB/s ({min(disk) / 1e6:,.0f} to {max(disk) / 1e6:,.0f})")
    print(f"decoding          {speed:.1f} tokens/s, {speed * dropped / 1e6:,.0f} MB/s of weights, {speed * dropped / statistics.median(disk):.0%} of the disk's speed")
    print(f"a token           {dropped:,.0f} bytes of weights, {read:,.0f} bytes from the disk: {read / dropped:.3f} times")


if __name__ == "__main__":
    main()
