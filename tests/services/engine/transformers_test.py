"""What `tpo export` writes loads in Hugging Face transformers and computes the same; what `tpo generate` generates is
what transformers generates. PEFT loads the adapters that `tpo export --adapters` writes, and computes the same.

Runs itself with the environment that `./dev setup transformers` makes, or with the interpreter that
$TPO_TRANSFORMERS_PYTHON names; skipped where neither is there.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("TPO_SOURCE_DIR", pathlib.Path(__file__).parents[3]))
SKIPPED = 77


def transformers_python() -> pathlib.Path | None:
    given = os.environ.get("TPO_TRANSFORMERS_PYTHON")
    if given:
        return pathlib.Path(given)
    requirements = (SOURCE / "third_party" / "transformers-requirements.txt").read_bytes()
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "tpo"
    environment = cache / f"venv-{hashlib.sha256(requirements).hexdigest()[:12]}"
    return environment / "bin" / "python" if (environment / ".complete").exists() else None


try:
    import peft
    import safetensors.torch
    import torch
    import transformers
except ImportError as missing:
    python = transformers_python()
    if python is None or "TPO_TRANSFORMERS_TEST" in os.environ:
        print(f"SKIPPED: {missing}; `./dev setup transformers` installs what this test compares with")
        sys.exit(SKIPPED)
    os.execve(python, [str(python), *sys.argv], {**os.environ, "TPO_TRANSFORMERS_TEST": "1"})

BIN = pathlib.Path(os.environ["TPO_BIN_DIR"])
GOLDEN = pathlib.Path(os.environ.get("TPO_GOLDEN_DIR") or SOURCE / "tests" / "golden")
CASES = sorted(config.parent for config in GOLDEN.glob("hf/*/config.json"))


def tpo(*arguments: object) -> str:
    return subprocess.run([BIN / "tpo", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


class TransformersTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.exported = pathlib.Path(folder.name) / "exported"
        self.assertTrue(CASES)

    def export(self, case: pathlib.Path, kind: str) -> transformers.PreTrainedModel:
        target = self.exported / f"{case.name}-{kind}"
        tpo("export", case, target, "--type", kind)
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            target, dtype="auto", attn_implementation="eager", output_loading_info=True)
        self.assertFalse(info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"], info)
        self.assertEqual(model.dtype, getattr(torch, kind))
        return model.eval()

    def test_an_export_has_the_same_logits(self):
        for case in CASES:
            with self.subTest(case=case.name), torch.no_grad():
                golden = safetensors.torch.load_file(case / "golden.safetensors")
                logits = self.export(case, "float32")(golden["fwd.input_ids"][:1].long()).logits[0]
                self.assertLess((logits - golden["fwd.logits_row0"]).abs().max().item(), 2e-5)

    def test_an_export_in_bfloat16_has_the_rounded_weights(self):
        for case in CASES:
            with self.subTest(case=case.name):
                exported = self.export(case, "bfloat16").state_dict()
                for name, weight in safetensors.torch.load_file(case / "model.safetensors").items():
                    self.assertTrue(torch.equal(exported[name], weight.bfloat16()), name)

    def test_greedy_completions_are_the_same(self):
        for case in CASES:
            with self.subTest(case=case.name), torch.no_grad():
                model = self.export(case, "float32")
                prompt = list(range(5, 25))
                ours = json.loads(tpo("generate", case, "--tokens", " ".join(map(str, prompt)), "--greedy", "--json",
                                      "--compute_type", "float32", "--max_tokens", 24))
                theirs = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=24)[0, len(prompt):]
                self.assertEqual(ours["tokens"], theirs.tolist())
                whole = torch.tensor([prompt + ours["tokens"]])
                log_probs = model(whole).logits[0, len(prompt) - 1:-1].log_softmax(-1)
                for drawn, token, row in zip(ours["log_probs"], ours["tokens"], log_probs):
                    self.assertAlmostEqual(drawn, row[token].item(), delta=1e-5)

    def test_peft_loads_adapters_and_computes_what_the_merged_export_does(self):
        folder = self.exported.parent
        dataset = folder / "rows.jsonl"
        dataset.write_text("".join(json.dumps({"prompt": f"letter {row}?"}) + "\n" for row in range(40)))
        config = SOURCE / "tests/integration/language_model.yaml"
        sys.path.insert(0, str(SOURCE / "tests/integration"))
        import tiny_language_model  # noqa: PLC0415
        for case in ("tiny_llama", "tiny_qwen3"):
            with self.subTest(case=case), torch.no_grad():
                model = tiny_language_model.make_model(folder / case, case)
                run = folder / f"run-{case}"
                tpo("train", config, "--run_dir", run, "--quiet", "--set", f"task.dataset.path={dataset}",
                    "--set", f"model.hf.path={model}", "--set", "model.hf.lora={rank: 3, alpha: 7}",
                    "--set", "learner.steps=2")
                adapters, merged = folder / f"adapters-{case}", folder / f"merged-{case}"
                tpo("export", run, adapters, "--adapters")
                tpo("export", run, merged)
                tokens = torch.tensor([list(range(5, 25))])
                base = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
                before = base(tokens).logits
                ours = transformers.AutoModelForCausalLM.from_pretrained(merged, dtype="auto")(tokens).logits
                theirs = peft.PeftModel.from_pretrained(base, adapters).eval()(tokens).logits
                self.assertGreater((ours - before).abs().max().item(), 1e-3)
                self.assertLess((ours - theirs).abs().max().item(), 2e-5)


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    unittest.main()
