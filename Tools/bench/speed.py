#!/usr/bin/env python3
"""Speed of stlm-run on seeded random models, interleaved, medians: speed.py [--shapes 260K,15M] [--rounds 5] [--kernels avx2,avx512]

A shape is one of llama2.c's (260K, 15M, 42M, 110M) or a config of Tools/train that is byte-level (byte_level_stock, 10m, ...; needs
PyTorch), whose decoding is given in bytes/s. Run from the package root after `swift build -c release`; the Embedded build is measured too
where Tools/boards/build x86_64 has made it. Prints tokens/s with their spread, the share of the memory's speed, what a token's time goes
into, and the machine's load. With --busy a loop holds the last CPU meanwhile, as another process would. With --positions 64,256,1000 the prompt is as long as each of these in turn, and 16 tokens are written after
it: what a token costs late in a context.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import random_model


def make(shape, folder):
    """The packed model of a shape."""
    model = os.path.join(folder, shape + ".stlm")
    config = f"Tools/train/configs/{shape}.yaml"
    if os.path.exists(config):
        python = next((p for p in ("/usr/bin/python3", "python3") if subprocess.run(
            [p, "-c", "import torch, omegaconf"], stderr=subprocess.DEVNULL).returncode == 0), None)
        if python is None:
            sys.exit(f"The shape {shape} needs PyTorch and omegaconf; install python3-torch and python3-omegaconf.")
        subprocess.run([python, "Tools/train/train.py", "random", "--config", config, "--out", folder], check=True, stdout=subprocess.DEVNULL)
        source = os.path.join(folder, "model.ckpt")
    elif shape in random_model.SHAPES:
        source = os.path.join(folder, shape + ".bin")
        random_model.write(shape, source)
    else:
        sys.exit(f"There is no shape {shape}; there are {', '.join(random_model.SHAPES)} and the configs in Tools/train/configs.")
    subprocess.run([".build/release/stlm-pack", source, "-o", model], check=True, stdout=subprocess.DEVNULL)
    os.remove(source)
    return model


def measure(program, model, threads, kernels, position):
    flags = ["-p", str(position), "-n", "16"] if position else []
    run = subprocess.run([program, "bench", model, "--json", "--rounds", "1", "--threads", str(threads), *flags],
                         capture_output=True, text=True, env={**os.environ, "STLM_CPU": kernels})
    if run.returncode:
        sys.exit(run.stderr)
    result = json.loads(run.stdout)
    speeds = {"decode": result.get("text_bytes_per_second", result["decode"]["per_second"]["median"]), "prompt": result["prompt"]["per_second"]["median"],
              "first": result["first_token_ms"], "memory": result["weight_bytes_per_second"] / result["read_bytes_per_second"]}
    return speeds, result["decode"]["share"], result["kernels"]


def numbers(text):
    return [int(n) for n in text.split(",")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shapes", default="260K,15M")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--kernels", default="", help="values of STLM_CPU; without them the best this CPU has")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--positions", type=numbers, default=[0])
    options = parser.parse_args()
    programs = {"ordinary": ".build/release/stlm-run", "embedded": ".build/boards/x86_64/stlm-run"}
    programs = {name: path for name, path in programs.items() if os.path.exists(path)}
    print("load average %.2f %.2f %.2f, %d CPUs" % (*os.getloadavg(), os.cpu_count()))
    with tempfile.TemporaryDirectory() as folder:
        cases = []
        for shape in options.shapes.split(","):
            model = make(shape, folder)
            cases += [(shape, name, model, kernels, threads, position, []) for name in programs for kernels in options.kernels.split(",")
                      for threads in options.threads for position in options.positions]
        busy = None
        if options.busy:
            busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            os.sched_setaffinity(busy.pid, {max(os.sched_getaffinity(0))})
        for _ in range(options.rounds):
            for _, name, model, kernels, threads, position, results in cases:
                results.append(measure(programs[name], model, threads, kernels, position))
        if busy:
            busy.kill()
    print("%-16s %-9s %-9s %7s %8s %38s %30s %9s %7s  %s" % (
        "shape", "build", "kernels", "threads", "position", "decode tokens or bytes/s (least, most)", "prompt tokens/s (least, most)", "first ms",
        "memory", "decode time"))
    for shape, name, _, _, threads, position, results in cases:
        def spread(key):
            values = [speeds[key] for speeds, _, _ in results]
            return "%.0f (%.0f, %.0f)" % (statistics.median(values), min(values), max(values))
        shares = {key: statistics.median(share[key] for _, share, _ in results) for key in results[0][1]}
        print("%-16s %-9s %-9s %7d %8s %38s %30s %9.3f %6.0f%%  %s" % (
            shape, name, results[0][2], threads, position or "-", spread("decode"), spread("prompt"),
            statistics.median(speeds["first"] for speeds, _, _ in results), 100 * statistics.median(speeds["memory"] for speeds, _, _ in results),
            ", ".join(f"{key} {100 * share:.0f}%" for key, share in shares.items() if share >= 0.005)))
    print("load average %.2f %.2f %.2f" % os.getloadavg())


if __name__ == "__main__":
    main()
