"""STLM models in PyTorch: token level and byte level, named as STLM names its tensors."""
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from words import BLOCK, END, PAD

# What each option may be. A type means any value of that type, a tuple lists the values that are supported.
MODEL_OPTIONS = {
    "core_model.core_model_type": ("generic", "generic_ffn_sharing"),
    "core_model.num_layers": int,
    "core_model.ffn.ffn_type": ("swiglu",),
    "core_model.ffn.ffn_dim": int,
    "core_model.ffn.normalization": ("rms_norm",),
    "core_model.ffn.bias": (False,),
    "core_model.attn.attn_type": ("generic",),
    "core_model.attn.num_heads": int,
    "core_model.attn.group_size": int,
    "core_model.attn.normalization": ("rms_norm",),
    "core_model.attn.bias": (False,),
    "core_model.attn.is_causal": (True,),
    "embedder.embedding_model_type": ("generic", "byte_level"),
    "embedder.dataset_name": str,
    "lm_head.lm_head_type": ("generic", "byte_level", "byte_decoder"),
    "lm_head.normalization": ("rms_norm",),
    "lm_head.bias": (False,),
    "hidden_dim": int,
    "context_window": int,
    "vocab_size": int,
    "positional_encoding_type": ("rope",),
}
TOKEN_OPTIONS = {
    "embedder.tokenizer_type": ("bpe", "gpt2"),
    "model_shell_type": ("standard",),
    "embedding_weight_tying": (True, False),
}
BYTE_OPTIONS = {
    "embedder.tokenizer_type": ("words", "gpt2", "bpe"),
    "embedder.byte_tokenizer_type": ("bpe",),
    "embedder.byte_context_window": (BLOCK,),
    "model_shell_type": ("standard", "byte_shell"),
    "embedding_weight_tying": (False,),
    "byte_vocab_size": (258,),
    "byte_context_window": (BLOCK,),
    "byte_embedding_dim": int,
}
DECODER_OPTIONS = {
    "lm_head.byte_decoder_dim": int,
    "lm_head.num_layers": int,
    "lm_head.num_heads": int,
    "lm_head.group_size": int,
    "lm_head.ffn_type": ("swiglu",),
    "lm_head.ffn_dim": int,
    "lm_head.ffn_sharing": (True, False),
    "lm_head.byte_weight_tying": (True, False),
}


def flatten(tree, prefix=""):
    for key, value in tree.items():
        if hasattr(value, "items"):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def check_options(tree, options, where, optional=()):
    """Every option must be known and have a supported value, and none may be missing but the optional ones."""
    found = dict(flatten(tree))
    for key, value in found.items():
        if key not in options:
            raise SystemExit(f"The option {where}.{key} is not supported; remove it.")
        allowed = options[key]
        if isinstance(allowed, tuple):
            if not any(value == a and isinstance(value, bool) == isinstance(a, bool) for a in allowed):
                names = " or ".join(str(a).lower() if isinstance(a, bool) else str(a) for a in allowed)
                raise SystemExit(f"The option {where}.{key} is {value}, but only {names} is supported; change it.")
        elif isinstance(value, bool) != (allowed is bool) or not isinstance(value, (int, float) if allowed is float else allowed):
            raise SystemExit(f"The option {where}.{key} must be of type {allowed.__name__}, not {value!r}; change it.")
        elif allowed is int and value < 0:
            raise SystemExit(f"The option {where}.{key} must not be negative; change it.")
    for key in options:
        if key not in found and key not in optional:
            raise SystemExit(f"The option {where}.{key} is missing; add it.")


def check_model(m):
    kind, head = m.get("embedder", {}).get("embedding_model_type"), m.get("lm_head", {}).get("lm_head_type")
    if (kind == "byte_level") != (head in ("byte_level", "byte_decoder")):
        raise SystemExit(f"The embedder {kind} and the head {head} do not go together here; make both of them work on bytes or none.")
    options = dict(MODEL_OPTIONS, **(BYTE_OPTIONS if kind == "byte_level" else TOKEN_OPTIONS))
    if head == "byte_decoder":
        options.update(DECODER_OPTIONS)
    check_options(m, options, "model")
    a, h = m.core_model.attn, m.lm_head
    check_attention("hidden_dim", m.hidden_dim, a.num_heads, a.group_size, 2)
    sizes = [m.core_model.num_layers, m.core_model.ffn.ffn_dim, m.context_window, m.vocab_size]
    if kind == "byte_level":
        check_attention("byte_embedding_dim", m.byte_embedding_dim, ByteBlock.HEADS, 1)
    if head == "byte_decoder":
        check_attention("byte_decoder_dim", h.byte_decoder_dim, h.num_heads, h.group_size)
        sizes += [h.num_layers, h.ffn_dim]
    if m.model_shell_type == "byte_shell" and head != "byte_level":
        raise SystemExit("model_shell_type byte_shell belongs to lm_head_type byte_level; use standard.")
    if min(sizes) < 1:
        raise SystemExit("Every size of the model must be at least 1; change the zero in the config.")


def check_attention(name, dim, heads, group, multiple=1):
    if min(dim, heads, group) < 1:
        raise SystemExit("Every size of the model must be at least 1; change the zero in the config.")
    if dim % heads or dim // heads % multiple:
        raise SystemExit(f"{name} divided by its {heads} heads must be a whole {'even ' if multiple == 2 else ''}number; change one of them.")
    if heads % group:
        raise SystemExit("num_heads must be a multiple of group_size; change one of them.")


def wide(x):
    """At least float32: sums and losses are too coarse in bfloat16."""
    return x if x.dtype == torch.float64 else x.float()


class Dropout(nn.Module):
    """One object for the whole core, so that a schedule can change p.

    On CPU it drops in steps of 1/256, because random bytes are far cheaper than PyTorch's own generator."""
    def __init__(self, p, rng):
        super().__init__()
        self.p, self.rng = p, rng

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if x.is_cuda:
            return F.dropout(x, self.p)
        limit = round(self.p * 256)
        n = x.numel()
        raw = torch.from_numpy(self.rng.bit_generator.random_raw(n // 8 + 1).view(np.uint8)[:n]).view(x.shape)
        return x * (raw >= limit).to(x.dtype).mul_(256 / (256 - limit))


class _FastRMSNorm(torch.autograd.Function):
    """Training only: writes bfloat16 at once and keeps less than autograd would."""
    @staticmethod
    def forward(ctx, x, w):
        r = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(1e-6).rsqrt_()
        n = x * r
        ctx.save_for_backward(n, r, w)
        return (n * w).to(torch.bfloat16)

    @staticmethod
    def backward(ctx, g):
        n, r, w = ctx.saved_tensors
        g = g.float()
        gn = g * n
        gw = gn.reshape(-1, n.shape[-1]).sum(0)
        mean = (gn @ w).unsqueeze(-1).div_(n.shape[-1])
        return g.mul_(w).sub_(n * mean).mul_(r), gw


class RMSNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        if torch.is_autocast_cpu_enabled() and torch.is_grad_enabled() and x.dtype == torch.float32:
            return _FastRMSNorm.apply(x, self.weight)
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.weight


class Attention(nn.Module):
    def __init__(self, dim, heads, group):
        super().__init__()
        self.heads, self.kv, self.d = heads, heads // group, dim // heads
        kv_dim = self.kv * self.d
        self.c_attn = nn.Linear(dim, dim + 2 * kv_dim, bias=False)
        self.c_proj = nn.Linear(dim, dim, bias=False)
        # STLM rotates neighbouring columns. Sorting even columns before odd ones in q and k alike leaves
        # every score as it is and turns the rotation into two contiguous halves.
        one = torch.cat([torch.arange(0, self.d, 2), torch.arange(1, self.d, 2)])
        qk = (torch.arange(heads + self.kv)[:, None] * self.d + one).reshape(-1)
        order = torch.cat([qk, torch.arange(dim + kv_dim, dim + 2 * kv_dim)])
        self.register_buffer("order", order, persistent=False)

    def forward(self, x, mask=None, cos=None, sin=None):
        B, S, H = x.shape
        if cos is None:
            q, k, v = self.c_attn(x).view(B, S, -1, self.d).permute(0, 2, 1, 3).split([self.heads, self.kv, self.kv], 1)
            q = q / math.sqrt(self.d)
        else:
            qkv = F.linear(x, self.c_attn.weight[self.order]).view(B, S, -1, self.d)
            qk, v = qkv[:, :, :self.heads + self.kv], qkv[:, :, self.heads + self.kv:]
            a, b = qk.chunk(2, -1)
            qk = torch.cat([a * cos - b * sin, a * sin + b * cos], -1).permute(0, 2, 1, 3)
            q, k, v = qk[:, :self.heads], qk[:, self.heads:], v.permute(0, 2, 1, 3)
        q = q.reshape(B, self.kv, -1, self.d)  # the query heads of one key head, one after another
        scores = q @ k.transpose(2, 3)
        y = ((scores if mask is None else scores.add_(mask)).softmax(-1) @ v).view(B, self.heads, S, self.d)
        return self.c_proj(y.transpose(1, 2).reshape(B, S, H))


class SwiGLU(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.linear_1 = nn.Linear(dim, hidden, bias=False)
        self.linear_2 = nn.Linear(hidden, dim, bias=False)
        self.linear_3 = nn.Linear(dim, hidden, bias=False)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)) * self.linear_3(x))


class Block(nn.Module):
    def __init__(self, dim, heads, group, ffn, drop):
        super().__init__()
        self.attn_norm = RMSNorm(dim)
        self.attn = Attention(dim, heads, group)
        self.ffn_norm = RMSNorm(dim)
        self.ffn = ffn
        self.drop = drop

    def forward(self, x, *tables):
        x = x + self.drop(self.attn(self.attn_norm(x), *tables))
        return x + self.drop(self.ffn(self.ffn_norm(x)))


class Stack(nn.Module):
    def __init__(self, dim, layers, heads, group, ffn_dim, sharing, drop):
        super().__init__()
        one = SwiGLU(dim, ffn_dim)
        blocks = [Block(dim, heads, group, one if sharing or i == 0 else SwiGLU(dim, ffn_dim), drop) for i in range(layers)]
        self.transformer = nn.ModuleDict({"h": nn.ModuleList(blocks)})

    def forward(self, x, *tables):
        for block in self.transformer["h"]:
            x = block(x, *tables)
        return x


class ByteFFN(nn.Module):
    def __init__(self, dim, hidden, out):
        super().__init__()
        self.linear_1 = nn.Linear(dim, hidden, bias=False)
        self.linear_2 = nn.Linear(hidden, out, bias=False)

    def forward(self, x):
        return self.linear_2(F.gelu(self.linear_1(x)))


class ByteBlock(nn.Module):
    """STLM's byte block: all slots see one another, and there is no residual path around the feed-forward network."""
    HEADS = 8

    def __init__(self, dim, hidden, out):
        super().__init__()
        self.attn_norm = RMSNorm(dim)
        self.attn = Attention(dim, self.HEADS, 1)
        self.ffn_norm = RMSNorm(dim)
        self.ffn = ByteFFN(dim, hidden, out)

    def forward(self, x):
        return self.ffn(self.ffn_norm(x + self.attn(self.attn_norm(x))))


class Slots(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.pe = nn.Embedding(BLOCK, dim)


class ByteEmbedder(nn.Module):
    """The bytes of a block to one vector."""
    def __init__(self, m):
        super().__init__()
        E, H = m.byte_embedding_dim, m.hidden_dim
        self.pos_encoder = Slots(E)
        self.byte_token_embedder = nn.Embedding(m.byte_vocab_size, E)
        sizes = [(E, 4 * E, 2 * E), (2 * E, 8 * E, 2 * E), (2 * E, 8 * E, 2 * E), (2 * E, 8 * E, H)]
        self.transformer = nn.ModuleList(ByteBlock(*s) for s in sizes)

    def forward(self, blocks):
        x = (self.byte_token_embedder(blocks) + self.pos_encoder.pe.weight).flatten(0, -3)
        for block in self.transformer:
            x = block(x)
        return wide(x).mean(1).view(*blocks.shape[:-1], -1)


class ByteHead(nn.Module):
    """STLM's own byte head: all slots of the next block at once, none knowing what the others become."""
    def __init__(self, m):
        super().__init__()
        E = m.byte_embedding_dim
        self.projection = nn.Linear(m.hidden_dim, BLOCK * E, bias=False)
        self.pos_encoder = Slots(E)
        self.transformer = nn.ModuleList(ByteBlock(E, 4 * E, E) for _ in range(7))
        self.lm_head = nn.Linear(E, m.byte_vocab_size, bias=False)

    def forward(self, x):
        z = 2 * self.projection(x).view(-1, BLOCK, self.lm_head.in_features) + self.pos_encoder.pe.weight
        for block in self.transformer:
            z = block(z)
        return self.lm_head(z).view(*x.shape[:-1], BLOCK, -1)

    def scored(self, x, blocks):
        return self(x).flatten(0, -2), blocks.flatten()


def block_lengths(blocks):
    """How many symbols write a block: its bytes and the symbol that closes it, unless it is full."""
    return ((blocks < PAD).sum(-1) + 1).clamp(max=BLOCK)


class ByteDecoder(nn.Module):
    """Our own head: a small transformer that writes the next block byte by byte, each slot knowing those before it."""
    ROW = 36  # slots in a row of packed blocks: room for 36 // n blocks of n slots, and hardly any waste

    def __init__(self, m, drop):
        super().__init__()
        h = m.lm_head
        D = h.byte_decoder_dim
        self.core_norm = RMSNorm(m.hidden_dim)
        self.projection = nn.Linear(m.hidden_dim, D, bias=False)
        self.byte_token_embedder = nn.Embedding(m.byte_vocab_size, D)
        self.pos_encoder = Slots(D)
        self.transformer = Stack(D, h.num_layers, h.num_heads, h.group_size, h.ffn_dim, h.ffn_sharing, drop).transformer
        self.layer_norm = RMSNorm(D)
        self.lm_head = nn.Linear(D, m.byte_vocab_size, bias=False)
        if h.byte_weight_tying:
            self.lm_head.weight = self.byte_token_embedder.weight
        self.group = h.group_size
        # One mask for each length n: a slot sees itself and the slots before it in its own block.
        masks = torch.full((BLOCK + 1, self.ROW, self.ROW), float("-inf"))
        for n in range(1, BLOCK + 1):
            block = torch.arange(self.ROW) // n
            masks[n][(block[:, None] == block) & (torch.arange(self.ROW)[:, None] >= torch.arange(self.ROW))] = 0
        self.register_buffer("masks", masks.repeat(1, self.group, 1)[:, None], persistent=False)

    def run(self, x, mask):
        cast = torch.is_autocast_enabled() if x.is_cuda else torch.is_autocast_cpu_enabled()
        mask = mask.to(torch.bfloat16 if cast else x.dtype)
        for block in self.transformer["h"]:
            x = block(x, mask)
        return self.lm_head(self.layer_norm(x))

    def inputs(self, blocks):
        before = torch.cat([torch.full_like(blocks[..., :1], PAD), blocks[..., :-1]], -1)
        return self.byte_token_embedder(before) + self.pos_encoder.pe.weight[:blocks.shape[-1]]

    def forward(self, x, blocks):
        """Logits of all slots of the blocks (..., n up to 12) that follow the positions x (..., H)."""
        n = blocks.shape[-1]
        z = self.projection(self.core_norm(x)).unsqueeze(-2) + self.inputs(blocks)
        mask = torch.full((n, n), float("-inf"), device=x.device).triu(1).repeat(self.group, 1)
        return self.run(z.view(-1, n, z.shape[-1]), mask).view(*blocks.shape, -1)

    def scored(self, x, blocks):
        """Logits and symbols of the slots that count, in rows of blocks of one length; closed slots are not computed."""
        lengths, order = block_lengths(blocks).sort(stable=True)
        counts = torch.bincount(lengths, minlength=BLOCK + 1).tolist()
        place, kind, rows = [], [], 0
        for n, count in enumerate(counts):
            if count:
                fit = self.ROW // n
                i = torch.arange(count)
                start = (rows + i // fit) * self.ROW + i % fit * n
                place.append((start[:, None] + torch.arange(n)).flatten())
                kind.append(torch.full((-(-count // fit),), n))
                rows += len(kind[-1])
        place, kind = torch.cat(place).to(x.device), torch.cat(kind).to(x.device)
        of = torch.repeat_interleave(torch.arange(len(order), device=x.device), lengths)  # the block of every slot
        slot = torch.arange(len(of), device=x.device) - torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
        symbols = blocks[order[of], slot]
        before = torch.where(slot == 0, PAD, blocks[order[of], (slot - 1).clamp(min=0)])
        # Rows are filled by looking up; the places left over repeat the last slot and are dropped at the end.
        source = torch.full((rows * self.ROW,), len(of) - 1, device=x.device)
        source[place] = torch.arange(len(of), device=x.device)
        y = self.projection(self.core_norm(x))
        z = F.embedding(order[of[source]], y) + self.byte_token_embedder(before[source]) + self.pos_encoder.pe(slot[source])
        logits = self.run(z.view(rows, self.ROW, -1), self.masks[kind])
        return F.embedding(place, logits.view(rows * self.ROW, -1)), symbols


class Model(nn.Module):
    def __init__(self, m, dropout=0.0, seed=0):
        super().__init__()
        check_model(m)
        core, kind = m.core_model, m.lm_head.lm_head_type
        self.heads, self.group = core.attn.num_heads, core.attn.group_size
        self.window, self.d = m.context_window, m.hidden_dim // self.heads
        self.bytes, self.shell = kind != "generic", m.model_shell_type == "byte_shell" and kind == "byte_level"
        self.drop = Dropout(dropout, np.random.Generator(np.random.SFC64(seed)))
        if self.bytes:
            self.embedding_model = ByteEmbedder(m)
        else:
            self.embedding_model = nn.Module()
            self.embedding_model.token_embedder = nn.Embedding(m.vocab_size, m.hidden_dim)
        sharing = core.core_model_type == "generic_ffn_sharing"
        self.core_model = Stack(m.hidden_dim, core.num_layers, self.heads, self.group, core.ffn.ffn_dim, sharing, self.drop)
        if kind == "byte_level":
            self.model_head = ByteHead(m)
        elif kind == "byte_decoder":
            self.model_head = ByteDecoder(m, Dropout(0, None))
        else:
            self.model_head = nn.Module()
            self.model_head.layer_norm = RMSNorm(m.hidden_dim)
            self.model_head.linear = nn.Linear(m.hidden_dim, m.vocab_size, bias=False)
            if m.embedding_weight_tying:
                self.model_head.linear.weight = self.embedding_model.token_embedder.weight
        self._tables = {}
        self.start(kind, torch.Generator().manual_seed(seed))

    def parameter_counts(self):
        """Unique parameters of embedder, core and head; what the head shares with the embedder counts as the embedder's."""
        counts, part = {"embedder": 0, "core": 0, "head": 0}, {"embedding_model": "embedder", "core_model": "core", "model_head": "head"}
        for name, p in self.named_parameters():
            counts[part[name.split(".")[0]]] += p.numel()
        return counts

    def start(self, kind, generator):
        """Random weights. Where no residual path goes around the feed-forward network, small ones would make its signal vanish."""
        for name, p in self.named_parameters():
            if p.dim() == 2:
                part, rest = name.split(".", 1)
                if self.bytes and (part == "embedding_model" or part == "model_head" and kind == "byte_level"):
                    scale = {"pos_encoder": 0.3, "byte_token_embedder": 1.0}.get(rest.split(".")[0], 1 / math.sqrt(p.shape[1]))
                else:
                    scale = 0.02
                    if part == "model_head" and kind == "byte_decoder":  # byte, slot and the core's output begin equally loud
                        fan = 1 / math.sqrt(p.shape[1])
                        scale = {"pos_encoder": 0.1, "byte_token_embedder": 0.1, "projection": 0.1 * fan}.get(rest.split(".")[0], 0.5 * fan)
                    if name.endswith(("c_proj.weight", "linear_2.weight")):
                        scale /= math.sqrt(2 * len(getattr(self, part).transformer["h"]))
                with torch.no_grad():
                    p.normal_(0, scale, generator=generator)

    def tables(self, S, dtype, device):
        key = (S, dtype, device)
        if key not in self._tables:
            angle = torch.arange(S)[:, None] * 10000.0 ** (-torch.arange(0, self.d, 2) / self.d)
            scale = torch.ones(self.heads + self.heads // self.group, 1)
            scale[:self.heads] = 1 / math.sqrt(self.d)  # the score's factor, taken on the query side
            cos, sin = ((f(angle)[:, None] * scale).to(device, dtype) for f in (torch.cos, torch.sin))
            mask = torch.full((S, S), float("-inf")).triu(1).repeat(self.group, 1).to(device, dtype)
            self._tables[key] = mask, cos, sin
        return self._tables[key]

    def core(self, x):
        """From the embeddings to the core's outputs."""
        if x.shape[1] > 2 * self.window:
            raise ValueError(f"The input has {x.shape[1]} positions, but the model's end at {2 * self.window}; give fewer.")
        cast = torch.is_autocast_enabled() if x.is_cuda else torch.is_autocast_cpu_enabled()
        return self.core_model(self.drop(x), *self.tables(x.shape[1], torch.bfloat16 if cast else x.dtype, x.device))

    def forward(self, ids, following=None):
        """Logits at every position. ids: tokens (B, S), or blocks (B, S, 12); the decoder also needs the blocks that follow each."""
        if not self.bytes:
            return self.model_head.linear(self.model_head.layer_norm(self.core(self.embedding_model.token_embedder(ids))))
        x = self.core(self.embedding_model(ids))
        return self.model_head(x) if following is None else self.model_head(x, following)

    def scored(self, ids, target, table=None):
        """Logits (N, V) and symbols (N) of everything that the targets (B, S) hold; -100 marks a target that does not count.

        For byte models ids and targets are rows of `table`, which holds the blocks."""
        if not self.bytes:
            keep = target.flatten() >= 0
            logits, target = self(ids).flatten(0, 1), target.flatten()
            return (logits, target) if bool(keep.all()) else (logits[keep], target[keep])
        used, where = ids.unique(return_inverse=True)
        e = self.embedding_model(table[used])
        x = self.core(F.embedding(where, e)).flatten(0, 1)
        target = target.flatten()
        if bool((target < 0).any()):
            x, target = x[target >= 0], target[target >= 0]
        logits, symbols = self.model_head.scored(x, table[target])
        if self.shell and self.training:
            self.side_loss = self.reconstruction(e, table[used], where)
        return logits, symbols

    def reconstruction(self, e, blocks, where):
        """byte_shell's second loss: the head should read each block back from its own embedding; symbol 257 does not count."""
        logits = wide(self.model_head(e)).flatten(0, 1)
        loss = F.cross_entropy(logits, blocks.flatten(), ignore_index=END, reduction="none").view(blocks.shape).sum(1)
        times = torch.bincount(where.flatten(), minlength=len(e))
        return (loss * times).sum() / ((blocks != END).sum(1) * times).sum()
