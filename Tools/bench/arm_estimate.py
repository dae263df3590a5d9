#!/usr/bin/env python3
"""What the ARM kernels should cost on small boards' cores, without a board: arm_estimate.py [--instructions]

Compiles the kernels for AArch64, takes each one's innermost loop and has llvm-mca estimate its cycles per 16 KB of weights (256 lines of
64 bytes; keys or values in attention), on the model that LLVM has of the core, beside the cycles that loading 16 KB takes at least. All
data is taken to be in the first-level cache. --instructions counts what a generated token executes, all told, under qemu-aarch64: the
difference of two runs of the example model of Examples/models/tinystories-2m with `stlm-run` of Tools/boards/build aarch64 (--binary).
Run from the package root. Needs clang with AArch64 (Swift's), llvm-mca of LLVM 17 or later, and qemu-aarch64 for --instructions.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

KERNELS = "Sources/CKernels"
# Core, LLVM's model (the Neoverse N1 is the server's Cortex-A76, which has no model of its own), kernels, bytes loaded in a cycle
CORES = (
    ("cortex-a53", "cortex-a53", "neon", 8),
    ("cortex-a72", "cortex-a72", "neon", 16),
    ("cortex-a76", "neoverse-n1", "dotprod", 32),
)
BYTES = 16384

# Loop, the function around it, its vectors, bytes of a code, and how often it multiplies a code; by the kernels' own macros
LOOPS = (
    ("int8 x int8, one vector", "row_int8(c, 0, 0, *first)", "1", 1, "1"),
    ("int8 x int8, a prompt's tile, per vector", "tile_int8(c, 0, BLOCKS, 0, VECTORS, first)", "VECTORS", 1, "VECTORS"),
    ("int8 x int16, one vector", "tile_int8_int16(c, 0, 0, 1, first)", "1", 1, "1 + SPLITS_ACTIVATIONS + SUMS_ROWS"),
    ("int8 x int16, several, per vector", "tile_int8_int16(c, 0, 0, WIDE_VECTORS, first)", "WIDE_VECTORS", 1,
     "WIDE_VECTORS * (1 + SPLITS_ACTIVATIONS) + SUMS_ROWS"),
    ("int16 x int16", "linear_int16(c, 0, 1)", "1", 2, "1"),
    ("attention: scores", "score(a, 0, 1, 7)", "1", 2, "1"),
    ("attention: values", "mix(a, 0, 32)", "1", 2, "PARTS"),
)


def fail(message):
    sys.exit(f"arm_estimate: {message}")


def find_clang():
    swiftc = shutil.which("swiftc")
    clang = os.path.join(os.path.dirname(os.path.realpath(swiftc)), "clang") if swiftc else shutil.which("clang")
    if not clang or not os.path.exists(clang):
        fail("there is no clang; put the Swift toolchain on the path")
    return clang


def find_mca():
    """The newest: Debian's llvm package may be older than llvm-19 beside it."""
    found = [p for folder in os.environ["PATH"].split(os.pathsep) for p in glob.glob(os.path.join(folder, "llvm-mca*"))]
    versions = {}
    for path in found:
        match = re.search(r"LLVM version (\d+)", subprocess.run([path, "--version"], capture_output=True, text=True).stdout)
        if match:
            versions[int(match[1])] = path
    if not versions or max(versions) < 17:
        fail("there is no llvm-mca of LLVM 17 or later; install one, such as Debian's llvm-19")
    return versions[max(versions)], max(versions)


# MARK: Loops


def compile_kernels(clang, kernels):
    """Assembly of a file that wraps each loop's function, and the numbers that belong to it."""
    file = f"kernels_{kernels}.c"
    # What the file compiles its functions for
    pragma = re.search(r"#pragma clang attribute push.*", open(os.path.join(KERNELS, file)).read())
    lines = [f'#include "{file}"', "#define SUMS_ROWS (DOTPROD && !I8MM)", pragma[0] if pragma else ""]
    for number, (_, call, *_) in enumerate(LOOPS):
        lines.append(f"__attribute__((flatten)) void loop_{number}(const struct stlm_linear_call *lc, const struct stlm_attention_call *ac,")
        lines.append("const int32_t *first) { const struct stlm_linear_call l = *lc, *c = &l; const struct stlm_attention_call m = *ac, *a = &m;")
        lines.append(f"(void)c, (void)a, (void)first, {call}; }}")
    lines.append("#pragma clang attribute pop" if pragma else "")
    for number, (_, _, vectors, _, products) in enumerate(LOOPS):
        lines.append(f"int vectors_{number} = {vectors}, products_{number} = {products};")
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "loops.c")
        with open(source, "w") as out:
            out.write("\n".join(lines) + "\n")
        run = subprocess.run(
            [clang, "--target=aarch64-linux-gnu", "-ffreestanding", "-std=c11", "-O3", "-w", "-fno-asynchronous-unwind-tables",
             "-I", KERNELS, "-I", os.path.join(KERNELS, "include"), "-S", "-o", "-", source], capture_output=True, text=True)
    if run.returncode:
        fail(f"{file} does not compile:\n{run.stderr}")
    return run.stdout


def variable(assembly, name):
    return int(re.search(rf"^{name}:\n\s+\.(?:word|xword)\s+(\d+)", assembly, re.M)[1])


def multiplications(body):
    """Products of codes that a loop makes."""
    total = 0
    for line in body:
        operation = line.split()[0]
        if re.fullmatch(r"(s|u|us|su)dot", operation):
            total += 16
        elif re.fullmatch(r"[su]ml(al|sl)2?|[su]mull2?", operation):
            total += {"8h": 8, "4s": 4}.get(re.search(r"v\d+\.(\w+)", line)[1], 0)
    return total


def hot_loop(assembly, function):
    """The instructions of the function's innermost loop that multiplies the most."""
    text = re.search(rf"^{function}:.*?^\.Lfunc_end", assembly, re.M | re.S)[0]
    lines = [line.split("//")[0].rstrip() for line in text.split("\n")]
    labels, loops = {}, []
    for number, line in enumerate(lines):
        if match := re.match(r"(\.L\w+):", line):
            labels[match[1]] = number
        elif (match := re.match(r"\s+(?:b|b\.\w+|cbn?z|tbn?z)\s.*?(\.L\w+)$", line)) and match[1] in labels:
            loops.append((labels[match[1]], number))
    inner = [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    bodies = [[line for line in lines[first:last + 1] if re.match(r"\s+[a-z]", line)] for first, last in inner]
    return max(bodies, key=multiplications, default=[])


def cycles(mca, model, body):
    """Cycles of one iteration in a long run."""
    run = subprocess.run(
        [mca, "-mtriple=aarch64", f"-mcpu={model}", "-iterations=200", "-summary-view", "-instruction-info=0", "-resource-pressure=0"],
        input="\n".join(body) + "\n", capture_output=True, text=True)
    match = re.search(r"Total Cycles:\s+(\d+)", run.stdout)
    if not match:
        fail(f"llvm-mca fails for {model}:\n{run.stderr}")
    return int(match[1]) / 200


def estimate():
    clang, (mca, version) = find_clang(), find_mca()
    assemblies = {kernels: compile_kernels(clang, kernels) for kernels in {core[2] for core in CORES}}
    heads = [f"{core} ({kernels})" for core, _, kernels, _ in CORES]
    print(f"Cycles per 16 KB: an estimate of llvm-mca {version}, and the least that the loads take\n")
    print(f"| {'loop':<42} | " + " | ".join(f"{head:>22}" for head in heads) + " |")
    print(f"|{'-' * 44}|" + f"{'-' * 23}:|" * len(heads))
    for number, (name, _, _, code_bytes, _) in enumerate(LOOPS):
        cells = []
        for _, model, kernels, bandwidth in CORES:
            assembly = assemblies[kernels]
            body, vectors = hot_loop(assembly, f"loop_{number}"), variable(assembly, f"vectors_{number}")
            loaded = multiplications(body) * code_bytes / variable(assembly, f"products_{number}")
            cells.append(f"{cycles(mca, model, body) * BYTES / loaded / vectors:,.0f} ({BYTES / bandwidth / vectors:,.0f})")
        print(f"| {name:<42} | " + " | ".join(f"{cell:>22}" for cell in cells) + " |")


# MARK: Instructions of a token


def executed(binary, model, kernels, tokens):
    """Instructions of a run: qemu writes each translated block of code once, and a line whenever it enters one."""
    run = subprocess.Popen(
        ["qemu-aarch64-static" if shutil.which("qemu-aarch64-static") else "qemu-aarch64", "-cpu", "max", "-E", f"STLM_CPU={kernels}",
         "-d", "nochain,exec,in_asm", binary, model, "--ids", "1", "-n", str(tokens), "--temp", "0", "--ignore-eos", "--threads", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    sizes, total, block = {}, 0, None
    for line in run.stderr:
        if line.startswith(b"Trace"):
            total += sizes[int(line[line.index(b"/") + 1:].split(b"/", 1)[0], 16)]
        elif line.startswith(b"IN:"):
            block = None
        elif line.startswith(b"0x"):
            address = int(line.split(b":", 1)[0], 16)
            if block is None:
                block = address
                sizes[block] = 0
            sizes[block] += 1
    if run.wait() or not total:
        fail(f"{binary} does not run under qemu-aarch64")
    return total


def instructions(binary, model):
    if not shutil.which("qemu-aarch64-static") and not shutil.which("qemu-aarch64"):
        fail("there is no qemu-aarch64; install Debian's qemu-user-static")
    if not os.path.exists(binary):
        fail(f"there is no {binary}; run Tools/boards/build aarch64")
    with tempfile.TemporaryDirectory() as folder:
        if not model:
            packer, example = ".build/release/stlm-pack", "Examples/models/tinystories-2m"
            if not os.path.exists(packer):
                fail(f"there is no {packer}; run swift build -c release, or give a --model")
            model = os.path.join(folder, "example.stlm")
            tokenizer = glob.glob(os.path.join(example, "*.model"))[0]
            subprocess.run(
                [packer, os.path.join(example, "model.ckpt"), "--tokenizer", tokenizer, "-o", model], check=True, stdout=subprocess.DEVNULL)
        print("Instructions of a generated token, counted under qemu-aarch64: tokens 21 to 120, one thread\n")
        for kernels in ("neon", "dotprod", "i8mm"):
            each = (executed(binary, model, kernels, 120) - executed(binary, model, kernels, 20)) / 100
            print(f"{kernels:<10} {each:>14,.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--instructions", action="store_true", help="count a token's instructions under qemu-aarch64")
    parser.add_argument("--binary", default=".build/boards/aarch64/stlm-run", help="the Embedded build for aarch64")
    parser.add_argument("--model", help="another packed model")
    arguments = parser.parse_args()
    if arguments.instructions:
        instructions(arguments.binary, arguments.model)
    else:
        estimate()


if __name__ == "__main__":
    main()
