"""Llama models as GGUF files without a tokenizer: from llama2.c's weights and from STLM checkpoints, in llama.cpp's types."""
import collections
import ctypes
import importlib.metadata
import os
import subprocess
import sys

INSTALL = 'CMAKE_ARGS="-DGGML_NATIVE=ON" pip install --no-binary llama-cpp-python llama-cpp-python==0.3.36 gguf==0.19.0 numpy'
try:
    import gguf
    import llama_cpp
    import numpy as np
except ImportError as error:
    sys.exit(f"The Python package {error.name} is missing; install what this needs with: {INSTALL}")

GGUF_VERSION = importlib.metadata.version("gguf")
HERE = os.path.dirname(os.path.abspath(__file__))
FEED_FORWARD = ("ffn_gate", "ffn_down", "ffn_up")

# tensors: {name in GGUF: float32 array}, in the order of the file. shared: all layers have one feed-forward network.
Llama = collections.namedtuple("Llama", "dim hidden layers heads kv_heads vocabulary context epsilon shared tensors")


def read_llama2c(path):
    """A llama2.c model (version 0, tied). Both formats rotate adjacent pairs, so rows stay where they are."""
    dim, hidden, layers, heads, kv_heads, vocabulary, context = np.fromfile(path, np.int32, 7).tolist()
    if vocabulary < 0:
        sys.exit(f"{path} has an output table of its own; give a model that uses its embeddings for it.")
    values, at = np.memmap(path, np.float32, "r", 28), 0

    def take(*shape):
        nonlocal at
        at += np.prod(shape)
        return values[at - np.prod(shape):at].reshape(shape)

    tensors = {"token_embd.weight": take(vocabulary, dim)}
    kv_dim = kv_heads * dim // heads
    for name, *shape in (("attn_norm", dim), ("attn_q", dim, dim), ("attn_k", kv_dim, dim), ("attn_v", kv_dim, dim), ("attn_output", dim, dim),
                         ("ffn_norm", dim), ("ffn_gate", hidden, dim), ("ffn_down", dim, hidden), ("ffn_up", hidden, dim)):
        for layer, tensor in enumerate(take(layers, *shape)):
            tensors[f"blk.{layer}.{name}.weight"] = tensor
    tensors["output_norm.weight"] = take(dim)
    return Llama(dim, hidden, layers, heads, kv_heads, vocabulary, context, 1e-5, False, tensors)


def torch_python():
    """A Python that has PyTorch, or the end of the program."""
    for python in ("/usr/bin/python3", sys.executable, "python3"):
        if subprocess.run([python, "-c", "import torch, omegaconf"], stderr=subprocess.DEVNULL).returncode == 0:
            return python
    sys.exit("STLM checkpoints need PyTorch and omegaconf; install python3-torch and python3-omegaconf.")


def read_checkpoint(path, arrays):
    """A tied STLM checkpoint of the token level, which is a llama model. arrays is a file written on the way.

    STLM rotates adjacent pairs too, and keeps queries, keys and values in one matrix. linear_1 is the gate."""
    subprocess.run([torch_python(), os.path.join(HERE, "export_checkpoint.py"), path, arrays], check=True)
    with np.load(arrays) as file:
        source = {name: file[name] for name in file.files}
    dim, layers, heads, group, context, shared = source.pop("shape").tolist()
    kv_dim = dim // group
    tensors = {"token_embd.weight": source["embedding_model.token_embedder.weight"]}
    for layer in range(layers):
        at = f"core_model.transformer.h.{layer}."
        q, k, v = np.split(source[at + "attn.c_attn.weight"], [dim, dim + kv_dim])
        for name, tensor in (("attn_norm", source[at + "attn_norm.weight"]), ("attn_q", q), ("attn_k", k), ("attn_v", v),
                             ("attn_output", source[at + "attn.c_proj.weight"]), ("ffn_norm", source[at + "ffn_norm.weight"]),
                             ("ffn_gate", source[at + "ffn.linear_1.weight"]), ("ffn_down", source[at + "ffn.linear_2.weight"]),
                             ("ffn_up", source[at + "ffn.linear_3.weight"])):
            tensors[f"blk.{layer}.{name}.weight"] = tensor
    tensors["output_norm.weight"] = source["model_head.layer_norm.weight"]
    return Llama(dim, len(tensors["blk.0.ffn_gate.weight"]), layers, heads, heads // group, len(tensors["token_embd.weight"]), context, 1e-6,
                 bool(shared), {name: tensor.astype(np.float32) for name, tensor in tensors.items()})


def padded(model, multiple):
    """The same model with zeros in its feed-forward networks, so that their width is a multiple: what they give stays the same."""
    more = -model.hidden % multiple
    widths = {"ffn_gate": ((0, more), (0, 0)), "ffn_up": ((0, more), (0, 0)), "ffn_down": ((0, 0), (0, more))}
    return model._replace(hidden=model.hidden + more, tensors={
        name: np.pad(tensor, widths[kind]) if (kind := name.split(".")[-2]) in widths else tensor for name, tensor in model.tensors.items()})


def write(model, path):
    """In float32. The embeddings stand for the output table too. Shared feed-forward networks are repeated, for GGUF cannot share."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(model.context)
    writer.add_embedding_length(model.dim)
    writer.add_block_count(model.layers)
    writer.add_feed_forward_length(model.hidden)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_rope_dimension_count(model.dim // model.heads)
    writer.add_rope_freq_base(10000)
    writer.add_layer_norm_rms_eps(model.epsilon)
    writer.add_vocab_size(model.vocabulary)
    writer.add_tokenizer_model("no_vocab")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for name, tensor in model.tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@llama_cpp.llama_log_callback
def log(level, text, _):
    if level == 4:  # errors
        sys.stderr.write(text.decode())


@llama_cpp.llama_log_callback
def no_log(level, text, _):
    pass


def file_type(kind):
    return getattr(llama_cpp, "LLAMA_FTYPE_ALL_F32" if kind == "F32" else "LLAMA_FTYPE_MOSTLY_" + kind)


def quantise(source, path, kind, embeddings=None, importance=None):
    """False if llama.cpp cannot. embeddings: the type (a number of GGML_TYPE) of the table for input and output, else llama.cpp's choice.
    importance: {name of a tensor: one weight a column}, for the types that make use of it."""
    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype = file_type(kind)
    if embeddings is not None:
        options.token_embedding_type = options.output_tensor_type = embeddings
    if importance:
        kept = [np.ascontiguousarray(row, np.float32) for row in importance.values()]
        items = (llama_cpp.llama_model_imatrix_data * (len(kept) + 1))()  # the last one stays empty and ends the list
        for item, name, row in zip(items, importance, kept):
            item.name, item.data, item.size = name.encode(), row.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), row.size
        options.imatrix = items
    if llama_cpp.llama_model_quantize(source.encode(), (path + ".part").encode(), ctypes.byref(options)):
        if os.path.exists(path + ".part"):
            os.remove(path + ".part")
        return False
    os.replace(path + ".part", path)
    return True


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def progress(text):
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


def tensor_types(path):
    """{name: (type, bytes)} of a GGUF file."""
    return {tensor.name: (tensor.tensor_type, int(tensor.n_bytes)) for tensor in gguf.GGUFReader(path).tensors}


def repeated_bytes(types):
    """What a file would save that stored a shared feed-forward network once. Where its layers have different types, the smallest is kept."""
    sizes = [[size for name, (_, size) in types.items() if name.split(".")[-2] == kind] for kind in FEED_FORWARD]
    return sum(sum(of_kind) - min(of_kind) for of_kind in sizes)
