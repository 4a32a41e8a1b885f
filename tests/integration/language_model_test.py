"""A language model is trained on a dataset by the programs as users run them: all in one process, and apart; resumed;
evaluated; exported."""

import http.server
import json
import os
import signal
import struct
import threading

import harness
import tiny_language_model
from harness import overrides

CONFIG = str(harness.SOURCE / "tests" / "integration" / "language_model.yaml")


def diverge(path):
    """Makes the last norm of a safetensors file NaN."""
    content = bytearray(path.read_bytes())
    length = struct.unpack("<Q", content[:8])[0]
    entry = json.loads(content[8:8 + length])["model.norm.weight"]
    assert entry["dtype"] == "F32", entry
    first, last = (8 + length + offset for offset in entry["data_offsets"])
    content[first:last] = struct.pack("<f", float("nan")) * ((last - first) // 4)
    path.write_bytes(content)


def tensors_of(path):
    """Names of the tensors in a safetensors file, with their dtypes."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + length])
    return {name: entry["dtype"] for name, entry in header.items() if name != "__metadata__"}


class CrowdedRewardServer:
    """A reward server for OpenRLHF that answers once `crowd` requests are there at the same time."""

    def __init__(self, crowd):
        crowded = threading.Barrier(crowd, timeout=harness.PATIENCE_SECONDS)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                crowded.wait()
                answer = json.dumps({"rewards": [float(len(query)) for query in asked["query"]]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class LanguageModelTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.model = tiny_language_model.make_model(self.scratch / "model")
        self.dataset = tiny_language_model.make_dataset(self.scratch / "data.jsonl")

    def files(self, **fields):
        return overrides(task__dataset__path=self.dataset, model__hf__path=self.model, **fields)

    def train_model(self, name, *flags, status=0, **fields):
        return self.train(name, *self.files(**fields), *flags, config=CONFIG, status=status)

    def evaluations(self, run):
        text = (run.directory / "eval.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def figures(self, run):
        """What of the evaluations doesn't depend on the clock."""
        return [{name: value for name, value in record.items() if name != "seconds"} for record in self.evaluations(run)]

    def test_train_resume_and_what_may_not_change(self):
        whole = self.train_model("whole")
        self.assertEqual(len(whole.lines), 4)
        self.assert_ledgers_balance(whole)
        for record in whole.records:
            self.assertEqual(record["error"], None)
            self.assertLess(record["logprob_mismatch"], 1e-6)
            self.assertIsNotNone(record["truncated_fraction"])
        self.assertEqual([record["learning_rate_factor"] for record in whole.records], [0.5, 1, 1, 1])
        self.assertEqual([record["step"] for record in self.evaluations(whole)], [0, 2, 4])
        self.assertEqual(self.evaluations(whole)[0]["prompts"], 6)

        # Half of it, and the other half later: the same steps to the same weights.
        parts = self.train_model("parts", learner__steps=2)
        self.assertEqual(len(parts.lines), 2)
        self.train_model("parts", "--resume")
        self.assert_same_course(parts, whole)
        self.assertEqual(self.figures(parts), self.figures(whole))

        # Another dataset, or another model, isn't gone on with.
        with open(self.dataset, "a", encoding="utf-8") as file:
            file.write('{"prompt": "one more", "answer": "x"}\n')
        output = self.run_to_end("tpo", "train", CONFIG, "--run_dir", parts, *self.files(learner__steps=6), "--resume",
                                 status=2)
        self.assertIn("task.dataset.path: not the one that the checkpoint of step 4 was trained with", output)
        self.dataset = tiny_language_model.make_dataset(self.scratch / "data.jsonl")
        weights = bytearray((self.model / "model.safetensors").read_bytes())
        weights[-1] ^= 1
        (self.model / "model.safetensors").write_bytes(weights)
        output = self.run_to_end("tpo", "train", CONFIG, "--run_dir", parts, *self.files(learner__steps=6), "--resume",
                                 status=2)
        self.assertIn("model.hf.path: not the one", output)
        weights[-1] ^= 1
        (self.model / "model.safetensors").write_bytes(weights)
        # Nor is another chat template, or are other end tokens.
        for name, what in (("chat_template.jinja", "the chat template"), ("generation_config.json", "the end tokens")):
            text = (self.model / name).read_text(encoding="utf-8")
            other = text.replace("assistant:", "answer:").replace('"eos_token_id": 2', '"eos_token_id": 3')
            self.assertNotEqual(text, other)
            (self.model / name).write_text(other, encoding="utf-8")
            output = self.run_to_end("tpo", "train", CONFIG, "--run_dir", parts, *self.files(learner__steps=6),
                                     "--resume", status=2)
            self.assertIn(f"{what} of model.hf.path: not the one that the checkpoint of step 4 was trained with", output)
            (self.model / name).write_text(text, encoding="utf-8")

    def test_composed_of_libtorchs_operators_it_learns_the_same(self):
        """Learner, reference, workers and evaluation in the form that a GPU runs, here on the CPU."""
        fields = {"learner__reference_kl": 0.1}
        whole = self.train_model("whole", **fields)
        composed = self.train_model("composed", model__hf__composed="true", **fields)
        for expected, record in zip(whole.records, composed.records, strict=True):
            self.assertEqual(record["reward_mean"], expected["reward_mean"])
            self.assertEqual(record["tokens_total"], expected["tokens_total"])
            self.assertAlmostEqual(record["loss"], expected["loss"], delta=1e-4)
            self.assertAlmostEqual(record["grad_norm"], expected["grad_norm"], delta=1e-3 * expected["grad_norm"])
            self.assertLess(record["logprob_mismatch"], 1e-5)
        for expected, record in zip(self.figures(whole), self.figures(composed), strict=True):
            self.assertEqual(record["pass_at_1"], expected["pass_at_1"])

        # A checkpoint of one form is gone on with in the other.
        self.train_model("composed", "--resume", model__hf__composed="false", learner__steps=6, **fields)

    def test_processes_of_their_own_do_the_same(self):
        whole = self.train_model("whole")
        run, learner = self.start_learner("apart", *self.files(), config=CONFIG)
        workers = [self.start_worker(learner.address, "--quiet") for _ in range(2)]
        self.assert_ended_well(learner, *workers)
        self.assert_same_course(run, whole)
        self.assertEqual(self.figures(run), self.figures(whole))

    def test_killed_at_any_moment_it_goes_on_the_same_way(self):
        fields = {"learner__steps": 24, "learner__checkpoint__every_steps": 5, "evaluation__every_steps": 3}
        whole = self.train_model("whole", **fields)
        flags = ()
        for step in (5, 15):
            run, learner = self.start_learner("killed", *self.files(**fields), *flags, config=CONFIG)
            worker = self.start_worker(learner.address, "--quiet")
            harness.wait_until(lambda: run.checkpoint(step).exists() or not learner.running(), f"a checkpoint of {learner}")
            for process in (learner, worker):
                process.kill()
                self.assertEqual(process.wait(), -signal.SIGKILL, str(process))
            flags = ("--resume",)
        self.train_model("killed", "--resume", **fields)
        self.assert_same_course(run, whole)
        self.assertEqual(self.figures(run), self.figures(whole))

    def test_a_reward_server_is_asked_about_all_groups_of_a_lease_at_a_time(self):
        groups = os.cpu_count() + 1
        server = CrowdedRewardServer(groups)
        self.addCleanup(server.close)
        verifier = f"{{http: {{url: '{server.url}', shape: openrlhf, max_connections: {groups}}}}}"
        run = self.train_model("run", task__dataset__verifier=verifier, learner__prompts_per_lease=groups,
                               learner__prompts_per_step=groups, learner__steps=2, evaluation__every_steps=0)
        self.assertEqual(len(run.lines), 2)
        self.assertEqual(run.summary["ledger"]["dropped_unverified"], 0)

    def test_told_to_end_it_does_not_wait_for_an_evaluation(self):
        def flags(address):
            return overrides(task__dataset=f"{{path: '{self.dataset}', held_out_prompts: 6}}",
                             model__hf__path=self.model, verifiers=f"[{{address: '{address}'}}]")
        silent = harness.SilentServer()
        self.addCleanup(silent.close)
        run, learner = self.start_learner("run", *flags(silent.address), config=CONFIG)
        silent.wait_for_connection()
        learner.send(signal.SIGTERM)
        self.assert_ended_well(learner)
        self.assertIn("no evaluation before the first step: the run was told to end", learner.output)
        self.assertFalse((run.directory / "eval.jsonl").exists())
        # It is made up for.
        config = self.scratch / "verifier.yaml"
        config.write_text("verifier_service: {verifiers: [{tasks: [dataset], regex: {pattern: '[A-Za-z]'}}]}\n",
                          encoding="utf-8")
        verifier = self.start_verifier("--config", config)
        self.train("run", "--resume", *flags(verifier.address), config=CONFIG)
        self.assertEqual([record["step"] for record in self.evaluations(run)], [0, 2, 4])

    def test_bfloat16_and_weights_in_flight(self):
        run = self.train_model("flight", model__hf__compute_type="bfloat16", rollout__weight_swap="in_flight",
                               rollout__in_flight_cache="recompute", learner__max_staleness=2, learner__steps=6)
        self.assertEqual(len(run.lines), 6)
        for record in run.records:
            self.assertLessEqual(record["staleness_max"], 2)
            # Between versions the policy moves, which isn't rounding noise.
            self.assertEqual(record["logprob_mismatch"] < 1e-6, record["staleness_max"] == 0, record)

    def test_checkpoint_export_generate_and_eval(self):
        run = self.train_model("run", model__hf__compute_type="bfloat16")
        self.assertEqual(set(tensors_of(run.newest_checkpoint / "model.safetensors").values()), {"F32"})
        exported = self.scratch / "exported"
        self.run_to_end("tpo", "export", run, exported)
        original = tensors_of(self.model / "model.safetensors")
        self.assertEqual(set(tensors_of(exported / "model.safetensors")), set(original))
        for name in ("config.json", "generation_config.json", "tokenizer.json", "chat_template.jinja"):
            self.assertTrue((exported / name).exists(), name)
        flags = ("--prompt", "letter 3?", "--chat", "--max_tokens", "4", "--json", "--greedy")
        from_run = self.run_to_end("tpo", "generate", run, *flags)
        from_export = self.run_to_end("tpo", "generate", exported, *flags)
        lines = [[line for line in text.splitlines() if line.startswith("{")] for text in (from_run, from_export)]
        self.assertEqual(len(lines[0]), 1, from_run)
        self.assertEqual(lines[0], lines[1])
        # In the type that the run computes in.
        self.assertIn("bfloat16", from_run)
        self.assertIn("float32", self.run_to_end("tpo", "generate", run, *flags, "--compute_type", "float32"))
        self.run_to_end("tpo", "generate", run, "--prompts", "2")
        before = len(self.evaluations(run))
        self.run_to_end("tpo", "eval", run, "--prompts", "4", "--samples", "3")
        last = self.evaluations(run)[-1]
        self.assertEqual(len(self.evaluations(run)), before + 1)
        self.assertEqual((last["step"], last["prompts"], last["samples"], last["held_out"]), (4, 4, 3, True))
        self.assertLessEqual(last["pass_at_1"], last["pass_at_k"])
        # What isn't a run, or a checkpoint of one, is refused with what to do.
        self.assertIn("evaluation.every_steps", self.run_to_end("tpo", "eval", self.model, status=2))
        for command in (["generate", self.model, "--prompt", "a"], ["export", self.model, self.scratch / "again"]):
            self.assertIn("--step", self.run_to_end("tpo", *command, "--step", "1", status=2))

    def test_evaluation_without_held_out_rows_says_so(self):
        run = self.train_model("run", learner__steps=1, task__dataset__held_out_prompts=0, evaluation__every_steps=0)
        output = self.run_to_end("tpo", "eval", run, "--prompts", "3")
        self.assertIn("prompts of training", output)
        self.assertIs(self.evaluations(run)[-1]["held_out"], False)
        # Beside the figures, which tools read.
        figures = self.run_to_end("tpo", "eval", run, "--prompts", "3", under=harness.redirected("2>/dev/null"))
        self.assertIs(json.loads(figures)["held_out"], False)

    def test_a_model_that_has_diverged_ends_a_run_with_a_diagnosis(self):
        diverge(self.model / "model.safetensors")
        for name, fields in (("evaluated", {}), ("plain", {"evaluation__every_steps": 0})):
            output = self.run_to_end("tpo", "train", CONFIG, "--run_dir", self.scratch / name, *self.files(**fields),
                                     status=1)
            self.assertRegex(output, r"a rollout worker failed: prompt \d+: the logits of weight version 0 are infinite "
                                     "or not numbers")
            self.assertEqual("no evaluation before the first step" in output, name == "evaluated")
        for flags in ((), ("--greedy",)):
            output = self.run_to_end("tpo", "generate", self.model, "--prompt", "a", *flags, status=1)
            self.assertIn("infinite or not numbers", output)

    def test_penalty_towards_the_model_before_training(self):
        free = self.train_model("free")
        self.assertEqual([record["reference_kl"] for record in free.records], [None] * 4)
        kept = self.train_model("kept", learner__reference_kl=5, learner__micro_batch_tokens=100000)
        divergence = [record["reference_kl"] for record in kept.records]
        # It is the very model at first, to the last bit.
        self.assertEqual(divergence[0], 0)
        self.assertGreater(divergence[1], 0)
        parts = self.train_model("parts", learner__reference_kl=5, learner__micro_batch_tokens=100000,
                                 learner__steps=2)
        self.train_model("parts", "--resume", learner__reference_kl=5, learner__micro_batch_tokens=100000)
        self.assert_same_course(parts, kept)

    def test_muon(self):
        muon = {"learner__optimizer": "{muon: {learning_rate: 0.005}}"}
        whole = self.train_model("whole", **muon)
        state = set(tensors_of(whole.newest_checkpoint / "optimizer.safetensors"))
        self.assertIn("model.layers.0.self_attn.q_proj.weight/momentum", state)
        self.assertIn("model.embed_tokens.weight/first_moment", state)
        self.assertNotIn("model.embed_tokens.weight/momentum", state)
        parts = self.train_model("parts", learner__steps=2, **muon)
        self.train_model("parts", "--resume", **muon)
        self.assert_same_course(parts, whole)

    def test_adapters(self):
        whole = self.train_model("whole", model__hf__lora="{rank: 2}")
        names = tensors_of(whole.newest_checkpoint / "model.safetensors")
        self.assertTrue(names and all(".lora_" in name for name in names), names)
        parts = self.train_model("parts", model__hf__lora="{rank: 2}", learner__steps=2)
        self.train_model("parts", "--resume", model__hf__lora="{rank: 2}")
        self.assert_same_course(parts, whole)
        exported = self.scratch / "exported"
        self.run_to_end("tpo", "export", whole, exported)
        self.assertEqual(set(tensors_of(exported / "model.safetensors")),
                         set(tensors_of(self.model / "model.safetensors")))

        # By themselves; tests/services/engine/transformers_test.py has PEFT load them.
        adapters = self.scratch / "adapters"
        self.run_to_end("tpo", "export", whole, adapters, "--adapters")
        self.assertEqual(tensors_of(adapters / "adapter_model.safetensors"), names)
        config = json.loads((adapters / "adapter_config.json").read_text(encoding="utf-8"))
        self.assertEqual((config["peft_type"], config["r"], config["lora_alpha"]), ("LORA", 2, 4))
        self.assertEqual(config["base_model_name_or_path"], str(self.model))
        self.assertIn("q_proj", config["target_modules"])
        output = self.run_to_end("tpo", "export", whole, adapters, "--adapters", status=2)
        self.assertIn("not empty", output)
        output = self.run_to_end("tpo", "export", self.model, adapters, "--adapters", status=2)
        self.assertIn("not a run's", output)

        # They are of no use to another model.
        diverge(self.model / "model.safetensors")
        for command in (("export", whole, self.scratch / "other"), ("eval", whole, "--prompts", "1"),
                        ("generate", whole, "--prompt", "a")):
            output = self.run_to_end("tpo", *command, status=2)
            self.assertIn("was trained with another model", output)
        self.assertFalse((self.scratch / "other").exists())

    def test_bad_input(self):
        def refused(*flags):
            return self.run_to_end("tpo", "train", CONFIG, "--run_dir", self.scratch / "bad", *self.files(), *flags,
                                   status=2)
        self.assertIn("task.dataset.path", refused(*overrides(task__dataset__path="missing.jsonl")))
        self.assertIn("model.hf.path", refused(*overrides(model__hf__path="missing")))
        self.assertIn("rollout.max_tokens: 512 leave no room", refused(*overrides(rollout__max_tokens=512)))
        self.assertIn("task.dataset.held_out_prompts", refused(*overrides(task__dataset__held_out_prompts=40)))
        (self.model / "chat_template.jinja").unlink()
        self.assertIn("chat: false", refused())
        (self.scratch / "data.jsonl").write_text('{"prompt": "a"}\n{"answer": "b"}\n', encoding="utf-8")
        self.assertIn("data.jsonl:2", refused(*overrides(task__dataset__chat="false")))
        self.assertFalse((self.scratch / "bad").exists())


    def test_a_row_that_does_not_fit_ends_the_run_with_its_line(self):
        with open(self.dataset, "a", encoding="utf-8") as file:
            file.write(json.dumps({"prompt": "long " * 60, "answer": "x"}) + "\n")
        # The row comes up sooner or later: there are 41, and a step takes 6.
        fields = {"task__dataset__max_prompt_tokens": 200, "task__dataset__held_out_prompts": 0,
                  "evaluation__every_steps": 0, "learner__steps": 9}
        output = self.run_to_end("tpo", "train", CONFIG, "--run_dir", self.scratch / "long", *self.files(**fields),
                                 status=2)
        self.assertRegex(output, r"data\.jsonl:41: the prompt has \d+ tokens, more than 200")
        self.assertEqual(harness.Run(self.scratch / "long").summary["status"], "failed")
        run, learner = self.start_learner("apart", *self.files(**fields), config=CONFIG)
        worker = self.start_worker(learner.address)
        self.assertEqual(learner.wait(), 2, str(learner))
        self.assertIn("data.jsonl:41", learner.output)
        self.assertNotEqual(worker.wait(), 0, str(worker))
        self.assertIn("data.jsonl:41", worker.output)


if __name__ == "__main__":
    harness.main()
