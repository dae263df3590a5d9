#!/usr/bin/env python3
"""Speed and memory of stlm-run on seeded random models, interleaved, medians: speed.py [--shapes 260K,15M] [--rounds 5] [--tokens 200]

Run from the package root after `swift build -c release`; the Embedded build is measured too where Tools/boards/build x86_64 has made it.
Prints decode and prompt tokens/s with their spread, the time to open the file, and resident memory, with the machine's load.
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

STATISTICS = {
    "decode": r"decode +([\d.]+) tokens/s",
    "prompt": r"prompt +([\d.]+) tokens/s",
    "open ms": r"opening the file ([\d.]+) ms",
    "resident": r"at most ([\d,]+)",
    "arena": r"arena +([\d,]+)",
}


def measure(program, model, tokens, threads, kernels):
    ids = " ".join(str(7 + 3 * k) for k in range(32))
    run = subprocess.run(
        [program, model, "--ids", ids, "-n", str(tokens), "--temp", "0", "--ignore-eos", "--threads", str(threads), "--stats"],
        capture_output=True, text=True, env={**os.environ, "STLM_CPU": kernels})
    if run.returncode:
        sys.exit(run.stderr)
    return {name: float(re.search(pattern, run.stderr).group(1).replace(",", "")) for name, pattern in STATISTICS.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shapes", default="260K,15M")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200)
    options = parser.parse_args()
    programs = {"ordinary": ".build/release/stlm-run", "embedded": ".build/boards/x86_64/stlm-run"}
    programs = {name: path for name, path in programs.items() if os.path.exists(path)}
    print("load average %.2f %.2f %.2f, %d CPUs" % (*os.getloadavg(), os.cpu_count()))
    with tempfile.TemporaryDirectory() as folder:
        cases = []
        for shape in options.shapes.split(","):
            model = os.path.join(folder, shape + ".stlm")
            random_model.write(shape, os.path.join(folder, shape + ".bin"))
            subprocess.run([".build/release/stlm-pack", os.path.join(folder, shape + ".bin"), "-o", model],
                           check=True, stdout=subprocess.DEVNULL)
            for name, program in programs.items():
                for kernels, threads in (("baseline", 1), ("avx2", 1), ("avx2", 2)):
                    cases.append((shape, name, program, model, kernels, threads, []))
        for _ in range(options.rounds):
            for _, _, program, model, kernels, threads, results in cases:
                results.append(measure(program, model, options.tokens, threads, kernels))
        print("%-6s %-9s %-9s %7s %28s %28s %8s %12s %12s" % (
            "shape", "build", "kernels", "threads", "decode tokens/s (least, most)", "prompt tokens/s (least, most)", "open ms",
            "resident", "arena"))
        for shape, name, _, _, kernels, threads, results in cases:
            def spread(key):
                values = [r[key] for r in results]
                return "%.0f (%.0f, %.0f)" % (statistics.median(values), min(values), max(values))
            print("%-6s %-9s %-9s %7d %28s %28s %8.2f %12d %12d" % (
                shape, name, kernels, threads, spread("decode"), spread("prompt"),
                statistics.median(r["open ms"] for r in results), max(r["resident"] for r in results), results[0]["arena"]))
    print("load average %.2f %.2f %.2f" % os.getloadavg())


if __name__ == "__main__":
    main()
