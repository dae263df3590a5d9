"""What llama.cpp's types cost in predictions: its files of one model, run over the windows of a text, and kept in a folder."""
import collections
import hashlib
import json
import os
import sys

import gguf_files
from gguf_files import gguf, llama_cpp, np, progress
from importance import importance as matrix_importance

TYPES = ("F32 F16 Q8_0 Q6_K Q5_K_M Q5_K_S Q5_1 Q5_0 Q4_K_M Q4_K_S Q4_1 Q4_0 IQ4_NL IQ4_XS Q3_K_L Q3_K_M Q3_K_S IQ3_M IQ3_S IQ3_XS IQ3_XXS "
         "Q2_K Q2_K_S IQ2_M IQ2_S IQ2_XS IQ2_XXS IQ1_M IQ1_S TQ2_0 TQ1_0 Q1_0").split()
EXACT = ("F32", "F16", "Q8_0")  # no type to which an importance matrix means anything
ATTENTION = {"plain": llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED, "auto": llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO}
CACHE = 1  # raise it when what is kept in the folder changes its meaning

# How a text is scored. windows: pairs of ids, inputs and targets. tokens: of all targets. window: inputs of a full one.
Task = collections.namedtuple("Task", "text bytes tokens windows window")


def log_probabilities(logits):
    """(positions, vocabulary) float32, with sums in float64."""
    x = (logits - logits.max(1, keepdims=True)).astype(np.float32)
    return x - np.log(np.exp(x).sum(1, keepdims=True, dtype=np.float64)).astype(np.float32)


def compare(task, logits, reference=None):
    """What the logits of all windows say of the text, and of the reference's log-probabilities."""
    nats = divergence = agreed = 0
    for n, ((_, targets), given) in enumerate(zip(task.windows, logits)):
        own = log_probabilities(given)
        nats -= float(own[np.arange(len(targets)), targets].sum(dtype=np.float64))
        if reference:
            divergence += float((np.exp(reference[n]) * (reference[n] - own)).sum(dtype=np.float64))
            agreed += int((reference[n].argmax(1) == own.argmax(1)).sum())
    result = {"perplexity": float(np.exp(nats / task.tokens)), "bits_per_byte": float(nats / np.log(2) / task.bytes)}
    return {**result, "kl": max(0.0, divergence / task.tokens), "top1": agreed / task.tokens} if reference else result


def llama_logits(path, task, attention, threads):
    """llama.cpp's logits of every window."""
    model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
    if not model:
        sys.exit(f"llama.cpp cannot open {path}; remove it, and it is made again.")
    options = llama_cpp.llama_context_default_params()
    options.n_ctx = task.window
    options.n_batch = options.n_ubatch = 512
    options.n_threads = options.n_threads_batch = threads
    options.flash_attn_type = ATTENTION[attention]
    options.type_k = options.type_v = llama_cpp.GGML_TYPE_F32
    context = llama_cpp.llama_init_from_model(model, options)
    vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    batch = llama_cpp.llama_batch_init(task.window, 0, 1)
    for inputs, _ in task.windows:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), False)
        batch.n_tokens = len(inputs)
        for k, token in enumerate(inputs):
            batch.token[k], batch.pos[k], batch.n_seq_id[k], batch.logits[k] = token, k, 1, True
            batch.seq_id[k][0] = 0
        if llama_cpp.llama_decode(context, batch):
            sys.exit(f"llama.cpp failed on {path}.")
        yield np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), (len(inputs), vocabulary))
    llama_cpp.llama_batch_free(batch)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)


def digest(*parts):
    found = hashlib.sha256()
    for part in parts:
        if os.path.exists(part):
            with open(part, "rb") as file:
                part = hashlib.sha256(file.read()).hexdigest()
        found.update(part.encode() + b"\0")
    return found.hexdigest()[:12]


def kept(path, make):
    """What a file holds as JSON; made and written if it is not there."""
    if not os.path.exists(path):
        write_json(path, make())
    with open(path) as file:
        return json.load(file)


def write_json(path, value):
    with open(path + ".part", "w") as file:
        json.dump(value, file, indent=1)
    os.replace(path + ".part", path)


class Peers:
    """llama.cpp's files of a model and what they give, kept in a folder under a stem that changes with all they depend on.

    importance: the inputs of windows to make an importance matrix of, or nothing."""

    def __init__(self, model, task, importance, options, stem):
        self.task, self.options, self.stem, self.shared = task, options, stem, model.shared
        self.results = kept(stem + ".json", dict)
        self.models = {"": model}
        if model.hidden % 32:
            self.models[", padded"] = gguf_files.padded(model, 32)
        self.importance, self.importance_key = {}, digest(str(importance))
        for suffix, each in self.models.items():
            gguf_files.write(each, self.path("F32" + suffix))
        if importance:
            progress("making the importance matrix")
            self.importance = {suffix: matrix_importance(each, importance) for suffix, each in self.models.items()}
        self.reference = self.find_reference()
        self.float_bits = compare(task, self.reference)["bits_per_byte"]

    def find_reference(self):
        """Log-probabilities of every window in F32, with plain attention."""
        path = self.stem + ".npy"
        if not os.path.exists(path):
            progress("llama.cpp, F32")
            found = [log_probabilities(logits) for logits in llama_logits(self.path("F32"), self.task, "plain", self.options.threads)]
            np.save(path + ".part.npy", np.concatenate(found))
            os.replace(path + ".part.npy", path)
        return np.split(np.load(path), np.cumsum([len(targets) for _, targets in self.task.windows])[:-1])

    def path(self, name):
        name = name.replace("imp.", "imp-" + self.importance_key)
        return f"{self.stem}-{name.replace(', ', '-').replace('.', '')}.gguf"

    def measure(self):
        """Rows of all types, in their order; of files with the same types in every tensor only the first, with the names of the others."""
        rows = {}
        for suffix in self.models:
            for importance in [None, self.importance[suffix]] if self.importance else [None]:
                for kind in self.options.types:
                    if importance is None or kind not in EXACT:
                        self.add(rows, kind, suffix, importance)
        return list(rows.values())

    def add(self, rows, kind, suffix, importance):
        """A type as llama.cpp makes it, and with embeddings in the type of the other matrices, where that is smaller."""
        if suffix and kind in ("F32", "F16"):
            return  # these only grow
        name, embeddings = kind + suffix + ", imp." * (importance is not None), None
        for ending in ("", ", emb."):
            types = self.make(name + ending, kind, self.path("F32" + suffix), embeddings, importance)
            if not types:
                return
            same = str((importance is None, sorted(types.items())))
            if same in rows:
                rows[same]["same"].append(name + ending)
            else:
                rows[same] = {**self.row(name + ending, types), "same": []}
            embeddings = smaller_embeddings(types)
            if embeddings is None:
                return

    def make(self, name, kind, source, embeddings, importance):
        """The types of the tensors of a file, which is made if it is not there. None where llama.cpp refuses."""
        path = self.path(name)
        if kind != "F32" and not os.path.exists(path) and not gguf_files.quantise(source, path, kind, embeddings, importance):
            return None
        return gguf_files.tensor_types(path)

    def row(self, name, types):
        """With the attention that predicts better. What was measured before is taken from the folder."""
        path = self.path(name)
        found = self.results.setdefault(os.path.basename(path), {})
        for attention in self.options.attention:
            if attention not in found:
                progress(f"llama.cpp, {name}, {attention} attention")
                found[attention] = compare(self.task, llama_logits(path, self.task, attention, self.options.threads), self.reference)
                write_json(self.stem + ".json", self.results)
        best = min(self.options.attention, key=lambda attention: found[attention]["bits_per_byte"])
        size = os.path.getsize(path)
        return {"ours": False, "name": name, "bytes": size, "bytes_once": size - (gguf_files.repeated_bytes(types) if self.shared else 0),
                "attention": best, **found[best], "types": dict(collections.Counter(kind.name for kind, _ in types.values()))}


def smaller_embeddings(types):
    """The type of most of the other matrices, if it is smaller than the embeddings' own."""
    own = types["token_embd.weight"][0]
    sizes = collections.Counter()
    for name, (kind, size) in types.items():
        if name != "token_embd.weight" and kind != gguf.GGMLQuantizationType.F32:
            sizes[kind] += size
    if not sizes:
        return None
    most = sizes.most_common(1)[0][0]
    (values, size), (own_values, own_size) = gguf.GGML_QUANT_SIZES[most], gguf.GGML_QUANT_SIZES[own]
    return int(most) if size * own_values < own_size * values else None
