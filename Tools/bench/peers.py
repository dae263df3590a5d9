#!/usr/bin/env python3
"""stlm-run beside llama.cpp on the same shapes, interleaved in one run: peers.py [--shapes 260K,15M,42M,110M,stock] [--rounds 7]

Prints tokens/s of a prompt of 128 tokens and of 128 tokens after it, medians with their spread, and one table of ratios, ours over
llama.cpp's. Run from the package root after `swift build -c release`, on a machine that does nothing else.
"""
import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import random_model
from gguf_files import INSTALL, llama_cpp, log, np, processor, progress, quantise, read_llama2c, write

DETAILS = f"""\
shapes:
  260K, 15M, 42M, 110M   llama2.c's; both sides get the same weights
  stock                  STLM's stock token model (needs PyTorch and omegaconf). llama.cpp gets the llama model of the same matrices with
                         random weights of its own: the two architectures differ in nothing but an epsilon.
types:
  Q8_0, Q4_K_M, F16      as llama.cpp makes them
  Q4_0                   with 4-bit embeddings too, its smallest and fastest file
  llama.cpp quantises rows in blocks of 32 or 256. What does not divide it stores wider: the second matrix of the feed-forward networks of
  260K and stock (172 and 1320 wide) is 16-bit in every type, and Q4_K_M has 5 and 8 bits wherever a width is no multiple of 256.

attention, of llama.cpp:
  auto                   its own choice, which is flash attention
  flash, plain           forced. Flash is faster on prompts, but plain for single tokens of 260K, 15M and stock, whose heads are 8, 48
                         and 32 wide: --attention auto,plain gives rows of both.

No file holds a tokenizer; all store the embedding table once for input and output. llama.cpp runs through llama_decode with its own
defaults (OpenMP, 16-bit keys and values); its times leave out choosing a token.

install (the build takes minutes):
  {INSTALL}
"""
RUN, PACK = ".build/release/stlm-run", ".build/release/stlm-pack"
TOKENS = 128  # of the prompt, and again after it
MEASURES = ("decode", "prompt")
TYPES = ("Q8_0", "Q4_K_M", "Q4_0", "F16")
LABELS = {"Q4_0": ", 4-bit embeddings"}
ATTENTION = {"auto": llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO, "flash": llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED, "plain": llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED}

# What is measured: a file, and how it is run. The setting is STLM_CPU for ours, a key of ATTENTION for llama.cpp's.
System = collections.namedtuple("System", "name ours path setting")

# STLM's stock token model in the order of random_model: dim, hidden, layers, heads, key-value heads, vocabulary, context. It is a llama
# model: root-mean-square norms, SwiGLU, rotation of adjacent pairs, key-value heads shared by four heads, one table for input and output.
random_model.SHAPES["stock"] = (512, 1320, 8, 16, 4, 50257, 512)


def stock_config():
    """The stock token model in STLM's own key layout, as JSON, which is YAML too."""
    dim, hidden, layers, heads, kv_heads, vocabulary, context = random_model.SHAPES["stock"]
    plain = {"normalization": "rms_norm", "bias": False}
    return json.dumps({"model": {
        "core_model": {
            "core_model_type": "generic", "num_layers": layers, "ffn": {"ffn_type": "swiglu", "ffn_dim": hidden, **plain},
            "attn": {"attn_type": "generic", "num_heads": heads, "group_size": heads // kv_heads, "is_causal": True, **plain}},
        "embedder": {"tokenizer_type": "gpt2", "embedding_model_type": "generic", "dataset_name": "none"},
        "lm_head": {"lm_head_type": "generic", **plain},
        "hidden_dim": dim, "context_window": context, "vocab_size": vocabulary, "model_shell_type": "standard",
        "embedding_weight_tying": True, "positional_encoding_type": "rope"}, "trainer": {}, "general": {"paths": {}}})


def write_stock_checkpoint(folder):
    config = os.path.join(folder, "stock.yaml")
    with open(config, "w") as file:
        file.write(stock_config())
    for python in ("/usr/bin/python3", "python3"):
        if subprocess.run([python, "-c", "import torch, omegaconf"], stderr=subprocess.DEVNULL).returncode == 0:
            subprocess.run([python, "Tools/train/train.py", "random", "--config", config, "--out", folder], check=True, stdout=subprocess.DEVNULL)
            os.remove(config)
            return os.path.join(folder, "model.ckpt")
    sys.exit("The shape stock needs PyTorch and omegaconf; install python3-torch and python3-omegaconf.")


def make(shape, types, attentions, folder, stories260k):
    """The systems of a shape, with their files. Those of llama.cpp that lie in the folder already are not made again, ours always."""
    progress(f"making the models of {shape}")
    given = stories260k if shape == "260K" else None
    name = "stories260K" if given else shape
    floats = os.path.join(folder, name + "-F32.gguf")
    ours = {width: os.path.join(folder, f"{name}-{width}.stlm") for width in ("int8", "int4")}
    source = given or os.path.join(folder, name + ".bin")
    if not given:
        random_model.write(shape, source)
    write(read_llama2c(source), floats)
    systems = [System(f"ours {width}", True, path, "") for width, path in ours.items()] + [System("ours int8, AVX2 alone", True, ours["int8"], "avx2")]
    for kind in types:
        path = os.path.join(folder, f"{name}-{kind}-{llama_cpp.__version__}.gguf")
        if not os.path.exists(path):
            embeddings = llama_cpp.GGML_TYPE_Q4_0 if kind == "Q4_0" else None
            if not quantise(floats, path, kind, embeddings):
                sys.exit(f"llama.cpp could not write {path}; see whether the disk is full.")
        systems += [System(kind + LABELS.get(kind, "") + ("" if a == "auto" else f", {a}"), False, path, a) for a in attentions]
    checkpoint = write_stock_checkpoint(folder) if shape == "stock" else source
    for width, path in ours.items():
        subprocess.run([PACK, checkpoint, "--weights", width, "-o", path, "--force"], check=True, stdout=subprocess.DEVNULL)
    for path in {floats, source, checkpoint} - {given}:
        os.remove(path)
    return systems


def some_ids(vocabulary):
    return np.random.default_rng(1).integers(3, vocabulary, TOKENS).tolist()


def measure_ours(model, threads, kernels):
    run = subprocess.run([RUN, "bench", model, "--json", "--rounds", "1", "-p", str(TOKENS), "-n", str(TOKENS), "--threads", str(threads)],
                         capture_output=True, text=True, env={**os.environ, "STLM_CPU": kernels})
    if run.returncode:
        sys.exit(run.stderr)
    result = json.loads(run.stdout)
    return {measure: result[measure]["per_second"]["median"] for measure in MEASURES}


def measure_peer(model, threads, attention):
    """In a process of its own, so that no pool of threads lives on; numpy's would spin at first."""
    run = subprocess.run([sys.executable, os.path.abspath(__file__), "--decode", model, "--threads", str(threads), "--attention", attention],
                         capture_output=True, text=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    if run.returncode:
        sys.exit(f"llama.cpp failed on {model}:\n{run.stderr}")
    return json.loads(run.stdout)


def decode(path, threads, attention):
    """llama.cpp's tokens/s on one file, the second time, so that everything is in memory and every thread awake."""
    model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
    if not model:
        sys.exit("The file cannot be opened.")
    options = llama_cpp.llama_context_default_params()
    options.n_ctx = min(512, llama_cpp.llama_model_n_ctx_train(model))
    options.n_batch = options.n_ubatch = 512
    options.n_threads = options.n_threads_batch = threads
    options.flash_attn_type = ATTENTION[attention]
    context = llama_cpp.llama_init_from_model(model, options)
    ids = some_ids(llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model)))
    prompt, one = (llama_cpp.llama_token * TOKENS)(*ids), (llama_cpp.llama_token * 1)()
    prompt_batch, one_batch = llama_cpp.llama_batch_get_one(prompt, TOKENS), llama_cpp.llama_batch_get_one(one, 1)
    failures = 0
    for _ in range(2):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), False)
        start = time.perf_counter()
        failures += llama_cpp.llama_decode(context, prompt_batch) != 0
        llama_cpp.llama_get_logits_ith(context, -1)
        middle = time.perf_counter()
        for one[0] in ids:
            failures += llama_cpp.llama_decode(context, one_batch) != 0
            llama_cpp.llama_get_logits_ith(context, -1)
        end = time.perf_counter()
    if failures:
        sys.exit(f"{failures} calls of llama_decode failed.")
    return {"decode": TOKENS / (end - middle), "prompt": TOKENS / (middle - start)}


def measure_all(systems, threads, rounds):
    """{(shape, system's name, threads): speeds}; every case once in a round. AVX2 alone is run on one thread."""
    cases = [(shape, system, t) for shape in systems for t in threads for system in systems[shape] if system.setting != "avx2" or t == 1]
    results = collections.defaultdict(list)
    for n in range(rounds):
        for shape, system, t in cases:
            progress(f"round {n + 1} of {rounds}: {shape}, {system.name}, {t} threads")
            results[shape, system.name, t].append(
                measure_ours(system.path, t, system.setting) if system.ours else measure_peer(system.path, t, system.setting))
    progress("")
    return {case: {measure: summary([r[measure] for r in result]) for measure in MEASURES} for case, result in results.items()}


def summary(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def ratios(shape, systems, speeds, sizes):
    """[(ours, peer, {(measure, threads): ratio}, ratio of file sizes)]: ours over llama.cpp's; AVX2 alone over Q8_0 only."""
    pairs = [(ours, peer) for ours in systems for peer in systems if ours.ours and not peer.ours and (ours.setting != "avx2" or peer.name.startswith("Q8_0"))]
    return [(ours.name, peer.name, {
        (measure, t): speeds[shape, name, t][measure]["median"] / speeds[shape, peer.name, t][measure]["median"]
        for measure in MEASURES for s, name, t in speeds if (s, name) == (shape, ours.name)},
        sizes[shape, ours.name] / sizes[shape, peer.name]) for ours, peer in pairs]


def print_tables(systems, threads, speeds, sizes):
    columns = [(measure, t) for measure in MEASURES for t in threads]
    form = "%-46s" + "%24s" * len(columns) + "%14s"
    headings = [f"{measure}, {t} thread{'s' * (t > 1)}" for measure, t in columns]

    def speed_cell(case, measure):
        return "{median:,.0f} ({least:,.0f}–{most:,.0f})".format(**speeds[case][measure]) if case in speeds else "–"

    for shape in systems:
        dim, hidden, layers, _, _, vocabulary, _ = random_model.SHAPES[shape]
        print(f"\n{shape}: width {dim}, feed-forward {hidden}, {layers} layers, vocabulary {vocabulary}; tokens/s, median (least–most)")
        print(form % ("", *headings, "file bytes"))
        for system in systems[shape]:
            cells = [speed_cell((shape, system.name, t), measure) for measure, t in columns]
            print(form % ("llama.cpp " * (not system.ours) + system.name, *cells, f"{sizes[shape, system.name]:,}"))
    print("\nRatios of the medians, ours / llama.cpp's: speeds above 1 are faster, files below 1 smaller")
    print(form % ("", *headings, "file bytes"))
    for shape in systems:
        for ours, peer, by_column, size in ratios(shape, systems[shape], speeds, sizes):
            cells = ["%.2f" % by_column[column] if column in by_column else "–" for column in columns]
            print(form % (f"{shape}, {ours.removeprefix('ours ')} / {peer}", *cells, "%.2f" % size))


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default=",".join(random_model.SHAPES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--types", default=",".join(TYPES), help="of llama.cpp's files (%(default)s)")
    parser.add_argument("--attention", default="auto", help="of llama.cpp: auto, flash, plain, or several of them (%(default)s)")
    parser.add_argument("--stories260k", metavar="PATH", help="the real stories260K.bin for the shape 260K instead of random weights")
    parser.add_argument("--folder", help="where models are made and kept (a temporary folder)")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.add_argument("--decode", help=argparse.SUPPRESS)  # measure this file of llama.cpp's, in a process of its own
    options = parser.parse_args()
    threads = [int(t) for t in options.threads.split(",")]
    shapes, types, attentions = (given.split(",") for given in (options.shapes, options.types, options.attention))
    for names, known in ((shapes, random_model.SHAPES), (types, TYPES), (attentions, ATTENTION)):
        for name in names:
            if name not in known:
                sys.exit(f"{name} is not known; choose from {', '.join(known)}.")
    llama_cpp.llama_log_set(log, None)
    if options.decode:
        print(json.dumps(decode(options.decode, threads[0], attentions[0])))
        return

    if not os.path.exists(RUN):
        sys.exit("There is no stlm-run here; run `swift build -c release`, and this from the package root.")
    if options.stories260k and not os.path.exists(options.stories260k):
        sys.exit(f"There is no file {options.stories260k}; check the path.")
    load = [os.getloadavg()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        os.makedirs(folder, exist_ok=True)
        systems = {shape: make(shape, types, attentions, folder, options.stories260k) for shape in shapes}
        speeds = measure_all(systems, threads, options.rounds)
        sizes = {(shape, system.name): os.path.getsize(system.path) for shape in shapes for system in systems[shape]}
    load.append(os.getloadavg())
    features = llama_cpp.llama_print_system_info().decode().strip(" |")
    if options.json:
        print(json.dumps({
            "load": load, "processor": processor(), "processors": os.cpu_count(), "llama-cpp-python": llama_cpp.__version__, "features": features,
            "rounds": options.rounds,
            "speeds": [{"shape": s, "system": name, "threads": t, "bytes": sizes[s, name], **result} for (s, name, t), result in speeds.items()],
            "ratios": [{"shape": s, "ours": ours, "peer": peer, "bytes": size, **{m: {t: r for (n, t), r in by_column.items() if n == m} for m in MEASURES}}
                       for s in shapes for ours, peer, by_column, size in ratios(s, systems[s], speeds, sizes)]}, indent=1))
    else:
        print(f"{processor()}, {os.cpu_count()} CPUs; llama-cpp-python {llama_cpp.__version__}, {features}")
        print("load average before %.2f %.2f %.2f, after %.2f %.2f %.2f; %d rounds" % (*load[0], *load[1], options.rounds))
        print_tables(systems, threads, speeds, sizes)


if __name__ == "__main__":
    main()
