"""Seconds-long checks of the trainer. Run: python3 test_train.py

The comparison with the original's reference checkpoints runs only where their folder is found:
the environment variable STLM_SHARED, or `shared` beside the repository."""
import contextlib
import io
import json
import os
import sys
import tempfile
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
import train
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


def tiny_config():
    c = OmegaConf.load(os.path.join(HERE, "configs", "tinystories.yaml"))
    for key, value in {
        "model.hidden_dim": 32, "model.context_window": 32, "model.vocab_size": 300, "model.core_model.num_layers": 2,
        "model.core_model.attn.num_heads": 4, "model.core_model.ffn.ffn_dim": 48, "trainer.training.batch_size": 4,
        "trainer.training.max_iters": 20, "trainer.training.lr_decay_iters": 40, "trainer.training.eval_interval": 10,
        "trainer.training.checkpoint_interval": 10, "trainer.training.warmup_iters": 5, "trainer.optimizer.warmup_iters": 5,
        "trainer.training.eval_iters": 2, "trainer.data.variants": 2, "trainer.optimizer.lr": 0.01,
    }.items():
        OmegaConf.update(c, key, value)
    return c


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
            text, val, out, ship = (os.path.join(d, n) for n in ("text", "val", "out", "ship"))
            with open(text, "w", encoding="utf-8") as f:
                f.write("\n<|endoftext|>\n".join(make_text(3, 80)))
            with open(val, "w", encoding="utf-8") as f:
                f.write("\n\n".join(make_text(4, 10)))
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

            results = []
            for extra in ([], ["--split", r"\n\n"], ["--bytes", "1000", "--float64"]):
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    evaluate.main([path, val, "--json", "--threads", "1", *extra])
                results.append(json.loads(printed.getvalue()))
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
            ("general.paths.data_dir", os.path.abspath(os.sep + "data"), "relative name"),
        ]:
            c = tiny_config()
            OmegaConf.update(c, key, value, force_add=True)
            with self.assertRaisesRegex(SystemExit, words):
                train.check_config(c)


class Original(unittest.TestCase):
    @unittest.skipUnless(os.path.isdir(REFERENCES), "the reference checkpoints are not here")
    def test_logits_equal_the_originals(self):
        for name in ("baseline", "ffn_sharing", "bpe_tokenizer"):
            folder = os.path.join(REFERENCES, name)
            model, _ = evaluate.load_model(os.path.join(folder, "model.ckpt"))
            ref = np.load(os.path.join(folder, "ref.npz"))
            for suffix in ("", "_long"):
                with torch.no_grad():
                    logits = model(torch.from_numpy(ref["ids" + suffix])).numpy()
                self.assertLess(np.abs(logits - ref["logits" + suffix]).max(), 1e-4, name + suffix)

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
