"""STLM token-level models in PyTorch: generic embedder, core and head, named as STLM names its tensors."""
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

REQUIRED = "required"
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
    "embedder.embedding_model_type": ("generic",),
    "embedder.tokenizer_type": ("bpe", "gpt2"),
    "embedder.dataset_name": str,
    "lm_head.lm_head_type": ("generic",),
    "lm_head.normalization": ("rms_norm",),
    "lm_head.bias": (False,),
    "hidden_dim": int,
    "context_window": int,
    "vocab_size": int,
    "model_shell_type": ("standard",),
    "embedding_weight_tying": (True, False),
    "positional_encoding_type": ("rope",),
}


def flatten(tree, prefix=""):
    for key, value in tree.items():
        if hasattr(value, "items"):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def check_options(tree, options, where):
    """Every option must be known and have a supported value, and none may be missing."""
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
        if key not in found:
            raise SystemExit(f"The option {where}.{key} is missing; add it.")


def check_model(m):
    check_options(m, MODEL_OPTIONS, "model")
    heads, group = m.core_model.attn.num_heads, m.core_model.attn.group_size
    if min(heads, group, m.hidden_dim, m.core_model.num_layers, m.core_model.ffn.ffn_dim, m.context_window, m.vocab_size) < 1:
        raise SystemExit("Every size of the model must be at least 1; change the zero in the config.")
    if m.hidden_dim % heads or m.hidden_dim // heads % 2:
        raise SystemExit("hidden_dim divided by num_heads must be a whole even number; change one of them.")
    if heads % group:
        raise SystemExit("num_heads must be a multiple of group_size; change one of them.")


class Dropout(nn.Module):
    """Dropout in steps of 1/256 on CPU, where random bytes are far cheaper than PyTorch's own generator."""
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

    def forward(self, x, cos, sin, mask):
        B, S, H = x.shape
        qkv = F.linear(x, self.c_attn.weight[self.order]).view(B, S, -1, self.d)
        qk, v = qkv[:, :, :self.heads + self.kv], qkv[:, :, self.heads + self.kv:]
        a, b = qk.chunk(2, -1)
        qk = torch.cat([a * cos - b * sin, a * sin + b * cos], -1).permute(0, 2, 1, 3)
        q = qk[:, :self.heads].reshape(B, self.kv, -1, self.d)  # the query heads of one key head, one after another
        k, v = qk[:, self.heads:], v.permute(0, 2, 1, 3)
        y = ((q @ k.transpose(2, 3)).add_(mask).softmax(-1) @ v).view(B, self.heads, S, self.d)
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
    def __init__(self, core, dim, ffn, drop):
        super().__init__()
        self.attn_norm = RMSNorm(dim)
        self.attn = Attention(dim, core.attn.num_heads, core.attn.group_size)
        self.ffn_norm = RMSNorm(dim)
        self.ffn = ffn or SwiGLU(dim, core.ffn.ffn_dim)
        self.drop = drop

    def forward(self, x, *tables):
        x = x + self.drop(self.attn(self.attn_norm(x), *tables))
        return x + self.drop(self.ffn(self.ffn_norm(x)))


class Model(nn.Module):
    def __init__(self, m, dropout=0.0, seed=0):
        super().__init__()
        check_model(m)
        self.heads, self.group = m.core_model.attn.num_heads, m.core_model.attn.group_size
        self.window, self.d = m.context_window, m.hidden_dim // self.heads
        self.drop = Dropout(dropout, np.random.Generator(np.random.SFC64(seed)))
        self.embedding_model = nn.Module()
        self.embedding_model.token_embedder = nn.Embedding(m.vocab_size, m.hidden_dim)
        blocks, ffn = [], None
        for _ in range(m.core_model.num_layers):
            blocks.append(Block(m.core_model, m.hidden_dim, ffn, self.drop))
            if m.core_model.core_model_type == "generic_ffn_sharing":
                ffn = blocks[0].ffn
        self.core_model = nn.Module()
        self.core_model.transformer = nn.ModuleDict({"h": nn.ModuleList(blocks)})
        self.model_head = nn.Module()
        self.model_head.layer_norm = RMSNorm(m.hidden_dim)
        self.model_head.linear = nn.Linear(m.hidden_dim, m.vocab_size, bias=False)
        if m.embedding_weight_tying:
            self.model_head.linear.weight = self.embedding_model.token_embedder.weight
        self._tables = {}
        generator = torch.Generator().manual_seed(seed)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                deep = name.endswith(("c_proj.weight", "linear_2.weight"))
                with torch.no_grad():
                    p.normal_(0, 0.02 / (math.sqrt(2 * len(blocks)) if deep else 1), generator=generator)

    def tables(self, S, dtype, device):
        key = (S, dtype, device)
        if key not in self._tables:
            angle = torch.arange(S)[:, None] * 10000.0 ** (-torch.arange(0, self.d, 2) / self.d)
            scale = torch.ones(self.heads + self.heads // self.group, 1)
            scale[:self.heads] = 1 / math.sqrt(self.d)  # the score's factor, taken on the query side
            cos, sin = ((f(angle)[:, None] * scale).to(device, dtype) for f in (torch.cos, torch.sin))
            mask = torch.full((S, S), float("-inf")).triu(1).repeat(self.group, 1).to(device, dtype)
            self._tables[key] = cos, sin, mask
        return self._tables[key]

    def forward(self, ids):
        if ids.shape[1] > 2 * self.window:
            raise ValueError(f"The input has {ids.shape[1]} tokens, but the model's positions end at {2 * self.window}; give fewer.")
        x = self.drop(self.embedding_model.token_embedder(ids))
        cast = torch.is_autocast_enabled() if x.is_cuda else torch.is_autocast_cpu_enabled()
        tables = self.tables(ids.shape[1], torch.bfloat16 if cast else x.dtype, x.device)
        for block in self.core_model.transformer["h"]:
            x = block(x, *tables)
        return self.model_head.linear(self.model_head.layer_norm(x))
