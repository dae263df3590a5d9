"""Trains STLM models, token level and byte level, and saves them in STLM's own checkpoint layout. See README.md."""
import argparse
import collections
import math
import os
import re
import sys
import time

import numpy as np
import torch
from omegaconf import OmegaConf
from torch.nn import functional as F

import bpe
import evaluate
import words
from model import ByteDecoder, Model, check_model, check_options

TRAINER_OPTIONS = {
    "dropout_scheduler.dropout_type": ("constant", "linear", "triangle"),
    "dataset": str,
    "training.trainer_type": ("base_trainer",),
    "training.batch_size": int,
    "training.gradient_accumulation_steps": int,
    "training.max_iters": int,
    "training.lr_decay_iters": int,
    "training.warmup_iters": int,
    "training.eval_interval": int,
    "training.log_interval": int,
    "training.eval_iters": int,
    "training.checkpoint_interval": int,
    "training.run_profiler": (False,),
    "eval": ([],),
    "optimizer.name": ("nanoGPTadamW",),
    "optimizer.lr": float,
    "optimizer.min_lr": float,
    "optimizer.weight_decay": float,
    "optimizer.beta1": float,
    "optimizer.beta2": float,
    "optimizer.grad_clip": float,
    "optimizer.decay_lr": (True, False),
    "optimizer.warmup_iters": int,
    "lr_scheduler.name": ("cosine",),
    "dataloader.name": ("standard", "byte_pooling"),
    "datasampling.name": ("standard",),
    "loss_fn.name": ("cross_entropy",),
    "ema_decay": float,
    "embedder_lr_factor": float,
    "distillation.weight": float,
    "distillation.temperature": float,
    "data.story_start_share": float,
    "data.blank_line_share": float,
    "data.cut_share": float,
    "data.variants": int,
}
OPTIONAL = ("embedder_lr_factor", "distillation.weight", "distillation.temperature")
DROPOUT_OPTIONS = {
    "constant": {"dropout": float},
    "linear": {"start_dropout_p": float, "end_dropout_p": float, "start_iter": int, "end_iter": int},
    "triangle": {"dropout_trough": float, "dropout_peak": float, "num_iterations": int, "num_cycles": int},
}
GENERAL_OPTIONS = {
    "logging.wandb_log": (False,),
    "logging.wandb_project": str,
    "paths.output_dir": str,
    "paths.data_dir": str,
    "paths.checkpoint_dir": str,
    "seed": int,
    "device": ("cpu", "cuda"),
}


def check_config(c):
    for key in c:
        if key not in ("model", "trainer", "general"):
            raise SystemExit(f"The option {key} is not supported; remove it.")
    for key in ("model", "trainer", "general"):
        if key not in c:
            raise SystemExit(f"The section {key} is missing from the config; add it.")
    check_model(c.model)
    kind = c.trainer.get("dropout_scheduler", {}).get("dropout_type")
    schedule = {f"dropout_scheduler.{key}": v for key, v in DROPOUT_OPTIONS.get(kind, {}).items()}
    check_options(c.trainer, dict(TRAINER_OPTIONS, **schedule), "trainer", OPTIONAL)
    check_options(c.general, GENERAL_OPTIONS, "general")
    t = c.trainer
    pooling = "words" if c.model.lm_head.lm_head_type != "generic" else "bpe"
    if c.model.embedder.tokenizer_type != pooling:
        raise SystemExit(f"Training this model needs model.embedder.tokenizer_type {pooling}; change it.")
    if c.model.embedder.dataset_name != t.dataset:
        raise SystemExit("trainer.dataset and model.embedder.dataset_name must be the same; change one of them.")
    if t.training.warmup_iters != t.optimizer.warmup_iters:
        raise SystemExit("training.warmup_iters and optimizer.warmup_iters must be the same; change one of them.")
    for key in ("batch_size", "gradient_accumulation_steps", "max_iters", "lr_decay_iters", "eval_interval", "log_interval", "eval_iters", "checkpoint_interval"):
        if t.training[key] < 1:
            raise SystemExit(f"The option trainer.training.{key} must be at least 1; change it.")
    if t.data.variants < 1:
        raise SystemExit("The option trainer.data.variants must be at least 1; change it.")
    d = t.dropout_scheduler
    shares = dict(t.data, ema_decay=t.ema_decay, **{key: d[key] for key, v in DROPOUT_OPTIONS[kind].items() if v is float})
    for key, v in shares.items():
        if key != "variants" and not 0 <= v < 1:
            raise SystemExit(f"The option {key} must lie between 0 and 1; change it.")
    if kind == "linear" and d.end_iter <= d.start_iter:
        raise SystemExit("dropout_scheduler.end_iter must be larger than start_iter; change one of them.")
    if kind == "triangle" and not 2 <= 2 * d.num_cycles <= d.num_iterations:
        raise SystemExit("dropout_scheduler.num_iterations must hold at least two iterations for each of num_cycles; change one of them.")
    if "distillation" in t:
        if set(t.distillation) != {"weight", "temperature"}:
            raise SystemExit("trainer.distillation needs weight and temperature; add the missing one.")
        if not 0 <= t.distillation.weight <= 1 or t.distillation.temperature <= 0:
            raise SystemExit("distillation.weight must lie between 0 and 1 and distillation.temperature above 0; change them.")
    if t.get("embedder_lr_factor", 1.0) < 0:
        raise SystemExit("The option trainer.embedder_lr_factor must not be negative; change it.")
    check_paths(c)


def check_paths(c):
    for key, v in c.general.paths.items():
        if os.path.isabs(v):
            raise SystemExit(f"general.paths.{key} is saved into every checkpoint and must be a relative name; change it.")


def read_stories(path):
    if not os.path.isfile(path):
        raise SystemExit(f"There is no text {path}; check the path.")
    with open(path, "rb") as f:
        parts = f.read().replace(b"\r\n", b"\n").split(b"<|endoftext|>")
    # Blank lines inside a story go, so that a blank line can only mean a new story.
    stories = [re.sub(rb"\n\n+", b"\n", s.strip()) for s in parts]
    stories = [s for s in stories if s]
    if not stories:
        raise SystemExit(f"The text {path} is empty; give a text with stories separated by lines of <|endoftext|>.")
    return stories


class Data:
    """Several tokenisations of the stories, and windows sampled from them."""
    def __init__(self, stories, tok, d, window):
        self.d, self.window = d, window
        rng = np.random.default_rng(0)
        self.streams = [tok.encode_stories(stories, d.cut_share, rng) for _ in range(d.variants if d.cut_share > 0 else 1)]
        self.blank = tok.encode(b"\n\n".join(stories))
        if min(map(len, self.streams + [self.blank])) < window + 2:
            raise SystemExit(f"The text has fewer tokens than one window of {window}; give more text or a smaller context_window.")
        self.starts = []  # where an end of text is followed by a whole window
        for s in self.streams:
            at = np.flatnonzero(s == tok.eot)
            self.starts.append(at[at < len(s) - window])

    def batch(self, n, rng):
        out = np.empty((n, self.window + 1), np.int64)
        for i in range(n):
            if rng.random() < self.d.blank_line_share:
                s, at = self.blank, None
            else:
                v = rng.integers(len(self.streams))
                s, at = self.streams[v], self.starts[v]
            if at is not None and len(at) and rng.random() < self.d.story_start_share:
                p = at[rng.integers(len(at))]
            else:
                p = rng.integers(len(s) - self.window)
            out[i] = s[p:p + self.window + 1]
        return torch.from_numpy(out)


def save(obj, path):
    """Writes beside the target and renames, so that a kill never leaves half a file."""
    part = os.path.splitext(path)[0] + ".part"
    torch.save(obj, part)
    os.replace(part, path)


def checkpoint(model_state, optimizer_state, iteration, config):
    return {"model": model_state, "optimizer": optimizer_state, "iter_num": iteration, "config": config}


def to_half(state):
    """Float16 copies; names that share a storage share the copy's storage too."""
    done, out = {}, collections.OrderedDict()
    for name, t in state.items():
        key = (t.data_ptr(), tuple(t.shape))
        if key not in done:
            done[key] = t.detach().to("cpu", torch.float16).contiguous()
        out[name] = done[key]
    return out


def learning_rate(o, iteration, progress):
    if iteration < o.warmup_iters:
        return o.lr * (iteration + 1) / o.warmup_iters
    if not o.decay_lr:
        return o.lr
    return o.min_lr + (o.lr - o.min_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def dropout_at(d, iteration):
    """STLM's three dropout schedules."""
    if d.dropout_type == "constant":
        return d.dropout
    if d.dropout_type == "linear":
        share = min(1.0, max(0.0, (iteration - d.start_iter) / (d.end_iter - d.start_iter)))
        return d.start_dropout_p + share * (d.end_dropout_p - d.start_dropout_p)
    cycle = d.num_iterations // d.num_cycles
    share = 1 - abs(2 * (iteration % cycle) / cycle - 1)
    return d.dropout_trough + share * (d.dropout_peak - d.dropout_trough)


def optimizer(model, o, embedder_factor):
    """AdamW on two groups, matrices and the rest; where the embedder learns at a rate of its own it has two more."""
    groups = []
    for inside in (None,) if embedder_factor == 1 else (False, True):
        for matrix in (True, False):
            params = [p for name, p in model.named_parameters()
                      if (p.dim() >= 2) == matrix and inside in (None, name.startswith("embedding_model."))]
            groups.append(dict({"params": params, "weight_decay": o.weight_decay if matrix else 0.0}, **({"factor": embedder_factor} if inside else {})))
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=o.lr, betas=(o.beta1, o.beta2))


def load_teacher(path, m, out):
    """The teacher's model; its vocabulary must be the student's, so a new training takes over the teacher's tokenizer."""
    model, ckpt = evaluate.load_model(path)
    theirs = ckpt["config"].model
    for key in ("lm_head.lm_head_type", "embedder.tokenizer_type", "vocab_size"):
        a, b = OmegaConf.select(theirs, key), OmegaConf.select(m, key)
        if a != b:
            raise SystemExit(f"The teacher's {key} is {a} and the model's {b}; give a teacher that shares it.")
    if 2 * model.window < m.context_window:
        raise SystemExit(f"The teacher reads at most {2 * model.window} positions, fewer than the context window {m.context_window}; give another teacher.")
    if theirs.embedder.tokenizer_type == "bpe":
        tok, path = evaluate.find_tokenizer(ckpt["config"], os.path.dirname(path)), tokenizer_path(out, m)
        if not os.path.exists(path):
            tok.save(path)
        if bpe.Tokenizer.load(path).merges != tok.merges:
            raise SystemExit(f"The teacher's tokenizer differs from {path}; remove that file in a new training or give another teacher.")
    return model.requires_grad_(False)


def tokenizer_path(folder, m):
    return os.path.join(folder, f"bpe_{m.embedder.dataset_name}_{m.vocab_size}.model")


def distillation_loss(logits, teacher, temperature):
    """How far the teacher's softened predictions are from the student's, times the temperature squared."""
    student, target = (logits / temperature).log_softmax(-1), (teacher / temperature).log_softmax(-1)
    return F.kl_div(student, target, reduction="batchmean", log_target=True) * temperature ** 2


def train(a):
    os.makedirs(a.out, exist_ok=True)
    last, best, extra = (os.path.join(a.out, n) for n in ("last.ckpt", "best.ckpt", "resume.pt"))
    if os.path.exists(last) and not a.resume:
        raise SystemExit(f"{a.out} already holds a training; continue it with --resume or choose another --out.")
    resumed = evaluate.load_checkpoint(last) if a.resume else None
    if resumed and a.config:
        raise SystemExit("--resume takes the config from the checkpoint; leave --config out.")
    if not resumed and not a.config:
        raise SystemExit("A new training needs --config; give a YAML file such as configs/tinystories.yaml.")
    c = resumed["config"] if resumed else OmegaConf.load(a.config)
    check_config(c)
    m, t, o = c.model, c.trainer.training, c.trainer.optimizer
    device = c.general.device
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("The config asks for cuda, but no GPU is usable here; set general.device to cpu.")
    torch.set_num_threads(a.threads)
    torch.manual_seed(c.general.seed)

    def log(text):
        print(time.strftime("%H:%M:%S ") + text, flush=True)

    if bool(a.teacher) != ("distillation" in c.trainer):
        raise SystemExit("--teacher and the config's section trainer.distillation belong together; give both or none.")
    teacher = load_teacher(a.teacher, m, a.out).to(device) if a.teacher else None
    stories = read_stories(a.text)
    if m.embedder.tokenizer_type == "words":
        tok = words.Tokenizer()
    else:
        tok_path = tokenizer_path(a.out, m)
        if not os.path.exists(tok_path):
            bpe.Tokenizer(bpe.train_merges(stories, m.vocab_size, log)).save(tok_path)
        tok = bpe.Tokenizer.load(tok_path)
        if tok.vocab_size != m.vocab_size:
            raise SystemExit(f"The tokenizer {tok_path} has {tok.vocab_size} ids instead of {m.vocab_size}; remove it to train a new one.")
    data = Data(stories, tok, c.trainer.data, m.context_window)
    if not os.path.isfile(a.val):
        raise SystemExit(f"There is no validation text {a.val}; check the path.")
    with open(a.val, "rb") as f:
        val = f.read()
    val_ids = tok.encode(val)[:t.eval_iters * t.batch_size * m.context_window + 1]
    val = b"".join(tok.pieces[i] for i in val_ids)
    table = torch.from_numpy(tok.table).to(device) if m.embedder.tokenizer_type == "words" else None
    unit = "tokens" if table is None else "blocks"
    log(f"{len(stories)} stories, {len(data.streams[0])} {unit}; validation on {len(val)} bytes")

    # Each start takes its own seed, so that a resumed training does not see the same windows again.
    seed = c.general.seed + (resumed["iter_num"] if resumed else 0)
    rng = np.random.Generator(np.random.PCG64(seed))
    model = Model(m, seed=seed).to(device)
    average = Model(m).to(device).eval()
    opt = optimizer(model, o, c.trainer.get("embedder_lr_factor", 1.0))
    iteration, spent, best_bits = 0, 0.0, float("inf")
    if resumed:
        model.load_state_dict(resumed["model"])
        opt.load_state_dict(resumed["optimizer"])
        iteration = resumed["iter_num"] + 1
        more = torch.load(extra, map_location=device)
        average.load_state_dict(more["average"])
        spent, best_bits = more["seconds"], more["best_bits_per_byte"]
        log(f"continuing at iteration {iteration} after {spent / 60:.1f} minutes")
    else:
        average.load_state_dict(model.state_dict())
    pairs = list(zip(average.parameters(), model.parameters()))
    log(f"{sum(p.numel() for p in model.parameters())} parameters")

    def autocast():
        return torch.autocast(device, dtype=torch.bfloat16)

    def validate():
        with autocast():
            nats, _ = evaluate.total_nll(average, evaluate.windows(val_ids, m.context_window), device=device, table=table)
        return nats / math.log(2) / len(val)

    began, tokens, loss_sum, mark = time.time() - spent, 0, 0.0, time.time()
    while True:
        seconds = time.time() - began
        progress = seconds / (60 * a.minutes) if a.minutes else iteration / t.lr_decay_iters
        done = progress >= 1 if a.minutes else iteration >= t.max_iters
        if iteration and (done or iteration % t.eval_interval == 0):
            bits = validate()
            if bits < best_bits:
                best_bits = bits
                save(checkpoint(average.state_dict(), {}, iteration - 1, c), best)
            log(f"validation at {iteration}: {bits:.4f} bits per byte, best {best_bits:.4f}, {100 * min(1, progress):.1f} % done")
        if iteration and (done or iteration % t.checkpoint_interval == 0):
            save({"average": average.state_dict(), "seconds": time.time() - began, "best_bits_per_byte": best_bits}, extra)
            save(checkpoint(model.state_dict(), opt.state_dict(), iteration - 1, c), last)
        if done:
            break
        rate = learning_rate(o, iteration, progress)
        for group in opt.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        model.drop.p = dropout_at(c.trainer.dropout_scheduler, iteration)
        for _ in range(t.gradient_accumulation_steps):
            x = data.batch(t.batch_size, rng).to(device)
            with autocast():
                logits, symbols = model.scored(x[:, :-1], x[:, 1:], table)
            logits = logits.float()
            loss = goal = F.cross_entropy(logits, symbols)
            if teacher:
                with torch.no_grad(), autocast():
                    wanted = teacher.scored(x[:, :-1], x[:, 1:], table)[0].float()
                share = c.trainer.distillation.weight
                goal = (1 - share) * goal + share * distillation_loss(logits, wanted, c.trainer.distillation.temperature)
            if model.shell:
                goal = goal + model.side_loss
            (goal / t.gradient_accumulation_steps).backward()
            loss_sum += float(loss.detach()) / t.gradient_accumulation_steps
            tokens += x.numel() - len(x)
        if o.grad_clip > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), o.grad_clip)
        opt.step()
        opt.zero_grad(set_to_none=True)
        decay = min(c.trainer.ema_decay, (1 + iteration) / (10 + iteration))
        with torch.no_grad():
            for p, q in pairs:
                p.lerp_(q, 1 - decay)
        iteration += 1
        if iteration % t.log_interval == 0:
            log(f"iteration {iteration}: loss {loss_sum / t.log_interval:.4f}, rate {rate:.2e}, {tokens / (time.time() - mark):.0f} {unit}/s")
            tokens, loss_sum, mark = 0, 0.0, time.time()
    log(f"finished: {iteration} iterations, {(time.time() - began) / 60:.1f} minutes, best {best_bits:.4f} bits per byte")


def export(a):
    ckpt = evaluate.load_checkpoint(a.checkpoint)
    check_config(ckpt["config"])
    os.makedirs(a.out, exist_ok=True)
    m = ckpt["config"].model
    model = Model(m)
    model.load_state_dict(ckpt["model"])  # brings back the ties
    if m.embedder.tokenizer_type == "bpe":
        evaluate.find_tokenizer(ckpt["config"], os.path.dirname(a.checkpoint)).save(tokenizer_path(a.out, m))
    path = os.path.join(a.out, "model.ckpt")
    save(checkpoint(to_half(model.state_dict()), {}, ckpt["iter_num"], ckpt["config"]), path)
    print(f"{path}: {os.path.getsize(path)} bytes, {sum(p.numel() for p in model.parameters())} parameters, iteration {ckpt['iter_num']}")


def random(a):
    if not os.path.isfile(a.config):
        raise SystemExit(f"There is no config {a.config}; check the path.")
    c = OmegaConf.load(a.config)
    for key in ("model", "trainer", "general"):
        if key not in c:
            raise SystemExit(f"The section {key} is missing from the config; add it.")
    check_paths(c)
    model = Model(c.model, seed=a.seed)
    os.makedirs(a.out, exist_ok=True)
    path = os.path.join(a.out, "model.ckpt")
    state = model.state_dict()
    save(checkpoint(to_half(state) if a.half else state, {}, 0, c), path)
    counts = model.parameter_counts()
    print(f"{path}: {os.path.getsize(path)} bytes, {sum(counts.values())} parameters: " + ", ".join(f"{name} {n}" for name, n in counts.items()))


def sample(a):
    torch.set_num_threads(a.threads)
    model, ckpt = evaluate.load_model(a.checkpoint)
    tok = evaluate.find_tokenizer(ckpt["config"], os.path.dirname(a.checkpoint))
    generator = torch.Generator().manual_seed(a.seed)

    def draw(logits):
        if a.temperature == 0:
            return int(logits.argmax())
        return int(torch.multinomial((logits / a.temperature).softmax(-1), 1, generator=generator))

    ids = [tok.eot] + tok.encode(a.prompt).tolist()
    with torch.no_grad():
        if model.bytes:
            print(sample_blocks(model, tok.table[ids].tolist(), a.tokens, draw))
            return
        for _ in range(a.tokens):
            n = draw(model(torch.tensor([ids[-model.window:]]))[0, -1])
            if n == tok.eot:
                break
            ids.append(n)
    print(tok.decode(ids[1:]))


def sample_blocks(model, blocks, count, draw):
    head = model.model_head
    for _ in range(count):
        x = model.core(model.embedding_model(torch.tensor([blocks[-model.window:]])))[0, -1]
        block = []
        if isinstance(head, ByteDecoder):
            while len(block) < words.BLOCK:
                logits = head(x, torch.tensor(block + [words.PAD]))[-1]
                logits[words.END if block else words.PAD] = float("-inf")  # no empty block, and the end stands alone
                block.append(draw(logits))
                if block[-1] >= words.PAD:
                    break
        else:
            block = [draw(logits) for logits in head(x)]
        if block[0] == words.END:
            break
        blocks.append((block + [words.PAD] * words.BLOCK)[:words.BLOCK])
    return b"".join(bytes(b for b in block if b < words.PAD) for block in blocks[1:]).decode("utf-8", "replace")


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__)
    sub = p.add_subparsers(dest="command", required=True)
    s = sub.add_parser("train", help="train a model, and its tokenizer if it has one")
    s.add_argument("--config", help="YAML file in STLM's key layout")
    s.add_argument("--text", required=True, help="training text, stories separated by lines of <|endoftext|>")
    s.add_argument("--val", required=True, help="validation text")
    s.add_argument("--out", required=True, help="folder for checkpoints and the tokenizer, if it has one")
    s.add_argument("--minutes", type=float, help="stop after this time and let the learning rate fall accordingly")
    s.add_argument("--teacher", help="checkpoint of a larger model to learn from; needs the config's trainer.distillation")
    s.add_argument("--resume", action="store_true", help="continue the training in --out")
    s.add_argument("--threads", type=int, default=os.cpu_count())
    s.set_defaults(run=train)
    s = sub.add_parser("export", help="write a small float16 checkpoint without optimizer state")
    s.add_argument("checkpoint")
    s.add_argument("--out", required=True, help="folder for model.ckpt and the tokenizer, if it has one")
    s.set_defaults(run=export)
    s = sub.add_parser("random", help="write a checkpoint of random weights and print the parameter counts")
    s.add_argument("--config", required=True)
    s.add_argument("--out", required=True, help="folder for model.ckpt")
    s.add_argument("--seed", type=int, default=0)
    s.add_argument("--half", action="store_true", help="float16 instead of float32")
    s.set_defaults(run=random)
    s = sub.add_parser("sample", help="generate text")
    s.add_argument("checkpoint")
    s.add_argument("--prompt", default="")
    s.add_argument("--tokens", type=int, default=250, help="at most so many tokens, or blocks of a byte-level model")
    s.add_argument("--temperature", type=float, default=0.8)
    s.add_argument("--seed", type=int, default=1)
    s.add_argument("--threads", type=int, default=os.cpu_count())
    s.set_defaults(run=sample)
    a = p.parse_args(argv)
    a.run(a)


if __name__ == "__main__":
    main()
