"""The command line."""

import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import stlm_reference
from example_files import Example
from write_examples import EXAMPLES, write_examples


def run(*words):
    """Exit status, output and errors."""
    status, errors = 0, io.StringIO()
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")) as out, redirect_stderr(errors):
        try:
            stlm_reference.main(words)
        except SystemExit as end:
            status = end.code
        out.flush()
    return status, out.buffer.getvalue().decode("utf-8", "replace"), errors.getvalue()


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.out = folder.name, os.path.join(folder.name, "out.npy")
        self.good = self.file("good", Example().image())
        self.text = self.file("text", b"the the a")

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def works(self, *words):
        status, out, errors = run(*words)
        self.assertEqual((status, errors), (0, ""), words)
        return out

    def test_process(self):
        words = [sys.executable, os.path.join(HERE, "stlm_reference.py"), "encode", self.good, "--text"]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self.assertEqual(subprocess.run([*words, b"the\xff"], capture_output=True, env=environment).stdout, b"0 260 258\n")
        self.assertEqual(subprocess.run(words, capture_output=True, env=environment).returncode, 2)

    def test_refusals(self):
        good, text, out = self.good, self.text, self.out
        bad = self.file("bad", Example().poke(1, 0, 1).image())
        slots = self.file("slots", Example(embedder="bytes", head="slots", tokenizer=0).image())
        mixed = self.file("mixed", Example(embedder="bytes").image())
        for words in (("info", bad), ("info", self.folder), ("info", good + "x"), ("logits", good, "--ids", "300", "--out", out),
                      ("logits", good, "--ids", "", "--out", out), ("logits", good, "--ids", "a", "--out", out),
                      ("generate", good, "--ids", "1", "-n", "2", "--top-p", "0"), ("score", good, "--file", text, "--context", "0"),
                      ("decode", good, "--ids", "300"), ("generate", good, "--ids", "1", "-n", "2", "--context", "21"),
                      ("generate", good, "--text", "", "-n", "2", "--print", "text", "--stop", ""),
                      ("generate", good, "--text", "", "-n", "2", "--print", "text", "--max-bytes", "0"),
                      ("logits", slots, "--ids", "1 2 3 4", "--out", out), ("logits", slots, "--ids", "1 2 3 4 258", "--out", out),
                      ("encode", slots, "--text", "a"), ("decode", slots, "--ids", "1"), ("generate", mixed, "--text", "a", "-n", "2"),
                      ("choose", good, "--prefix", "a", "--option", "b", "--context", "0")):
            status, _, errors = run(*words)
            self.assertEqual((status, errors.count("\n")), (1, 1), words)

    def test_tokens(self):
        good = self.good
        for words in (("info", good), ("logits", good, "--ids", "1 2", "--out", self.out), ("encode", good, "--text", "the"), ("decode", good, "--ids", "0 4"),
                      ("generate", good, "--text", "the", "-n", "3"), ("generate", good, "--ids", "5", "-n", "3", "--temp", "0"),
                      ("score", good, "--file", self.text), ("score", good, "--file", self.text, "--split", " "), ("info", good, "--verify")):
            self.works(*words)
        self.assertEqual(np.load(self.out).shape, (2, 300))
        words = ("generate", good, "--text", "the", "-n", "20", "--context", "6", "--ignore-eos", "--seed", "1")
        self.assertEqual(len(self.works(*words).split()), 5)
        self.assertEqual(len(self.works(*words, "--slide").split()), 20)
        self.assertTrue(self.works(*words, "--slide", "--print", "text", "--stop", "zz").startswith("the"))

    def test_blocks(self):
        for head in ("slots", "decoder"):
            model = self.file(head, Example(embedder="bytes", head=head, tokenizer=3).image())
            self.assertEqual(self.works("encode", model, "--text", "the the!"),
                             "116 104 101 256 256 32 116 104 101 256 33 256 256 256 256\n")
            self.assertEqual(self.works("encode", model, "--text", ""), "\n")
            self.assertEqual(self.works("decode", model, "--ids", "116 104 101 256 97"), "thea\n")
            self.works("logits", model, "--ids", "116 104 101 256 256 32 97 257 256 256", "--out", self.out)
            logits = np.load(self.out)
            self.assertEqual((logits.shape, logits.dtype), ((2, 5, 258), np.int32))
            self.assertEqual([bool(row.any()) for row in logits[0]], [True] * (3 if head == "decoder" else 5) + [False] * (2 if head == "decoder" else 0))
            words = ("generate", model, "--text", "the", "--ignore-eos", "--seed", "4")
            self.assertEqual(len(self.works(*words, "-n", "6").split()), 30)
            self.assertEqual(len(self.works(*words, "-n", "30", "--context", "4", "--slide").split()), 150)
            self.assertEqual(len(self.works(*words, "-n", "30", "--context", "4").split()), 20)
            self.assertTrue(self.works(*words, "-n", "6", "--print", "text").startswith("the"))
            self.works("generate", model, "--text", "", "-n", "2")
            whole = json.loads(self.works("score", model, "--file", self.text))
            self.assertEqual((whole["tokens"], whole["bytes"]), (2, 9))
            parts = json.loads(self.works("score", model, "--file", self.text, "--split", " "))
            self.assertEqual((parts["tokens"], parts["bytes"]), (3, 7))
            chosen = json.loads(self.works("choose", model, "--prefix", "the", "--option", "the", "--option", "a"))
            self.assertEqual(len(chosen["log_likelihoods"]), 2)
            self.assertLess(max(chosen["log_likelihoods"]), 0)

    def test_info(self):
        info = lambda **settings: json.loads(self.works("info", self.file("model", Example(**settings).image())))
        self.assertIsNone(info()["ledger"])
        ledger = info(ledger=True, rank=2, encodings=(8, 1, 12), tokenizer=0)["ledger"]
        errors = ledger.pop("tensor_errors")
        self.assertEqual(ledger, {
            "options": "--int4", "calibration_text": "calibration.txt", "calibration_byte_count": 1000, "calibration_count": 500,
            "verification_text": "verification.txt", "verification_byte_count": 2000, "verification_count": 900, "verification_context": 20,
            "float_cost": 10**10, "cost": 10**10 + 1, "cost_int8_keys_values": 10**10 + 3, "cost_int4_values": 10**10 + 2,
            "row_count": 900, "divergence": 9, "agreement_count": 890})
        self.assertEqual(errors[:6], [[1000, 0], [0, 0], [1002, 2], [1003, 3], [1004, 4], [0, 0]])

    def test_written_examples(self):
        write_examples(self.folder)
        name = os.path.join(self.folder, "corrected-slots")
        with open(name + ".ids", encoding="ascii") as file:
            self.works("logits", name + ".stlm", "--ids", file.read(), "--out", self.out)
        self.assertEqual(np.load(self.out).shape, (6, 5, 258))
        self.assertEqual(sum(file.endswith(".ids") for file in os.listdir(self.folder)), len(EXAMPLES))

    def test_mixed(self):
        for settings, shape, count in (({"embedder": "bytes"}, (2, 300), 3), ({"head": "decoder"}, (10, 5, 258), 4),
                                       ({"head": "slots", "pre_split": 1}, (10, 5, 258), 4)):
            model = self.file("mixed", Example(**settings).image())
            self.works("logits", model, "--ids", "1 2 3 4 5 6 7 8 9 10", "--out", self.out)
            self.assertEqual(np.load(self.out).shape, shape)
            self.assertEqual(json.loads(self.works("score", model, "--file", self.text))["tokens"], count)
            self.works("choose", model, "--prefix", "the", "--option", "the", "--option", "a")


if __name__ == "__main__":
    unittest.main()
