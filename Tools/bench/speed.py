#!/usr/bin/env python3
"""Speed and memory of stlm-run on seeded random models, interleaved, medians: speed.py [--shapes 260K,15M] [--rounds 5] [--tokens 200]

A shape is one of llama2.c's (260K, 15M, 42M, 110M) or a config of Tools/train that is byte-level (byte_level_stock, 10m, ...; needs
PyTorch), whose decoding is given in bytes/s. Run from the package root after `swift build -c release`; the Embedded build is measured too where Tools/boards/build x86_64 has made it.
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
    "decode": r"decode +([\d.]+) tokens/s|text +([\d.]+) bytes/s",
    "prompt": r"prompt +([\d.]+) (?:tokens|blocks)/s",
    "open ms": r"opening the file ([\d.]+) ms",
    "resident": r"at most ([\d,]+)",
    "arena": r"arena +([\d,]+)",
}


def make(shape, folder):
    """The packed model of a shape, and ids to begin with: 32 tokens or blocks."""
    model = os.path.join(folder, shape + ".stlm")
    config = f"Tools/train/configs/{shape}.yaml"
    if os.path.exists(config):
        python = next((p for p in ("/usr/bin/python3", "python3") if subprocess.run(
            [p, "-c", "import torch, omegaconf"], stderr=subprocess.DEVNULL).returncode == 0), None)
        if python is None:
            sys.exit(f"The shape {shape} needs PyTorch and omegaconf; install python3-torch and python3-omegaconf.")
        subprocess.run([python, "Tools/train/train.py", "random", "--config", config, "--out", folder], check=True, stdout=subprocess.DEVNULL)
        source = os.path.join(folder, "model.ckpt")
        ids = " ".join(" ".join(str(97 + (5 * k + j) % 26 if j < 5 else 256) for j in range(12)) for k in range(32))
    else:
        source = os.path.join(folder, shape + ".bin")
        random_model.write(shape, source)
        ids = " ".join(str(7 + 3 * k) for k in range(32))
    subprocess.run([".build/release/stlm-pack", source, "-o", model], check=True, stdout=subprocess.DEVNULL)
    os.remove(source)
    return model, ids


def measure(program, model, ids, tokens, threads, kernels):
    run = subprocess.run(
        [program, model, "--ids", ids, "-n", str(tokens), "--temp", "0", "--ignore-eos", "--threads", str(threads), "--stats"],
        capture_output=True, text=True, env={**os.environ, "STLM_CPU": kernels})
    if run.returncode:
        sys.exit(run.stderr)
    return {name: float(last(re.finditer(pattern, run.stderr)).replace(",", "")) for name, pattern in STATISTICS.items()}


def last(matches):
    """What the last match caught: bytes/s stand behind blocks/s."""
    return next(g for g in list(matches)[-1].groups() if g)


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
            model, ids = make(shape, folder)
            for name, program in programs.items():
                for kernels, threads in (("baseline", 1), ("avx2", 1), ("avx2", 2)):
                    cases.append((shape, name, program, model, ids, kernels, threads, []))
        for _ in range(options.rounds):
            for _, _, program, model, ids, kernels, threads, results in cases:
                results.append(measure(program, model, ids, options.tokens, threads, kernels))
        print("%-16s %-9s %-9s %7s %40s %28s %8s %12s %12s" % (
            "shape", "build", "kernels", "threads", "decode tokens or bytes/s (least, most)", "prompt tokens/s (least, most)", "open ms",
            "resident", "arena"))
        for shape, name, _, _, _, kernels, threads, results in cases:
            def spread(key):
                values = [r[key] for r in results]
                return "%.0f (%.0f, %.0f)" % (statistics.median(values), min(values), max(values))
            print("%-16s %-9s %-9s %7d %40s %28s %8.2f %12d %12d" % (
                shape, name, kernels, threads, spread("decode"), spread("prompt"),
                statistics.median(r["open ms"] for r in results), max(r["resident"] for r in results), results[0]["arena"]))
    print("load average %.2f %.2f %.2f" % os.getloadavg())


if __name__ == "__main__":
    main()
