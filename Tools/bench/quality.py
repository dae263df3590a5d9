#!/usr/bin/env python3
"""File size against quality: ours beside llama.cpp's types on the same weights, text and windows: quality.py --text FILE [--folder DIR]

Prints for each packing the file's bytes, perplexity, bits per byte and how far the predictions are from the float model's. Run from the
package root after `swift build -c release`.
"""
import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile

import gguf_files
from gguf_files import INSTALL, llama_cpp, np, processor, progress
from llama_peers import ATTENTION, CACHE, TYPES, Peers, Task, compare, digest, kept
sys.path.insert(0, os.path.join(gguf_files.HERE, "..", "reference"))
from model_file import open_model
from scoring import windows

DETAILS = f"""\
models:
  stories260K         llama2.c's, float32 weights: --stories260k and --tokenizer
  tinystories-2m      Examples/models; its six layers share one feed-forward network (needs PyTorch and omegaconf)
  tinystories-bytes-3m  Examples/models; bytes in and out, which llama.cpp cannot run (needs PyTorch and omegaconf)

columns:
  file bytes    without a tokenizer on both sides. Ours with it is in --json.
  once          the same, a shared feed-forward network counted once: GGUF repeats it in each layer. Where llama.cpp gives the layers
                different types, the smallest is counted.
  bits/weight   8 times `once`, over the weights that differ
  perplexity    of tokens (of blocks, where bytes go in), in windows as `stlm-run score` makes them (arithmetic-1, section 10)
  over float    of the bits per byte, over llama.cpp in F32 (PyTorch in float32 for bytes)
  KL            mean Kullback-Leibler divergence from the float model's predictions to these, in nats a token
  top-1         how often the likeliest token is the float model's

llama.cpp:
  Each type as it makes it without further flags, and with `, emb.` the embeddings in the type that most of its matrices have, where that
  makes a smaller file. Both attentions are run, plain and its own choice (flash), with keys and values in float32; the better one counts.
  It quantises rows in blocks of 32 or 256 and stores rows that these do not divide in wider types, or in F16. `, padded` is the same model
  with zeros in its feed-forward networks up to a multiple of 32. Types that come out the same are named in one row.
  With --importance, rows of `, imp.` have an importance matrix of that text, which is what llama-imatrix --process-output makes: mean
  squares of the inputs of each matrix. IQ1, IQ2, IQ3_XS, IQ3_XXS and Q2_K_S need one.

ours:
  --ours gives the flags of a packing, several times for several: --ours "--weights int8" --ours "--weights int16". The bytes after --budget
  are those of a file without a tokenizer, in whole numbers.

--folder keeps what llama.cpp made and gave, so that the next run measures ours alone; it is half a gigabyte for 200,000 bytes of
text. Progress is shown on terminals.

install (the build takes minutes):
  {INSTALL}
  pip install matplotlib adjustText      for --plot
"""
RUN, PACK = ".build/release/stlm-run", ".build/release/stlm-pack"
EXAMPLES = "Examples/models"

# What is compared: weights, tokenizer (None: a checkpoint of bytes), and how the weights are read.
Source = collections.namedtuple("Source", "name path tokenizer bytes")


def our_logits(path, task, fraction_bits, temporary):
    out = os.path.join(temporary, "logits.npy")
    for inputs, _ in task.windows:
        call([RUN, "logits", path, "--ids", " ".join(map(str, inputs)), "--out", out])
        yield np.load(out).astype(np.float64) * 2.0 ** -fraction_bits


def call(command):
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(command)[:200]} failed:\n{run.stderr}")
    return run.stdout


def pack(source, flags, path, tokenizer=True):
    """The report of stlm-pack."""
    given = ["--tokenizer", source.tokenizer] if tokenizer and source.tokenizer else []
    return json.loads(call([PACK, source.path, *given, *flags, "-o", path, "--force", "--json"]))


def make_task(source, text, temporary):
    """The windows of a text, tokenised by the reference implementation; of bytes only the text, which stlm-run cuts itself."""
    with open(text, "rb") as file:
        data = file.read()
    if source.bytes:
        return Task(text, len(data), 0, [], 0)
    path = os.path.join(temporary, "task.stlm")
    pack(source, [], path)
    model, window = open_model(path), json.loads(call([RUN, "info", path, "--json"]))["context_default"]
    ids = model.tokenizer.encode(data)
    found = [(inputs, targets) for inputs, targets in windows(ids, ids, model.bos, window)]
    return Task(text, len(data), sum(len(targets) for _, targets in found), found, window)


def tokenizer_bytes(source, temporary):
    """What the tokenizer adds to a file of ours; where regions begin at multiples of 64 some 100 bytes more or less."""
    if not source.tokenizer:
        return 0
    path = os.path.join(temporary, "plain.stlm")
    return pack(source, [], path)["file_bytes"] - pack(source, [], path, tokenizer=False)["file_bytes"]


def measure_ours(source, flags, task, reference, calibration, temporary):
    with_tokenizer, added = os.path.join(temporary, "with.stlm"), tokenizer_bytes(source, temporary)
    given = [str(int(flag) + added) if before == "--budget" else flag for before, flag in zip([""] + flags, flags)]
    report = pack(source, given + calibration, with_tokenizer)
    size = os.path.getsize(with_tokenizer) - added
    score = json.loads(call([RUN, "score", with_tokenizer, "--file", task.text, "--json"]))
    row = {"ours": True, "name": " ".join(flags), "bytes": size, "bytes_once": size, "bytes_with_tokenizer": os.path.getsize(with_tokenizer),
           "bits_per_byte": score["bits_per_byte"], "perplexity": float(score["perplexity"])}
    if reference:
        if score["tokens"] != task.tokens:
            sys.exit(f"stlm-run scores {score['tokens']} tokens of {task.text}, the reference {task.tokens}; their windows or tokenizers differ.")
        info = json.loads(call([RUN, "info", with_tokenizer, "--json"]))
        compared = compare(task, our_logits(with_tokenizer, task, info["logit_fraction_bits"], temporary), reference)
        if abs(compared["bits_per_byte"] - row["bits_per_byte"]) > 1e-4:
            sys.exit(f"stlm-run scores {row['bits_per_byte']} bits per byte, its logits {compared['bits_per_byte']}; one of them is wrong.")
        row.update(kl=compared["kl"], top1=compared["top1"])
    return row, report["unique_parameters"]


def float_bits(source, task, threads):
    """Bits per byte of a checkpoint in PyTorch, in float32."""
    given = [] if source.bytes else ["--tokenizer", source.tokenizer]
    command = [gguf_files.torch_python(), "Tools/train/evaluate.py", source.path, task.text, *given, "--threads", str(threads), "--json"]
    return json.loads(call(command))["bits_per_byte"]


def measure(source, text, options, folder, temporary):
    """Everything about one model. The rows are of llama.cpp in the order of TYPES, then ours."""
    progress(f"{source.name}: cutting the text into tokens")
    task = make_task(source, text, temporary)
    key = digest(str(CACHE), llama_cpp.__version__, gguf_files.GGUF_VERSION, source.path, source.tokenizer or "", text)
    stem = os.path.join(folder, f"{source.name}-{key}")
    result = {"model": source.name, "bytes": task.bytes, "tokens": task.tokens, "window": task.window}
    peers, rows = None, []
    if source.name != "stories260K":
        progress(f"{source.name}: PyTorch")
        result["pytorch_bits_per_byte"] = result["float_bits_per_byte"] = kept(stem + "-pytorch.json", lambda: float_bits(source, task, options.threads))
    if not source.bytes:
        model = gguf_files.read_llama2c(source.path) if source.name == "stories260K" else \
            gguf_files.read_checkpoint(source.path, os.path.join(temporary, "arrays.npz"))
        importance = [inputs for inputs, _ in make_task(source, options.importance, temporary).windows] if options.importance else []
        peers = Peers(model, task, importance, options, stem)
        result["float_bits_per_byte"] = peers.float_bits
        rows = peers.measure()
    for flags in options.ours:
        progress(f"{source.name}: {flags}")
        calibration = ["--calibrate", options.calibrate, "--threads", str(options.threads)] if options.calibrate else []
        if calibration and options.split:
            calibration += ["--split", options.split]
        try:
            row, result["weights"] = measure_ours(source, flags.split(), task, peers and peers.reference, calibration, temporary)
        except SystemExit as error:  # a budget too small: the others count all the same
            print(f"{source.name}, {flags}: {error}", file=sys.stderr)
            continue
        rows.append(row)
    for row in rows:
        row["bits_per_weight"] = 8 * row["bytes_once"] / result["weights"]
        row["over_float"] = row["bits_per_byte"] / result["float_bits_per_byte"] - 1
    progress("")
    return {**result, "shared": bool(peers and peers.shared), "rows": rows}


def print_table(result):
    shared = ["once"] * result["shared"]
    print(f"\n{result['model']}: {result['weights']:,} weights that differ; {result['bytes']:,} bytes of text"
          + (f", {result['tokens']:,} tokens, windows of {result['window']}" if result["tokens"] else ""))
    print(f"float: {result['float_bits_per_byte']:.6f} bits per byte" + (f", PyTorch {result['pytorch_bits_per_byte']:.6f}" if shared else ""))
    form = "%-46s%12s" + "%12s" * len(shared) + "%13s%12s%15s%12s%10s%9s  %s"
    print(form % ("", "file bytes", *shared, "bits/weight", "perplexity", "bits per byte", "over float", "KL", "top-1", "attention"))
    for row in sorted(result["rows"], key=lambda row: -row["bytes_once"]):
        name = f"ours {row['name']}" if row["ours"] else " = ".join([row["name"], *row["same"]])
        if len(name) > 44:
            print(name)
            name = ""
        distance = [f"{row['kl']:.5f}", f"{100 * row['top1']:.2f} %"] if "kl" in row else ["–", "–"]
        print(form % (name, f"{row['bytes']:,}", *[f"{row['bytes_once']:,}"] * len(shared), f"{row['bits_per_weight']:.2f}", f"{row['perplexity']:.4f}",
                      f"{row['bits_per_byte']:.6f}", f"{100 * row['over_float']:+.3f} %", *distance, row.get("attention", "")))


def sources(options):
    """Those of the chosen models, which must be there."""
    folder, files = os.path.join(EXAMPLES, "tinystories-2m"), []
    known = {source.name: source for source in (
        Source("stories260K", options.stories260k, options.tokenizer, False),
        Source("tinystories-2m", os.path.join(folder, "model.ckpt"), os.path.join(folder, "bpe_tinystories_2048.model"), False),
        Source("tinystories-bytes-3m", os.path.join(EXAMPLES, "tinystories-bytes-3m", "model.ckpt"), None, True))}
    for name in options.models:
        if name not in known:
            sys.exit(f"{name} is not known; choose from {', '.join(known)}.")
        files += [known[name].path] + [known[name].tokenizer] * (not known[name].bytes)
    if None in files:
        sys.exit("The model stories260K needs --stories260k and --tokenizer; give both, or leave it out of --models.")
    for file in files + [options.text, RUN, PACK] + [options.importance] * bool(options.importance):
        if not os.path.exists(file):
            sys.exit(f"There is no file {file}; check the path, and run this from the package root after `swift build -c release`.")
    return [known[name] for name in options.models]


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, help="such as tinystories_val.txt")
    parser.add_argument("--bytes", type=int, default=200_000, help="of the text, from its beginning, cut between characters (%(default)s)")
    parser.add_argument("--models", help="several with commas (all there are files for)")
    parser.add_argument("--stories260k", metavar="FILE", help="llama2.c's stories260K.bin")
    parser.add_argument("--tokenizer", metavar="FILE", help="its tokenizer, tok512.bin")
    parser.add_argument("--ours", action="append", metavar='"FLAGS"', help="of stlm-pack, for one packing (--weights int8 and --weights int16)")
    parser.add_argument("--calibrate", metavar="FILE", help="a text for our packings to quantise with, other than --text")
    parser.add_argument("--split", help="what separates its parts, such as '<|endoftext|>'")
    parser.add_argument("--types", default=",".join(TYPES), help="of llama.cpp (%(default)s)")
    parser.add_argument("--attention", default=",".join(ATTENTION), help="of llama.cpp; of several the better one counts (%(default)s)")
    parser.add_argument("--importance", metavar="FILE", help="a text of its own for importance matrices, such as 100,000 bytes of tinystories_train.txt")
    parser.add_argument("--threads", type=int, default=1, help="of llama.cpp, PyTorch and stlm-pack; more are slow where other work runs (%(default)s)")
    parser.add_argument("--folder", help="where llama.cpp's files and results are kept (a temporary folder)")
    parser.add_argument("--plot", metavar="FILE", help="a picture, .svg or .png")
    parser.add_argument("--json", metavar="FILE", help="everything as JSON too")
    options = parser.parse_args()
    options.ours = options.ours or ["--weights int8", "--weights int16"]
    options.models = options.models.split(",") if options.models else ["stories260K"] * bool(options.stories260k) + ["tinystories-2m", "tinystories-bytes-3m"]
    options.types, options.attention = options.types.split(","), options.attention.split(",")
    for given, choice in ((options.types, TYPES), (options.attention, ATTENTION)):
        for name in given:
            if name not in choice:
                sys.exit(f"{name} is not known; choose from {', '.join(choice)}.")
    chosen = sources(options)
    if options.plot:
        import quality_plot
    llama_cpp.llama_log_set(gguf_files.no_log, None)
    load = [os.getloadavg()]
    with tempfile.TemporaryDirectory() as temporary:
        folder, text = options.folder or temporary, os.path.join(temporary, "text.txt")
        os.makedirs(folder, exist_ok=True)
        with open(options.text, "rb") as file, open(text, "wb") as cut:
            cut.write(file.read(options.bytes).decode("utf-8", "ignore").encode())
        results = [measure(source, text, options, folder, temporary) for source in chosen]
    load.append(os.getloadavg())
    versions = {"stlm-run": call([RUN, "--version"]).strip(), "llama-cpp-python": llama_cpp.__version__, "gguf": gguf_files.GGUF_VERSION}
    print(f"{processor()}, {os.cpu_count()} CPUs; {versions['stlm-run']}; llama-cpp-python {llama_cpp.__version__}, gguf {gguf_files.GGUF_VERSION}")
    print("load average before %.2f %.2f %.2f, after %.2f %.2f %.2f" % (*load[0], *load[1]))
    for result in results:
        print_table(result)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"load": load, "processor": processor(), "versions": versions, "features": llama_cpp.llama_print_system_info().decode().strip(" |"),
                       "attention": options.attention, "models": results}, file, indent=1)
    if options.plot:
        quality_plot.draw(results, options.plot)


if __name__ == "__main__":
    main()
