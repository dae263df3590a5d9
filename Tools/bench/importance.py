"""An importance matrix as llama-imatrix makes it: the mean square of each input of a llama model's matrices over a text."""
import collections

from gguf_files import np


def normed(x, weight, epsilon):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight


def rotated(x, cos, sin):
    """(positions, heads, width of a head), adjacent pairs."""
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    a, b = pairs[..., 0], pairs[..., 1]
    return np.stack([a * cos - b * sin, a * sin + b * cos], -1).reshape(x.shape)


def inputs_of_matrices(model, ids):
    """Pairs (name of a matrix, its inputs (positions, columns)) of one window, the embeddings as the output table last."""
    tensors, width = model.tensors, model.dim // model.heads
    angle = np.arange(len(ids))[:, None, None] * 10000.0 ** (-np.arange(0, width, 2) / width)
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    unseen = np.triu(np.full((len(ids), len(ids)), -np.inf, np.float32), 1)
    x = tensors["token_embd.weight"][ids]
    for layer in range(model.layers):
        def weight(name):
            return tensors[f"blk.{layer}.{name}.weight"]

        h = normed(x, weight("attn_norm"), model.epsilon)
        q, k, v = ((h @ weight(name).T).reshape(len(ids), -1, width) for name in ("attn_q", "attn_k", "attn_v"))
        k, v = (np.repeat(each, model.heads // model.kv_heads, 1).swapaxes(0, 1) for each in (rotated(k, cos, sin), v))  # (heads, positions, width)
        scores = rotated(q, cos, sin).swapaxes(0, 1) @ k.swapaxes(1, 2) / np.float32(np.sqrt(width)) + unseen
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (scores / scores.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(ids), -1)
        x = x + seen @ weight("attn_output").T
        g = normed(x, weight("ffn_norm"), model.epsilon)
        gate = g @ weight("ffn_gate").T
        hidden = gate / (1 + np.exp(-gate)) * (g @ weight("ffn_up").T)
        x = x + hidden @ weight("ffn_down").T
        for name, given in (("attn_q", h), ("attn_k", h), ("attn_v", h), ("attn_output", seen), ("ffn_gate", g), ("ffn_up", g), ("ffn_down", hidden)):
            yield f"blk.{layer}.{name}.weight", given
    yield "token_embd.weight", normed(x, tensors["output_norm.weight"], model.epsilon)


def importance(model, windows):
    """{name of a matrix: (columns) float32}."""
    sums, count = collections.Counter(), 0
    for ids in windows:
        count += len(ids)
        for name, given in inputs_of_matrices(model, ids):
            sums[name] = sums[name] + (given.astype(np.float64) ** 2).sum(0)
    return {name: (total / count).astype(np.float32) for name, total in sums.items()}
