"""What can't be served is refused before anything is written; what breaks underneath a run is told, and no more."""

import os
import re
import resource
import shutil

import harness
from harness import overrides

REFUSED = 2
FAILED = 1


def tree(directory):
    """All files below a directory with their contents, but for the lock's."""
    return {str(path.relative_to(directory)): path.read_bytes()
            for path in directory.rglob("*") if path.is_file() and path.name != ".lock"}


class ConfigTest(harness.IntegrationTest):
    def refuse(self, config_text, expected, *arguments, command=("train",), encoding="utf-8"):
        """`expected`: a regular expression of the message, after the file's name."""
        config = self.scratch / "config.yaml"
        config.write_text(config_text, encoding=encoding)
        output = self.run_to_end("tpo", *command, config, "--run_dir", self.scratch / "run", *arguments, status=REFUSED)
        self.assertRegex(output, expected.replace("FILE", re.escape(str(config))))
        self.assertFalse((self.scratch / "run").exists(), output)

    def small(self, old="", new=""):
        with open(harness.SMALL, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        return text.replace(old, new)

    def line_of(self, text, part):
        return 1 + text[:text.index(part)].count("\n")

    def test_unknown_field(self):
        text = self.small("epochs: 2", "epoch: 2")
        expected = rf"FILE:{self.line_of(text, 'epoch:')}: learner\.epoch\b.*epochs"
        self.refuse(text, expected)
        self.refuse(text, expected, command=("learner", "--listen", "127.0.0.1:0"))

    def test_out_of_range(self):
        text = self.small("vocab_size: 2", "vocab_size: 0")
        self.refuse(text, rf"FILE:{self.line_of(text, 'vocab_size')}: task\.sequence\.vocab_size: 0 is out of range")

    def test_wrong_type(self):
        text = self.small("steps: 20", "steps: soon")
        self.refuse(text, rf"FILE:{self.line_of(text, 'steps: soon')}: learner\.steps: .*soon")

    def test_several_faults_are_told_at_once(self):
        text = self.small("epochs: 2", "epochs: -1").replace("seed: 7", "seed: -7")
        self.refuse(text, r"(?s)FILE:\d+: seed: .*FILE:\d+: learner\.epochs: ")

    def test_a_group_of_one_for_an_objective_that_compares(self):
        text = self.small("group_size: 4", "group_size: 1")
        self.refuse(text, rf"FILE:{self.line_of(text, 'group_size')}: rollout\.group_size: 1 is too few for tpo")

    def test_sequences_longer_than_the_position_table(self):
        text = self.small("heads: 2}", "heads: 2, max_positions: 7}")
        line = self.line_of(text, "max_positions")
        self.refuse(text, rf"FILE:{line}: model\.transformer\.max_positions: 7 is too few")

    def test_override(self):
        self.refuse(self.small(), r"--set learner\.eta=0: learner\.eta: 0 is out of range", *overrides(learner__eta=0))
        self.refuse(self.small(), r"--set learner\.etta=1: learner\.etta", *overrides(learner__etta=1))

    def test_no_yaml(self):
        self.refuse("learner: {epochs: [", r"FILE:\d+: ")
        self.refuse("", r"FILE")
        self.refuse("\x00\x01\x02", r"FILE")
        self.refuse("- just\n- a list\n", r"FILE:1: ")

    def test_another_encoding(self):
        text = self.small() + "verifiers: [{address: 'a:1', name: café}]\n"
        self.refuse(text, rf"FILE:{self.line_of(text, 'café')}: byte 0xe9 isn't UTF-8", encoding="latin-1")

    def test_files_that_are_none(self):
        for path in (self.scratch / "missing.yaml", self.scratch):
            output = self.run_to_end("tpo", "train", path, "--run_dir", self.scratch / "run", status=REFUSED)
            self.assertIn(str(path), output)
            self.assertFalse((self.scratch / "run").exists())


class AddressTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.occupied = harness.SilentServer()
        self.addCleanup(self.occupied.close)

    def check_refused(self, program, *arguments):
        output = self.run_to_end(program, *arguments, status=REFUSED)
        self.assertIn(f"can't listen on {self.occupied.address}: Address already in use", output)

    def check_nothing_began(self):
        self.assertFalse((self.scratch / "run").exists())

    def test_occupied_listen(self):
        flags = ["--run_dir", self.scratch / "run", "--listen", self.occupied.address]
        self.check_refused("tpo", "learner", harness.SMALL, *flags)
        self.check_nothing_began()

    def test_occupied_metrics_listen(self):
        flags = ["--run_dir", self.scratch / "run", "--metrics_listen", self.occupied.address]
        self.check_refused("tpo", "train", harness.SMALL, *flags)
        self.check_refused("tpo", "learner", harness.SMALL, *flags, "--listen", "127.0.0.1:0")
        self.check_nothing_began()
        self.check_refused("tpo-verifier", "--listen", "127.0.0.1:0", "--metrics_listen", self.occupied.address)
        _, learner = self.start_learner("other")
        self.check_refused("tpo", "rollout", "--learner", learner.address, "--metrics_listen", self.occupied.address)

    def test_plaintext_off_loopback(self):
        for flags in (["learner", harness.SMALL, "--run_dir", self.scratch / "run", "--listen", "0.0.0.0:0"],
                      ["rollout", "--learner", "192.0.2.1:1"], ["status", "--learner", "192.0.2.1:1"]):
            self.assertIn("--insecure", self.run_to_end("tpo", *flags, status=REFUSED))
        self.check_nothing_began()


class RunDirectoryTest(harness.IntegrationTest):
    def test_a_directory_that_holds_a_run(self):
        run = self.copy(self.reference(*overrides(learner__steps=20)))
        before = tree(run.directory)
        output = self.run_to_end("tpo", "train", harness.SMALL, "--run_dir", run, status=REFUSED)
        self.assertRegex(output, rf"{re.escape(str(run))} already holds a run: .*--resume")
        self.assertEqual(tree(run.directory), before)

    def test_a_directory_in_use(self):
        run, learner = self.start_learner("run")
        learner.wait_for_output("^listening on")
        for flags in ([], ["--resume"]):
            output = self.run_to_end("tpo", "train", harness.SMALL, "--run_dir", run, *flags, status=FAILED)
            self.assertIn(f"{run} is in use by process {learner.pid}", output)
        self.assertTrue(learner.running())

    def test_a_directory_that_cannot_be_made(self):
        file = self.scratch / "file"
        file.write_text("mine")
        output = self.run_to_end("tpo", "train", harness.SMALL, "--run_dir", file / "run", status=REFUSED)
        self.assertIn(f"{file}/run", output)
        self.assertEqual(file.read_text(), "mine")

    def test_resume_with_what_must_not_change(self):
        run = self.copy(self.reference(*overrides(learner__steps=20)))
        before = tree(run.directory)
        for field, value in (("model.transformer.d_model", 64), ("learner.objective", "grpo"), ("seed", 8)):
            with self.subTest(field=field):
                output = self.run_to_end("tpo", "train", harness.SMALL, "--run_dir", run, "--resume", "--set",
                                         f"{field}={value}", status=REFUSED)
                self.assertRegex(output, rf"{re.escape(field)}: was \S+ and cannot become {value} on --resume")
                self.assertEqual(tree(run.directory), before)


class DamagedCheckpointTest(harness.IntegrationTest):
    def damaged_copy(self, name="run"):
        run = self.copy(self.reference(*overrides(learner__steps=20)), name)
        self.assertEqual(run.checkpoint_steps, [10, 15, 20])
        return run

    @staticmethod
    def flip(path):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    @staticmethod
    def cut(path):
        os.truncate(path, path.stat().st_size - 1)

    def check_falls_back(self, run, step, *damaged):
        process = self.start("tpo", "train", harness.SMALL, "--run_dir", run, "--resume",
                             *overrides(learner__steps=25))
        self.assert_ended_well(process)
        for path in damaged:
            process.wait_for_output(rf"{re.escape(str(path))} is damaged.*going back to step {step}\b")
        process.wait_for_output(rf"from step {step}$")
        self.assert_same_course(run, self.reference(*overrides(learner__steps=25)))
        self.assert_ledgers_balance(run)

    def test_one_flipped_bit(self):
        for name in ("model.safetensors", "optimizer.safetensors", "state.json"):
            with self.subTest(file=name):
                run = self.damaged_copy(name)
                damaged = run.checkpoint(20) / name
                self.flip(damaged)
                self.check_falls_back(run, 15, damaged)

    def test_cut_missing_and_empty_files(self):
        run = self.damaged_copy()
        self.cut(run.checkpoint(20) / "model.safetensors")
        (run.checkpoint(15) / "manifest.json").unlink()
        self.check_falls_back(run, 10, run.checkpoint(20) / "model.safetensors", run.checkpoint(15) / "manifest.json")

    def test_what_a_crash_left_is_removed(self):
        run = self.damaged_copy()
        shutil.copytree(run.checkpoint(15), run.checkpoints / ".tmp_step_00000025")
        self.cut(run.checkpoints / ".tmp_step_00000025" / "model.safetensors")
        self.check_falls_back(run, 20)
        self.assertEqual(run.checkpoint_steps, [15, 20, 25])
        self.assertEqual([path.name for path in run.checkpoints.iterdir() if path.name.startswith(".")], [])

    def test_all_damaged(self):
        run = self.damaged_copy()
        damaged = [run.checkpoint(step) / "model.safetensors" for step in run.checkpoint_steps]
        for path in damaged:
            self.cut(path)
        before = tree(run.directory)
        for command in (["train", harness.SMALL, "--resume", "--run_dir", run], ["eval", run], ["generate", run],
                        ["export", run, self.scratch / "exported"]):
            output = self.run_to_end("tpo", *command, status=REFUSED)
            for path in damaged:
                self.assertIn(f"{path} is damaged", output)
        self.assertEqual(tree(run.directory), before)
        self.assertFalse((self.scratch / "exported").exists())


class FullDiskTest(harness.IntegrationTest):
    """Files can't grow beyond a limit: writes fail in the middle, as on a full disk."""

    # Room for the config and some steps, not for a checkpoint.
    LIMIT = 8 * 1024

    @staticmethod
    def full_beyond(bytes_a_file):
        """Only the soft limit, so that it can be raised again."""
        return ["env", "--ignore-signal=XFSZ", "prlimit", f"--fsize={bytes_a_file}:"]

    def test_a_disk_that_stays_full(self):
        run = harness.Run(self.scratch / "run")
        process = self.start("tpo", "train", harness.SMALL, "--run_dir", run, under=self.full_beyond(self.LIMIT))
        self.assertEqual(process.wait(), FAILED, str(process))
        for what in (r"metrics\.jsonl", "no checkpoint of step 5", "no checkpoint of step 20"):
            self.assertRegex(process.output, what + ".*File too large")
        self.assertNotIn("works again", process.output)
        self.check_nothing_is_torn(run)
        self.assertEqual(run.checkpoint_steps, [])
        # Training went on to the last step all the same, but its result is lost.
        self.assertEqual(run.summary["steps"], 20)
        self.assertEqual(run.summary["status"], "failed")
        # Once there is room, the run can be repeated from its last sound state: here, its begin.
        self.train("run", "--resume")
        self.assert_same_course(run, self.reference())

    def test_a_disk_that_gets_room_again(self):
        run = harness.Run(self.scratch / "run")
        process = self.start("tpo", "train", harness.SMALL, "--run_dir", run, *overrides(learner__steps=100),
                             under=self.full_beyond(self.LIMIT))
        for what in (r"metrics\.jsonl", r"no checkpoint of step \d+"):
            process.wait_for_output(what + ".*File too large")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        # Nothing was lost, but that there were errors is worth a look.
        self.assertEqual(process.wait(), FAILED, str(process))
        self.assertIn("works again", process.output)
        self.check_nothing_is_torn(run)
        self.assertEqual([record["step"] for record in run.records], list(range(100)))
        self.assert_same_course(run, self.reference(*overrides(learner__steps=100)))

    def test_a_disk_without_any_room(self):
        output = self.run_to_end("tpo", "train", harness.SMALL, "--run_dir", self.scratch / "run", status=FAILED,
                                 under=self.full_beyond(0))
        self.assertRegex(output, r"config\.yaml.*File too large")
        self.assertEqual([content for content in tree(self.scratch / "run").values() if content], [])

    def check_nothing_is_torn(self, run):
        """No half of a checkpoint, of a line, or of a file that is replaced as a whole."""
        text = (run.directory / "metrics.jsonl").read_text(encoding="utf-8")
        self.assertTrue(text.endswith("\n"), text[-100:])
        self.assertGreaterEqual(len(run.records), 1)
        temporary = [*run.checkpoints.glob(".*"), *run.directory.glob("*.tmp")]
        self.assertEqual(temporary, [])


if __name__ == "__main__":
    harness.main()
