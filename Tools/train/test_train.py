"""Seconds-long checks of the trainer. Run: python3 test_train.py

The comparison with the original's reference checkpoints runs only where their folder is found:
the environment variable STLM_SHARED, or `shared` beside the repository."""
import contextlib
import io
import json
import os
import sys
import tempfile
import unicodedata
import unittest
import zipfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

import bpe
import evaluate
import model as models
import train
import words
from model import Model

SHARED = os.environ.get("STLM_SHARED") or os.path.join(HERE, "..", "..", "..", "shared")
REFERENCES = os.path.join(SHARED, "data", "stlm")


def slow_encode(tok, data):
    """The rule itself: again and again the adjacent pair with the lowest id, left to right."""
    rank = {m: 256 + n for n, m in enumerate(tok.merges)}
    ids = list(data)
    while True:
        pairs = [rank[p] for p in zip(ids, ids[1:]) if p in rank]
        if not pairs:
            return ids
        new, out, i = min(pairs), [], 0
        while i < len(ids):
            if i + 1 < len(ids) and rank.get((ids[i], ids[i + 1])) == new:
                out.append(new)
                i += 2
            else:
                out.append(ids[i])
                i += 1
        ids = out


def make_text(seed, stories):
    rng = np.random.default_rng(seed)
    words = "the a cat dog Lily Tom ran saw big red ball and said happy day aaaa été".split()
    return [" ".join(rng.choice(words, 60)) + "." for _ in range(stories)]


def slow_cut(data):
    """The rule of words pooling itself, character by character."""
    chars, i = [], 0
    while i < len(data):
        for n in (1, 2, 3, 4):
            try:
                chars.append((data[i:i + n], data[i:i + n].decode("utf-8")))
                break
            except UnicodeDecodeError:
                pass
        else:
            chars.append((data[i:i + 1], None))  # an ill-formed byte
        i += len(chars[-1][0])

    def kind(i):
        c = chars[i][1]
        if c is None:
            return "other"
        if c in "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" or "\u2000" <= c <= "\u200a":
            return "white"
        return {"L": "letter", "N": "number"}.get(unicodedata.category(c)[0], "other")

    def word_after(i):  # U+0020 and then something that is not white
        return chars[i][1] == " " and i + 1 < len(chars) and kind(i + 1) != "white"

    pieces, i = [], 0
    while i < len(chars):
        j = i + 1
        of = kind(j) if word_after(i) else kind(i)
        while j < len(chars) and kind(j) == of and not (of == "white" and word_after(j)):
            j += 1
        piece = b""
        while i < j and len(piece) + len(chars[i][0]) <= 12:
            piece, i = piece + chars[i][0], i + 1
        pieces.append(piece)
    return pieces


def tiny_config(name="tinystories"):
    c = OmegaConf.load(os.path.join(HERE, "configs", f"{name}.yaml"))
    if name == "tinystories_bytes":
        for key, value in {"byte_decoder_dim": 32, "num_layers": 2, "num_heads": 4, "group_size": 2, "ffn_dim": 48}.items():
            c.model.lm_head[key] = value
        c.model.byte_embedding_dim = 16
    for key, value in {
        "model.hidden_dim": 32, "model.context_window": 32, "model.vocab_size": 300, "model.core_model.num_layers": 2,
        "model.core_model.attn.num_heads": 4, "model.core_model.ffn.ffn_dim": 48, "trainer.training.batch_size": 4,
        "trainer.training.max_iters": 20, "trainer.training.lr_decay_iters": 40, "trainer.training.eval_interval": 10,
        "trainer.training.checkpoint_interval": 10, "trainer.training.warmup_iters": 5, "trainer.optimizer.warmup_iters": 5,
        "trainer.training.eval_iters": 2, "trainer.data.variants": 2, "trainer.optimizer.lr": 0.01,
    }.items():
        OmegaConf.update(c, key, value)
    return c


def parallel_config():
    c = tiny_config("tinystories_bytes")
    c.model.lm_head = {"lm_head_type": "byte_level", "normalization": "rms_norm", "bias": False}
    c.model.model_shell_type = "byte_shell"
    return c


def write_texts(folder):
    text, val = (os.path.join(folder, n) for n in ("text", "val"))
    with open(text, "w", encoding="utf-8") as f:
        f.write("\n<|endoftext|>\n".join(make_text(3, 80)))
    with open(val, "w", encoding="utf-8") as f:
        f.write("\n\n".join(make_text(4, 10)))
    return text, val


def scores(path, val, *extra):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        evaluate.main([path, val, "--json", "--threads", "1", *extra])
    return json.loads(out.getvalue())


def quietly(*argv):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        train.main(list(argv))
    return out.getvalue()


class Tokenizer(unittest.TestCase):
    def test_round_trip_and_rule(self):
        stories = [s.encode() for s in make_text(1, 40)]
        tok = bpe.Tokenizer(bpe.train_merges(stories, 340))
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "bpe_x_340.model")
            tok.save(path)
            with open(path) as f:
                lines = f.read().splitlines()
            again = bpe.Tokenizer.load(path)
        self.assertEqual(len(lines), 340 - 258)
        self.assertEqual(again.merges, tok.merges)
        self.assertEqual((again.pad, again.eot), (338, 339))
        for text in ["", "a", "aaaaaaa", stories[0].decode(), "the cat<|endoftext|> \n\n été 🙂"]:
            ids = again.encode(text)
            self.assertEqual(again.decode(ids), text)
            self.assertEqual(ids.tolist(), slow_encode(again, text.encode()))

    def test_no_merge_crosses_a_story_end(self):
        tok = bpe.Tokenizer(bpe.train_merges([b"ab"] * 10 + [b"cd"] * 10, 260))
        self.assertEqual({tok.pieces[256], tok.pieces[257]}, {b"ab", b"cd"})
        ids = tok.encode_stories([b"ab", b"cd"])
        self.assertEqual(tok.decode(ids), "ab<|endoftext|>cd<|endoftext|>")

    def test_cuts_keep_the_text(self):
        stories = [s.encode() for s in make_text(2, 5)]
        tok = bpe.Tokenizer(bpe.train_merges(stories, 300))
        cut = tok.encode_stories(stories, 0.5, np.random.default_rng(0))
        whole = tok.encode_stories(stories)
        self.assertGreater(len(cut), len(whole))
        self.assertEqual(tok.decode(cut), tok.decode(whole))


class Training(unittest.TestCase):
    def test_train_resume_export_evaluate(self):
        with tempfile.TemporaryDirectory() as d:
            (text, val), out, ship = write_texts(d), os.path.join(d, "out"), os.path.join(d, "ship")
            config = os.path.join(d, "c.yaml")
            OmegaConf.save(tiny_config(), config)
            common = ["--text", text, "--val", val, "--out", out, "--threads", "1"]
            quietly("train", "--config", config, *common)
            last = os.path.join(out, "last.ckpt")
            first = evaluate.load_checkpoint(last)
            self.assertEqual(list(first), ["model", "optimizer", "iter_num", "config"])
            self.assertIsInstance(first["config"], DictConfig)
            self.assertEqual(first["iter_num"], 19)
            self.assertEqual(len(first["optimizer"]["param_groups"]), 2)
            with self.assertRaisesRegex(SystemExit, "already holds"):
                quietly("train", "--config", config, *common)

            first["config"].trainer.training.max_iters = 40
            train.save(first, last)
            self.assertIn("continuing at iteration 20", quietly("train", "--resume", *common))
            second = evaluate.load_checkpoint(last)
            self.assertEqual(second["iter_num"], 39)
            self.assertEqual(int(second["optimizer"]["state"][0]["step"]), 40)

            best = os.path.join(out, "best.ckpt")
            quietly("export", best, "--out", ship)
            path = os.path.join(ship, "model.ckpt")
            with zipfile.ZipFile(path) as z:
                storages = [n for n in z.namelist() if "/data/" in n and "/.data/" not in n]
                pickle = z.read(next(n for n in z.namelist() if n.endswith("/data.pkl")))
            self.assertNotIn(d.encode(), pickle)
            for name in (b"HalfStorage", b"omegaconf.dictconfig", b"OrderedDict"):
                self.assertIn(name, pickle)
            shipped = evaluate.load_checkpoint(path)
            s = shipped["model"]
            self.assertEqual(shipped["optimizer"], {})
            self.assertTrue(all(t.dtype == torch.float16 for t in s.values()))

            def address(name):
                return s[name].storage().data_ptr()
            self.assertEqual(address("embedding_model.token_embedder.weight"), address("model_head.linear.weight"))
            for k in "123":
                self.assertEqual(*(address(f"core_model.transformer.h.{i}.ffn.linear_{k}.weight") for i in "01"))
            self.assertEqual(len(storages), len(s) - 4)

            results = [scores(path, val, *extra) for extra in ([], ["--split", r"\n\n"], ["--bytes", "1000", "--float64"])]
            self.assertEqual(results[2]["bytes"], 1000)
            self.assertEqual(results[1]["stories"], 10)
            self.assertTrue(all(0.5 < r["bits_per_byte"] < 5 for r in results), results)
            self.assertIn("the", quietly("sample", path, "--prompt", "the", "--tokens", "20", "--threads", "1"))

    def test_windows_score_each_token_once(self):
        ids = np.arange(10)
        pieces = evaluate.windows(ids, 4)
        self.assertEqual([p.tolist() for p in pieces], [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [8, 9]])

    def test_batched_score_equals_single_windows(self):
        model = Model(tiny_config().model).double().eval()
        rng = np.random.default_rng(0)
        pieces = [rng.integers(0, 300, n) for n in (5, 33, 2, 17, 33)]
        together, count = evaluate.total_nll(model, pieces)
        alone = sum(evaluate.total_nll(model, [p])[0] for p in pieces)
        self.assertEqual(count, sum(len(p) - 1 for p in pieces))
        self.assertAlmostEqual(together, alone, places=9)

    def test_wrong_options_are_refused(self):
        for key, value, words in [
            ("model.core_model.attn.bias", True, "model.core_model.attn.bias is True, but only false"),
            ("model.positional_encoding_type", "learned", "only rope"),
            ("model.core_model.attn.group_size", 3, "multiple of group_size"),
            ("trainer.training.surprise", 1, "trainer.training.surprise is not supported"),
            ("trainer.training.batch_size", 0, "must be at least 1"),
            ("trainer.optimizer.lr", "fast", "must be of type float"),
            ("trainer.dropout_scheduler.dropout_type", "linear", "dropout_scheduler.dropout is not supported"),
            ("trainer.dropout_scheduler.dropout", 1, "dropout must lie between 0 and 1"),
            ("trainer.distillation.weight", 0.5, "needs weight and temperature"),
            ("model.embedder.embedding_model_type", "byte_level", "do not go together"),
            ("general.paths.data_dir", os.path.abspath(os.sep + "data"), "relative name"),
        ]:
            c = tiny_config()
            OmegaConf.update(c, key, value, force_add=True)
            with self.assertRaisesRegex(SystemExit, words):
                train.check_config(c)


class Words(unittest.TestCase):
    def check(self, text, pieces):
        data = text.encode() if isinstance(text, str) else text
        wanted = [p.encode() if isinstance(p, str) else p for p in pieces]
        at = words.cuts(data)
        self.assertEqual([data[a:b] for a, b in zip(at, at[1:])], wanted)
        self.assertEqual(slow_cut(data), wanted)

    def test_hand_made_cases(self):
        for text, pieces in [
            ("", []),
            ("Tom can't go.", ["Tom", " can", "'", "t", " go", "."]),
            ("a\r\nb\r\n\r\n c", ["a", "\r\n", "b", "\r\n\r\n", " c"]),
            ("a   b", ["a", "  ", " b"]), ("a  \n b", ["a", "  \n", " b"]), ("a \t b", ["a", " \t", " b"]),
            ("a \nb ", ["a", " \n", "b", " "]), ("a   ", ["a", "   "]), (" ", [" "]), ("  a", [" ", " a"]),
            ("12ab 3,4", ["12", "ab", " 3", ",", "4"]), (' "Hi!"', [' "', "Hi", '!"']),
            ("abcdefghijklm", ["abcdefghijkl", "m"]), (" abcdefghijklm", [" abcdefghijk", "lm"]),
            (" " * 14 + "a", [" " * 12, " ", " a"]), (" " * 13 + "a", [" " * 12, " a"]), ("\n" * 13, ["\n" * 12, "\n"]),
            ("aaaaaaaaaaaé", ["aaaaaaaaaaa", "é"]), ("aaaaaaaaaaéb", ["aaaaaaaaaaé", "b"]), ("🙂🙂🙂🙂", ["🙂🙂🙂", "🙂"]),
            (" 🙂🙂🙂", [" 🙂🙂", "🙂"]), ("日本語五六", ["日本語五", "六"]), ("x½²Ⅷ", ["x", "½²Ⅷ"]),
            ("a\u00a0b\u2003\u3000 c", ["a", "\u00a0", "b", "\u2003\u3000", " c"]), ("a\u200bb", ["a", "\u200b", "b"]),
            ("e\u0301a", ["e", "\u0301", "a"]), ("a\x1cb_", ["a", "\x1c", "b", "_"]),
            (b"a\xffb \xe2\x82c \xed\xa0\x80", ["a", b"\xff", "b", b" \xe2\x82", "c", b" \xed\xa0\x80"]),
            (b"\xf0\x9f\x98", [b"\xf0\x9f\x98"]), (b"\x80" * 13, [b"\x80" * 12, b"\x80"]),
        ]:
            self.check(text, pieces)

    def test_random_text(self):
        rng = np.random.default_rng(5)
        parts = [s.encode() for s in ["a", "Bc", "été", "日", "7", "½", " ", "  ", "\n", "\r\n", "\u00a0", "\u3000", ".", "!?", "🙂", "\u0301"]] + [b"\xff", b"\xc3"]
        for _ in range(300):
            data = b"".join(parts[i] for i in rng.integers(0, len(parts), 40))
            self.check(data, slow_cut(data))
            tok = words.Tokenizer()
            ids = tok.encode(data)
            self.assertEqual(b"".join(tok.pieces[i] for i in ids), data)

    def test_blocks(self):
        tok = words.Tokenizer()
        ids = tok.encode_stories([b"a dog", b"a dog"])
        self.assertEqual(ids.tolist(), [1, 2, 0, 1, 2, 0])
        self.assertEqual(tok.table.tolist(), [[257] + [256] * 11, [97] + [256] * 11, [*b" dog"] + [256] * 8])
        stories = [s.encode() for s in make_text(2, 5)]
        cut = tok.encode_stories(stories, 0.5, np.random.default_rng(0))
        self.assertGreater(len(cut), len(tok.encode_stories(stories)))
        self.assertEqual(tok.decode(cut), "".join(s.decode() + "<|endoftext|>" for s in stories))


class Bytes(unittest.TestCase):
    def setUp(self):
        self.tok = words.Tokenizer()
        text = "\n".join(make_text(6, 2)) + " internationalization abcdefghijkl"
        self.ids = torch.from_numpy(np.concatenate([[0], self.tok.encode(text), [0]]))[-65:]
        self.table = torch.from_numpy(self.tok.table)
        self.x, self.target = self.ids[:-1].view(2, 32), self.ids[1:].view(2, 32)

    def test_packed_and_gathered_loss_equals_the_plain_one(self):
        for c in (tiny_config("tinystories_bytes"), parallel_config()):
            model = Model(c.model, seed=3).double()
            losses = []
            for plain in (True, False):
                model.zero_grad()
                if plain:
                    blocks = self.table[self.target]
                    if c.model.lm_head.lm_head_type == "byte_decoder":
                        open_ = torch.arange(12) < models.block_lengths(blocks)[..., None]
                        logits, symbols = model(self.table[self.x], blocks)[open_], blocks[open_]
                        self.assertEqual(len(symbols), sum(min(12, len(self.tok.pieces[i]) + 1) if i else 1 for i in self.target.flatten().tolist()))
                    else:
                        logits, symbols = model(self.table[self.x]).flatten(0, 2), blocks.flatten()
                        rebuilt = model.model_head(model.embedding_model(self.table[self.x])).flatten(0, 2)
                        side = torch.nn.functional.cross_entropy(rebuilt, self.table[self.x].flatten(), ignore_index=257)
                else:
                    logits, symbols = model.scored(self.x, self.target, self.table)
                loss = torch.nn.functional.cross_entropy(logits, symbols)
                if model.shell:
                    loss = loss + (side if plain else model.side_loss)
                loss.backward()
                losses.append((float(loss), [p.grad.clone() for p in model.parameters()]))
            self.assertAlmostEqual(losses[0][0], losses[1][0], places=10)
            for a, b in zip(losses[0][1], losses[1][1]):
                self.assertLess(float((a - b).abs().max()), 1e-10)

    def test_decoder_sees_only_what_was_written(self):
        model = Model(tiny_config("tinystories_bytes").model, seed=3).double().eval()
        blocks, changed = (self.table[self.target[:1]].clone() for _ in range(2))
        changed[0, 9, 5:] = 65
        with torch.no_grad():
            a = model(self.table[self.x[:1]], blocks)
            b = model(self.table[self.x[:1]], changed)
            first = model(self.table[self.x[:1]], blocks[..., :4])
        self.assertTrue(torch.equal(a[0, 9, :6], b[0, 9, :6]))  # slot 5 is the last that does not see byte 5
        self.assertGreater(float((a[0, 9, 6:] - b[0, 9, 6:]).abs().min(0).values.max()), 1e-6)
        self.assertTrue(torch.equal(a[0, 10:], b[0, 10:]))  # the blocks that follow do not go into the core
        self.assertLess(float((a[..., :4, :] - first).abs().max()), 1e-12)

    def test_names_and_ties(self):
        c = tiny_config("tinystories_bytes")
        for sharing in (False, True):
            c.model.lm_head.ffn_sharing = c.model.lm_head.byte_weight_tying = sharing
            s = Model(c.model).state_dict()
            H, D, F, E = 32, 32, 48, 16
            self.assertEqual({n: tuple(t.shape) for n, t in s.items() if n.startswith("model_head.") and ".h.1." not in n}, {
                "model_head.core_norm.weight": (H,), "model_head.projection.weight": (D, H), "model_head.byte_token_embedder.weight": (258, D),
                "model_head.pos_encoder.pe.weight": (12, D), "model_head.transformer.h.0.attn_norm.weight": (D,),
                "model_head.transformer.h.0.attn.c_attn.weight": (2 * D, D), "model_head.transformer.h.0.attn.c_proj.weight": (D, D),
                "model_head.transformer.h.0.ffn_norm.weight": (D,), "model_head.transformer.h.0.ffn.linear_1.weight": (F, D),
                "model_head.transformer.h.0.ffn.linear_2.weight": (D, F), "model_head.transformer.h.0.ffn.linear_3.weight": (F, D),
                "model_head.layer_norm.weight": (D,), "model_head.lm_head.weight": (258, D)})
            self.assertEqual(s["embedding_model.byte_token_embedder.weight"].shape, (258, E))
            for one, other in [("lm_head", "byte_token_embedder"), ("transformer.h.0.ffn.linear_2", "transformer.h.1.ffn.linear_2")]:
                same = s[f"model_head.{one}.weight"].data_ptr() == s[f"model_head.{other}.weight"].data_ptr()
                self.assertEqual(same, sharing)

    def test_train_resume_export_evaluate_sample(self):
        for c in (tiny_config("tinystories_bytes"), parallel_config()):
            with tempfile.TemporaryDirectory() as d:
                (text, val), out, ship = write_texts(d), os.path.join(d, "out"), os.path.join(d, "ship")
                config = os.path.join(d, "c.yaml")
                OmegaConf.save(c, config)
                common = ["--text", text, "--val", val, "--out", out, "--threads", "1"]
                quietly("train", "--config", config, *common)
                last, path = os.path.join(out, "last.ckpt"), os.path.join(ship, "model.ckpt")
                first = evaluate.load_checkpoint(last)
                self.assertEqual([g.get("factor") for g in first["optimizer"]["param_groups"]], [None, None, 0.3, 0.3])
                first["config"].trainer.training.max_iters = 30
                train.save(first, last)
                self.assertIn("continuing at iteration 20", quietly("train", "--resume", *common))
                self.assertEqual(evaluate.load_checkpoint(last)["iter_num"], 29)
                quietly("export", os.path.join(out, "best.ckpt"), "--out", ship)
                self.assertEqual(os.listdir(ship), ["model.ckpt"])
                whole, stories, few = (scores(path, val, *extra) for extra in ([], ["--split", r"\n\n", "--window", "20"], ["--bytes", "1000", "--float64"]))
                with open(val, "rb") as f:
                    data = f.read()
                self.assertEqual((whole["bytes"], whole["scored_tokens"]), (len(data), len(slow_cut(data)) - 1))
                self.assertEqual((stories["stories"], stories["scored_tokens"]), (10, sum(len(slow_cut(s)) for s in data.split(b"\n\n"))))
                self.assertEqual(few["bytes"], 1000)
                self.assertTrue(0.5 < min(r["bits_per_byte"] for r in (whole, stories, few)) < 20)
                self.assertTrue(quietly("sample", path, "--prompt", "the", "--tokens", "8", "--threads", "1").startswith("the"))

    def test_batched_score_equals_single_windows(self):
        model = Model(tiny_config("tinystories_bytes").model).double().eval()
        rng = np.random.default_rng(0)
        pieces = [rng.integers(0, len(self.table), n) for n in (5, 33, 2, 17, 33)]
        together, _ = evaluate.total_nll(model, pieces, table=self.table)
        self.assertAlmostEqual(together, sum(evaluate.total_nll(model, [p], table=self.table)[0] for p in pieces), places=8)


class Options(unittest.TestCase):
    def test_dropout_schedules(self):
        linear = OmegaConf.create({"dropout_type": "linear", "start_dropout_p": 0.1, "end_dropout_p": 0.3, "start_iter": 10, "end_iter": 20})
        self.assertEqual([round(train.dropout_at(linear, i), 6) for i in (0, 10, 15, 20, 99)], [0.1, 0.1, 0.2, 0.3, 0.3])
        triangle = OmegaConf.create({"dropout_type": "triangle", "dropout_trough": 0.0, "dropout_peak": 0.2, "num_iterations": 40, "num_cycles": 4})
        self.assertEqual([round(train.dropout_at(triangle, i), 6) for i in (0, 2, 5, 8, 10, 15)], [0.0, 0.08, 0.2, 0.08, 0.0, 0.2])

    def test_random_weights_of_every_config_have_the_right_size(self):
        wanted = {"tinystories": 2297088, "tinystories_bytes": 3219072, "byte_level_stock": 55924736, "byte_level_ffn_sharing_stock": 17980416,
                  "10m": 10e6, "50m": 50e6, "100m": 100e6}
        self.assertEqual({n + ".yaml" for n in wanted}, set(os.listdir(os.path.join(HERE, "configs"))))
        fill, Model.start = Model.start, lambda *_: None  # sizes only
        try:
            for name, count in wanted.items():
                c = OmegaConf.load(os.path.join(HERE, "configs", f"{name}.yaml"))
                if not name.endswith("stock"):
                    train.check_config(c)
                self.assertLess(abs(sum(Model(c.model).parameter_counts().values()) / count - 1), 0.05 if isinstance(count, float) else 1e-9, name)
        finally:
            Model.start = fill

    def test_random(self):
        with tempfile.TemporaryDirectory() as d:
            config = os.path.join(d, "c.yaml")
            c = tiny_config("tinystories_bytes")
            c.model.embedder.tokenizer_type = "gpt2"
            OmegaConf.save(c, config)
            saved = []
            for out, extra in (("a", ["--seed", "7"]), ("b", ["--seed", "7", "--half"]), ("c", ["--seed", "8"])):
                printed = quietly("random", "--config", config, "--out", os.path.join(d, out), *extra)
                self.assertRegex(printed, r"\d+ parameters: embedder \d+, core \d+, head \d+")
                saved.append(evaluate.load_checkpoint(os.path.join(d, out, "model.ckpt")))
            self.assertEqual((saved[0]["iter_num"], saved[0]["optimizer"]), (0, {}))
            name = "model_head.projection.weight"
            self.assertTrue(torch.equal(saved[0]["model"][name].half(), saved[1]["model"][name]))
            self.assertFalse(torch.equal(saved[0]["model"][name], saved[2]["model"][name]))

    def test_learning_from_a_teacher(self):
        for kind in ("tinystories", "tinystories_bytes"):
            with tempfile.TemporaryDirectory() as d:
                (text, val), config = write_texts(d), os.path.join(d, "c.yaml")
                c = tiny_config(kind)
                c.trainer.training.max_iters = 10
                OmegaConf.save(c, config)
                common = ["--text", text, "--val", val, "--threads", "1", "--config", config]
                quietly("train", *common, "--out", os.path.join(d, "large"))
                teacher = os.path.join(d, "large", "best.ckpt")
                c.model.core_model.num_layers = 1
                OmegaConf.save(c, config)
                with self.assertRaisesRegex(SystemExit, "belong together"):
                    quietly("train", *common, "--out", os.path.join(d, "x"), "--teacher", teacher)
                c.trainer.distillation = {"weight": 0.5, "temperature": 2.0}
                OmegaConf.save(c, config)
                self.assertIn("finished: 10", quietly("train", *common, "--out", os.path.join(d, "small"), "--teacher", teacher))
                c.model.vocab_size = 310
                OmegaConf.save(c, config)
                with self.assertRaisesRegex(SystemExit, "teacher's vocab_size is 300"):
                    quietly("train", *common, "--out", os.path.join(d, "y"), "--teacher", teacher)
        logits = torch.randn(5, 7)
        self.assertAlmostEqual(float(train.distillation_loss(logits, logits, 2.0)), 0, places=6)
        self.assertGreater(float(train.distillation_loss(logits, logits.flip(1), 2.0)), 0.1)


class Original(unittest.TestCase):
    @unittest.skipUnless(os.path.isdir(REFERENCES), "the reference checkpoints are not here")
    def test_logits_equal_the_originals(self):
        for name in ("baseline", "ffn_sharing", "bpe_tokenizer", "byte_level", "byte_level_ffn_sharing"):
            folder = os.path.join(REFERENCES, name)
            model, _ = evaluate.load_model(os.path.join(folder, "model.ckpt"))
            ref = np.load(os.path.join(folder, "ref.npz"))
            for suffix in ("",) if model.bytes else ("", "_long"):
                with torch.no_grad():
                    logits = model(torch.from_numpy(ref["ids" + suffix])).numpy()
                self.assertLess(np.abs(logits - ref["logits" + suffix]).max(), 1e-4, name + suffix)

    @unittest.skipUnless(os.path.isdir(REFERENCES), "the reference checkpoints are not here")
    def test_byte_shell_equals_the_originals(self):
        folder = os.path.join(REFERENCES, "byte_level")
        model, _ = evaluate.load_model(os.path.join(folder, "model.ckpt"))
        ref = np.load(os.path.join(folder, "ref.npz"))
        table, ids = np.unique(ref["ids"].reshape(-1, 12), axis=0, return_inverse=True)
        ids, table = torch.from_numpy(ids.reshape(1, -1)), torch.from_numpy(table)
        with torch.no_grad():
            e = model.embedding_model(table)
            rebuilt = model.model_head(e)[ids].numpy()
            loss = model.reconstruction(e, table, ids)
        self.assertLess(np.abs(rebuilt - ref["recon_logits"]).max(), 1e-4)
        self.assertAlmostEqual(float(loss), float(ref["aux_recon_loss"]), places=4)

    @unittest.skipUnless(os.path.isdir(REFERENCES), "the reference checkpoints are not here")
    def test_tokens_equal_the_originals(self):
        folder = os.path.join(REFERENCES, "bpe_tokenizer")
        tok = bpe.Tokenizer.load(os.path.join(folder, "bpe_tinystories_420.model"))
        with open(os.path.join(folder, "tok.json"), encoding="utf-8") as f:
            cases = json.load(f)["bpe_tinystories_420"]["cases"]
        for case in cases:
            self.assertEqual(tok.encode(case["text"]).tolist(), case["ids"])


if __name__ == "__main__":
    unittest.main()
