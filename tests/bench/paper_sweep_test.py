"""The paper's sweep: what it runs, what it keeps, and what it refuses. A program stands in for `tpo`: it notes that it
was called and writes what a run directory holds."""

import dataclasses
import errno
import fcntl
import gzip
import io
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import numpy

ROOT = pathlib.Path(os.environ["TPO_SOURCE_DIR"])
sys.path.insert(0, str(ROOT / "bench/paper"))

import bandit_results  # noqa: E402
import bandit_runs  # noqa: E402
import cells  # noqa: E402
import compare_with_authors  # noqa: E402
import completion_weights  # noqa: E402
import measures  # noqa: E402
import method_order  # noqa: E402
import paper  # noqa: E402
import report  # noqa: E402
import report_page  # noqa: E402
import sweep  # noqa: E402
import table_text  # noqa: E402

# Trains in no time: the steps that its run directory lacks. It can also fail, die half-way, or wait to be ended, in which
# case it writes its process id to a pipe and holds the pipe open for as long as it lives.
STAND_IN = """#!{python}
import json, os, pathlib, signal, sys
if sys.argv[1] == "--version":
    print(os.environ["STAND_IN_VERSION"])
    sys.exit()
settings = dict(pair.split("=", 1) for pair in sys.argv[5:] if "=" in pair)
directory = pathlib.Path(sys.argv[sys.argv.index("--run_dir") + 1])
with open(os.environ["STAND_IN_CALLS"], "a") as calls:
    calls.write(json.dumps(settings) + "\\n")
if settings["seed"] in os.environ.get("STAND_IN_FAILS", "").split(","):
    sys.exit(os.environ.get("STAND_IN_REASON", "not today"))
directory.mkdir(parents=True, exist_ok=True)
metrics = directory / "metrics.jsonl"
record = {{"error": 0.5, "grad_norm": 1.0, "zero_variance_fraction": 0.25, "all_fail_fraction": 0.125}}

def train(until, status):
    done = len(metrics.read_text().splitlines()) if metrics.exists() else 0
    with open(metrics, "a") as file:
        file.write("".join(json.dumps(record | {{"grad_norm": step}}) + "\\n" for step in range(done, until)))
    (directory / "summary.json").write_text(json.dumps(
        {{"status": status, "commit": os.environ.get("STAND_IN_COMMIT", "abc"), "cpu_seconds": 1.5,
          "wall_seconds": 1.0, "peak_memory_bytes": 7}}))

steps = int(settings["learner.steps"])
if os.environ.get("STAND_IN_DIES") == settings["seed"]:
    train(steps // 2, "running")
    os.kill(os.getpid(), signal.SIGKILL)
if "STAND_IN_WAITS" in os.environ:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    pipe = open(os.environ["STAND_IN_WAITS"], "w")
    print(os.getpid(), file=pipe, flush=True)
    signal.sigwait([signal.SIGTERM])
    train(steps // 2, "drained")
    sys.exit()
train(steps, "finished")
"""


def cell(**settings) -> cells.Cell:
    return cells.Cell("tpo", **({"steps": 30} | settings))


class SweepTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.tpo = self.folder / "tpo"
        self.tpo.write_text(STAND_IN.format(python=sys.executable))
        self.tpo.chmod(0o755)
        self.calls = self.folder / "calls"
        environment = mock.patch.dict(
            os.environ, {"STAND_IN_VERSION": "tpo 1 (commit abc)", "STAND_IN_CALLS": str(self.calls)})
        environment.start()
        self.addCleanup(environment.stop)
        self.out = self.folder / "runs"

    def run_all(self, runs, jobs=1):
        with redirect_stdout(io.StringIO()) as output:
            failures = sweep.run_all(sweep.Sweep(self.out, self.tpo), runs, jobs)
        return failures, output.getvalue()

    def call_count(self):
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def test_a_finished_run_is_kept_and_never_repeated(self):
        runs = [sweep.Run(cell(), 0), sweep.Run(cell(length=7), 0)]
        self.assertEqual(self.run_all(runs)[0], 0)
        self.assertEqual(self.run_all(runs + [sweep.Run(cell(), 1)])[0], 0)
        self.assertEqual(self.call_count(), 3)
        result = sweep.Sweep(self.out, self.tpo).result(runs[1])
        self.assertEqual(result["settings"]["length"], 7)
        self.assertEqual(result["curves"]["error"], [0.5] * 30)
        self.assertEqual(result["commit"], "abc")
        self.assertFalse(any((self.out / "work").rglob("metrics.jsonl")))

    def test_the_time_that_is_left_counts_what_runs_took_before_an_interruption(self):
        _, output = self.run_all([sweep.Run(cell(), seed) for seed in range(3)])
        # Each says that it took a second in all, though the process that wrote that took none.
        self.assertIn("[1/3]", output)
        self.assertIn("(ETA 0 min 02 s)", output)
        self.assertIn("(ETA 0 min 01 s)", output)

    def test_the_settings_of_the_cell_reach_the_program(self):
        self.run_all([sweep.Run(cell(vocab_size=4, eta=0.5, learning_rate=2e-3), 3)])
        settings = json.loads(self.calls.read_text())
        self.assertEqual(settings["seed"], "3")
        self.assertEqual(settings["task.sequence.vocab_size"], "4")
        self.assertEqual(settings["learner.eta"], "0.5")
        self.assertEqual(settings["learner.optimizer.muon.learning_rate"], "0.002")

    def test_results_of_another_build_are_refused_unless_asked_for(self):
        run = sweep.Run(cell(), 0)
        self.run_all([run])
        with mock.patch.dict(os.environ, {"STAND_IN_VERSION": "tpo 2 (commit def)"}):
            other = sweep.Sweep(self.out, self.tpo)
            with self.assertRaisesRegex(sweep.SweepError, r"(?s)commit def.*commit abc.*--mix_commits"):
                other.check_commits()
        sweep.Sweep(self.out, self.tpo).check_commits()

    def test_the_weights_of_inspected_completions_become_curves(self):
        run = sweep.Run(cell(inspect_every_steps=2), 0)
        work = self.out / "work" / run.name

        def group(step, *completions):
            return json.dumps({"step": step, "completions": [
                {"verdict": {"kind": "scored", "score": score}} | figures for score, figures in completions]}) + "\n"

        def write_groups(path):
            path.mkdir(parents=True)
            (path / "groups.jsonl.1").write_text(
                group(0, (1.0, {"standardized_score": 1.5, "target_probability": 0.75}),
                      (0.0, {"standardized_score": -0.5, "target_probability": 0.25})))
            (path / "groups.jsonl").write_text(
                group(2, (0.0, {"standardized_score": -0.5, "target_probability": None}),
                      (0.0, {"standardized_score": 0.25}), (0.0, {"standardized_score": None})) +
                group(2, (1.0, {"standardized_score": 2.0}), (0.0, {})))

        write_groups(work)
        sweep.write_atomically(work.with_name(work.name + ".version"), b"tpo 1 (commit abc)")
        self.run_all([run])
        curves = sweep.Sweep(self.out, self.tpo).result(run)["curves"]
        self.assertEqual(curves["right_completion_weight"], [0.75, None, 2.0] + [None] * 27)
        self.assertEqual(curves["wrong_completion_weight"], [0.25, None, 0.375] + [None] * 27)
        self.assertEqual(json.loads(self.calls.read_text())["output.inspect_every_steps"], "2")

    def test_a_run_that_inspects_nothing_has_no_weights(self):
        run = sweep.Run(cell(), 0)
        self.run_all([run])
        self.assertEqual(set(sweep.Sweep(self.out, self.tpo).result(run)["curves"]), set(sweep.CURVES))
        self.assertEqual(json.loads(self.calls.read_text())["output.inspect_every_steps"], "0")

    def finished(self, count):
        return [sweep.Sweep(self.out, self.tpo).finished(sweep.Run(cell(), seed)) for seed in range(count)]

    def test_a_failed_run_says_why_and_leaves_the_others_alone(self):
        with mock.patch.dict(os.environ, {"STAND_IN_FAILS": "1"}):
            left, output = self.run_all([sweep.Run(cell(), seed) for seed in range(3)])
        self.assertEqual(left, 1)
        self.assertIn("not today", output)
        self.assertEqual(self.finished(3), [True, False, True])

    def test_a_fault_that_all_would_share_stops_the_sweep(self):
        runs = [sweep.Run(cell(), seed) for seed in range(5)]
        for seeds, reason, calls in (("0", "No space left on device", 1), ("0,1", "not today", 2)):
            self.calls.unlink(missing_ok=True)
            with mock.patch.dict(os.environ, {"STAND_IN_FAILS": seeds, "STAND_IN_REASON": reason}):
                left, output = self.run_all(runs)
            self.assertEqual((left, self.call_count()), (5, calls))
            self.assertIn("start the same command again", output)
        self.assertEqual(self.run_all(runs)[0], 0)

    def test_a_program_that_vanishes_stops_the_sweep(self):
        engine = sweep.Sweep(self.out, self.tpo)
        self.assertEqual(engine.commit, "abc")
        self.tpo.rename(self.folder / "elsewhere")
        with redirect_stdout(io.StringIO()) as output:
            self.assertEqual(sweep.run_all(engine, [sweep.Run(cell(), seed) for seed in range(3)], 1), 3)
        self.assertEqual(output.getvalue().count("FAILED"), 1)

    def test_a_run_directory_without_sense_fails_by_name(self):
        run = sweep.Run(cell(), 0)
        with mock.patch.object(sweep.Sweep, "_collect", side_effect=KeyError("grad_norm")):
            left, output = self.run_all([run])
        self.assertEqual(left, 1)
        self.assertIn(f"{run.name}: KeyError('grad_norm')", output)

    def test_a_run_that_dies_goes_on_where_it_was(self):
        run = sweep.Run(cell(), 0)
        with mock.patch.dict(os.environ, {"STAND_IN_DIES": "0"}):
            self.assertEqual(self.run_all([run])[0], 1)
        self.assertEqual(self.run_all([run])[0], 0)
        result = sweep.Sweep(self.out, self.tpo).result(run)
        self.assertEqual(result["curves"]["grad_norm"], list(range(30)))
        self.assertEqual(list((self.out / "work").rglob("*seed*")), [])

    def test_a_run_that_another_build_began_starts_anew(self):
        run = sweep.Run(cell(), 0)
        with mock.patch.dict(os.environ, {"STAND_IN_DIES": "0"}):
            self.run_all([run])
        metrics = self.out / "work" / run.name / "metrics.jsonl"
        metrics.write_text(metrics.read_text().replace("0.5", "0.75"))
        with mock.patch.dict(os.environ, {"STAND_IN_VERSION": "tpo 2 (commit def)", "STAND_IN_COMMIT": "def"}):
            left, output = self.run_all([run])
        self.assertEqual(left, 0)
        self.assertIn("starts anew, tpo 1 (commit abc) began it", output)
        self.assertEqual(sweep.Sweep(self.out, self.tpo).result(run)["curves"]["error"], [0.5] * 30)

    def test_what_another_commit_trained_is_no_result_of_the_sweep(self):
        runs = [sweep.Run(cell(), seed) for seed in range(2)]
        with mock.patch.dict(os.environ, {"STAND_IN_COMMIT": "def"}):
            left, output = self.run_all(runs)
        self.assertEqual((left, self.call_count()), (2, 1))
        self.assertIn("trained by commit def, the sweep began with abc", output)

    def test_a_program_that_is_replaced_ends_the_sweep(self):
        engine = sweep.Sweep(self.out, self.tpo)
        engine.check_program()
        replace = self.folder / "new"
        replace.write_text(self.tpo.read_text() + "# another\n")
        replace.chmod(0o755)
        replace.rename(self.tpo)
        engine.check_program()  # It was built anew from the same commit.
        with mock.patch.dict(os.environ, {"STAND_IN_VERSION": "tpo 1 (commit def)"}):
            self.tpo.touch()
            with self.assertRaisesRegex(sweep.ProgramChanged, "commit def.*commit abc"):
                engine.check_program()

    def test_builds_with_uncommitted_changes_are_told_apart(self):
        with mock.patch.dict(os.environ, {"STAND_IN_VERSION": "tpo 1 (commit abc-dirty)"}):
            before = sweep.version_of(self.tpo)
            (self.folder / "tpo-engine").write_text("another engine")
            self.assertNotEqual(before, sweep.version_of(self.tpo))

    def start(self, pipe):
        """A sweep in a process of its own, and its run's process id once it is under way."""
        os.mkfifo(pipe)
        command = [sys.executable, str(ROOT / "bench/paper/paper.py"), "run", "--seeds", "1", "--only", "Table 5",
                   "--jobs", "1", "--out", str(self.folder), "--tpo", str(self.tpo)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   env=os.environ | {"STAND_IN_WAITS": str(pipe)})
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        reader = open(pipe, encoding="utf-8")
        self.addCleanup(reader.close)
        return process, reader, int(reader.readline())

    def test_a_sweep_that_is_ended_takes_its_runs_along_and_goes_on_later(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process, reader, _ = self.start(self.folder / f"pipe{number}")
            process.send_signal(number)
            errors = process.communicate()[1]
            self.assertEqual(process.returncode, 130, errors)
            self.assertIn("the same command goes on", errors)
            self.assertNotIn("delete", errors)
            self.assertEqual(reader.read(), "")  # The run is gone.
            self.assertEqual(len(list((self.out / "work").rglob("summary.json"))), 1)
        runs = paper.runs_of(cells.table_5(), lambda _: 1)
        self.assertEqual(self.run_all(runs)[0], 0)
        self.assertEqual(sweep.Sweep(self.out, self.tpo).result(runs[0])["curves"]["grad_norm"], list(range(1000)))

    def test_a_run_that_a_killed_sweep_left_keeps_the_next_sweep_out(self):
        process, reader, run = self.start(self.folder / "pipe")
        process.kill()
        process.communicate()
        with self.assertRaisesRegex(sweep.SweepError, "one left behind"):
            with sweep.Sweep(self.out, self.tpo).lock():
                pass
        os.kill(run, signal.SIGTERM)
        reader.read()
        with open(self.out / ".lock", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # Free once the run is gone.
        with sweep.Sweep(self.out, self.tpo).lock():
            pass

    def test_a_full_disk_leaves_no_half_result(self):
        run = sweep.Run(cell(), 0)
        fsync = os.fsync

        def full_for_the_result(descriptor):
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if run.cell.name in path and "/work/" not in path:
                raise OSError(errno.ENOSPC, "No space left on device")
            fsync(descriptor)

        with mock.patch.object(os, "fsync", full_for_the_result):
            failures, output = self.run_all([run])
        self.assertEqual(len(self.calls.read_text().splitlines()), 1, "the run itself has its place")
        self.assertEqual(failures, 1)
        self.assertIn("No space left on device", output)
        self.assertEqual(list(self.out.glob("tpo-*/*")), [])

    def test_a_damaged_result_is_refused_by_name(self):
        run = sweep.Run(cell(), 0)
        self.run_all([run])
        path = sweep.Sweep(self.out, self.tpo).result_path(run)
        whole = path.read_bytes()
        turned = bytearray(whole)
        turned[20:40] = b"\xff" * 20
        for damaged in (whole[:-20], bytes(turned)):
            path.write_bytes(damaged)
            with self.assertRaisesRegex(sweep.SweepError, "seed0.json.gz: not a result"):
                sweep.Sweep(self.out, self.tpo).check_commits()

    def test_a_result_of_fewer_steps_or_none_is_no_finished_run(self):
        run = sweep.Run(cell(), 0)
        self.run_all([run])
        path = sweep.Sweep(self.out, self.tpo).result_path(run)
        result = sweep.read_result(path)
        for curves, fault in (({"error": [0.5] * 7}, "7 of 30 steps"), ({}, "has no curve of the error")):
            path.write_bytes(gzip.compress(json.dumps(result | {"curves": curves}).encode()))
            with self.assertRaisesRegex(sweep.SweepError, f"seed0.json.gz: {fault}"):
                sweep.Sweep(self.out, self.tpo).finished(run)

    def test_a_run_that_is_cut_short_is_no_result(self):
        run = sweep.Run(cell(), 0)
        work = self.out / "work" / run.name
        work.mkdir(parents=True)
        (work / "metrics.jsonl").write_text('{"error": 1, "grad_norm": 1, "zero_variance_fraction": 1, '
                                            '"all_fail_fraction": 1}\n')
        for status, error in (("failed", sweep.SweepError), ("drained", sweep.Interrupted)):
            (work / "summary.json").write_text(json.dumps({"status": status}))
            with self.assertRaisesRegex(error, "1 of 30 steps"):
                sweep.Sweep(self.out, self.tpo)._collect(run, work)  # pylint: disable=protected-access

    def test_a_result_of_another_run_is_refused(self):
        run, other = sweep.Run(cell(), 0), sweep.Run(cell(), 1)
        self.run_all([run])
        engine = sweep.Sweep(self.out, self.tpo)
        engine.result_path(run).rename(engine.result_path(other))
        with self.assertRaisesRegex(sweep.SweepError, "seed1.json.gz: the result of .*seed 0"):
            sweep.run_all(engine, [other], 1)

    def test_two_sweeps_do_not_work_in_one_directory(self):
        with sweep.Sweep(self.out, self.tpo).lock():
            with self.assertRaisesRegex(sweep.SweepError, "another sweep"):
                with sweep.Sweep(self.out, self.tpo).lock():
                    pass

    def test_a_program_that_is_missing_is_named(self):
        with self.assertRaisesRegex(sweep.SweepError, "nowhere: can't be run"):
            sweep.Sweep(self.out, self.folder / "nowhere").check_commits()

    def test_status_counts_every_seed_and_needs_no_program(self):
        item = cells.table_5()[0].cell
        for seed in range(12):
            path = self.out / item.name / f"seed{seed}.json.gz"
            sweep.write_atomically(path, b"")
        command = ["paper.py", "status", "--only", "Table 5", "--out", str(self.folder), "--tpo", str(self.folder / "nowhere")]
        with mock.patch.object(sys, "argv", command), redirect_stdout(io.StringIO()) as output:
            self.assertEqual(paper.main(), 0)
        self.assertIn("12 seeds (the paper: 10)", output.getvalue())

    def test_a_reader_that_has_seen_enough_is_no_fault(self):
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb") as nobody:
            done = subprocess.run([sys.executable, paper.__file__, "status", "--out", str(self.folder)],
                                  stdout=nobody, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (141, ""))

    def test_bad_arguments_end_with_status_2(self):
        for arguments in (["run"], ["run", "--quick", "--only", "Table 99"]):
            with mock.patch.object(sys, "argv", ["paper.py", *arguments, "--tpo", str(self.tpo)]):
                with redirect_stderr(io.StringIO()) as output:
                    self.assertEqual(paper.main(), 2)
                self.assertIn("--", output.getvalue())


class CellsTest(unittest.TestCase):
    def test_a_run_that_tables_share_is_run_once(self):
        runs = paper.runs_of(cells.all_rows(), lambda _: 2)
        self.assertEqual(len(runs), len(set(runs)))
        shared = cells.Cell("tpo_token", reward="bag_of_tokens", steps=1000)
        self.assertEqual({row.table for row in cells.all_rows() if row.cell == shared}, {"Table 1", "Table 2"})

    def test_a_shared_cell_gets_the_seeds_of_the_table_that_wants_most(self):
        rows = [row for row in cells.all_rows() if row.cell == cells.Cell("tpo", length=7)]
        self.assertEqual({row.table for row in rows}, {"Table 3, prompts", "Table 3, interactions", "Figure 8"})
        self.assertEqual(len(paper.runs_of(rows, cells.committed_seeds)), 20)

    def test_table_5_is_the_sequence_level_objective(self):
        self.assertEqual({row.cell.objective for row in cells.table_5()}, {"tpo"})
        self.assertIn("Inferred", cells.NOTES["Table 5"])

    def test_large_steps_keep_their_forward_pass(self):
        for item in {row.cell for row in cells.all_rows()}:
            large = item.prompts_per_step > 100 or item.prompts_per_step * item.group_size > 800
            self.assertEqual("learner.micro_batch_tokens" in item.overrides(), large, item.name)

    def test_names_are_unique(self):
        distinct = {row.cell for row in cells.all_rows()}
        self.assertEqual(len({item.name for item in distinct}), len(distinct))

    def test_interaction_matched_methods_get_the_same_number_of_completions(self):
        for row in cells.table_3("interactions"):
            self.assertEqual(row.cell.prompts_per_step * row.cell.group_size, 800, row.method)
            self.assertAlmostEqual(row.cell.learning_rate, 1e-3 * (8 / row.cell.group_size) ** 0.5)

    def test_tables_come_one_after_the_other_and_in_each_seed_by_seed(self):
        rows = [row for row in cells.all_rows() if row.table in ("Table 1", "Table 2")]
        runs = paper.runs_of(rows, lambda _: 2)
        self.assertEqual([run.seed for run in runs[:33]], [0] * 16 + [1] * 16 + [0])
        self.assertEqual({run.cell for run in runs[:32]}, {row.cell for row in cells.table_1()})

    def test_costs_are_of_the_size_that_was_measured(self):
        measured = {cells.Cell("tpo_token", reward="bag_of_tokens", steps=1000): 57,
                    _single("dg", reward="bag_of_tokens", steps=1000): 29, cells.Cell("tpo", length=7): 70,
                    _single("ppo", length=7): 68, cells.Cell("tpo_no_anchor"): 506,
                    cells.Cell("tpo", length=8, group_size=32, prompts_per_step=256): 300}
        for item, seconds in measured.items():
            self.assertLess(max(item.cost() / seconds, seconds / item.cost()), 1.6, item.name)


class PresetsTest(unittest.TestCase):
    def select(self, *flags):
        with mock.patch.object(sys, "argv", ["paper.py", "run", *flags]):
            captured = []
            with mock.patch.object(paper, "command_run", captured.append):
                paper.main()
        return captured[0]

    def test_a_preset_or_a_number_says_how_many_seeds(self):
        row = next(row for row in cells.all_rows() if row.method == "grpo_no_kl" and row.table == "Table 3, prompts")
        for flags, seeds in ((["--quick"], 2), (["--committed"], 3), (["--full"], 20), (["--quick", "--seeds", "7"], 7)):
            self.assertEqual(paper.seeds_of(self.select(*flags))(row), seeds)
        self.assertIsNone(paper.seeds_of(self.select()))
        with redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
            self.select("--quick", "--full")

    def test_only_the_committed_sweep_is_worked_on_where_the_repository_keeps_it(self):
        self.assertEqual(self.select("--quick").out, ROOT / "runs/paper")
        self.assertEqual(self.select("--committed").out, ROOT / "docs/paper")
        self.assertEqual(self.select("--committed", "--out", "x").out, pathlib.Path("x"))

    def test_bandits_belong_to_every_run_that_does_not_name_other_tables(self):
        self.assertEqual(paper.selected_bandits(self.select("--quick")), ["single", "multi"])
        self.assertEqual(paper.selected_bandits(self.select("--quick", "--data", "x")), ["single", "multi", "neural"])
        self.assertEqual(paper.selected_bandits(self.select("--only", "Figure 3")), ["multi"])
        self.assertEqual(paper.selected_bandits(self.select("--only", "Table 3")), [])
        self.assertEqual(paper.selected_rows(self.select("--only", "Figure 3")), [])

    def test_where_keeps_the_cells_with_the_settings(self):
        chosen = self.select("--full", "--only", "Table", "--where", "H=7", "--where", "H=10", "--where", "match=prompts")
        settings = {(row.table, row.setting["H"]) for row in paper.selected_rows(chosen)}
        self.assertEqual(settings, {("Table 3, prompts", 7), ("Table 3, prompts", 10)})
        self.assertEqual(paper.selected_bandits(chosen), [])


BANDITS_STAND_IN = """#!{python}
import os, pathlib, sys
if os.environ.get("STAND_IN_FAILS"):
    sys.exit(2)
data = pathlib.Path(sys.argv[sys.argv.index("--data") + 1]).name + "-" if "--data" in sys.argv else ""
(pathlib.Path(sys.argv[sys.argv.index("--out") + 1]) / (sys.argv[1] + "-" + data + "tpo.json")).write_text('{{"format": 1, "made": "new"}}')
"""


class BanditRunsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.program = self.folder / "tpo-bandits"
        self.program.write_text(BANDITS_STAND_IN.format(python=sys.executable))
        self.program.chmod(0o755)
        self.results = self.folder / "results"
        self.results.mkdir()
        for name in ("single-tpo", "neural-a-tpo"):
            (self.results / f"{name}.json").write_text('{"made": "old"}')

    def run_study(self, study, *data):
        with redirect_stdout(io.StringIO()):
            bandit_runs.run(study, self.program, [self.folder / name for name in data], self.folder / "work",
                            self.results, 1)

    def found(self):
        return {path.name: json.loads(path.read_text())["made"] for path in self.results.iterdir()}

    def test_new_results_replace_those_of_their_study(self):
        self.run_study("single")
        self.assertEqual(self.found(), {"single-tpo.json": "new", "neural-a-tpo.json": "old"})
        self.run_study("neural", "a", "b")
        self.assertEqual(self.found(),
                         {"single-tpo.json": "new", "neural-a-tpo.json": "new", "neural-b-tpo.json": "new"})

    def test_results_of_another_build_are_named(self):
        for name, study in (("single-tpo", "single"), ("neural-a-tpo", "neural")):
            (self.results / f"{name}.json").write_text(json.dumps({"format": 1, "study": study, "commit": "abc"}))
        bandit_runs.check_commits(self.results, [], "abc")
        bandit_runs.check_commits(self.results, ["single", "neural"], "def")
        with self.assertRaisesRegex(sweep.SweepError, "neural-a-tpo.json is of commit abc.*Run Figure 4 again"):
            bandit_runs.check_commits(self.results, ["single"], "def")

    def test_a_result_that_is_damaged_is_named(self):
        (self.results / "multi-tpo.json").write_text("{")
        with self.assertRaisesRegex(sweep.SweepError, "multi-tpo.json: not a result"):
            bandit_runs.check_commits(self.results, [], "abc")

    def test_a_study_that_fails_leaves_the_results_alone(self):
        with mock.patch.dict(os.environ, {"STAND_IN_FAILS": "1"}):
            with self.assertRaisesRegex(sweep.SweepError, "single ended with status 2"):
                self.run_study("single")
        self.assertEqual(self.found()["single-tpo.json"], "old")


def _single(objective, **settings):
    return cells.Cell(objective, group_size=1, **({"epochs": 1 if objective == "dg" else 4} | settings))


class StatisticsTest(unittest.TestCase):
    def row(self, **fields):
        return cells.Row("T", "tpo", cell(), **({"statistic": "final_error_percent", "paper": 2.0,
                                                  "paper_text": "2.0", "paper_seeds": 4} | fields))

    def results(self, *finals):
        return [{"curves": {"error": [1.0] * 29 + [final]}, "commit": "abc", "machine": "m", "cpu_seconds": 1.0} for final in finals]

    def test_final_error_is_the_mean_of_the_last_step(self):
        measured = measures.measure(self.row(), self.results(0.01, 0.03))
        self.assertAlmostEqual(measured.mean, 2.0)
        self.assertAlmostEqual(measured.standard_error, 1.0)
        # The paper's, from our spread and its four seeds.
        self.assertAlmostEqual(measured.paper_standard_error, 1.0 / 2**0.5)

    def test_within_is_the_combined_uncertainty(self):
        # Standard errors of 0.229 and, of the paper's 4 seeds, 0.513; 2.09 of them for 20 seeds.
        many = self.results(*[0.01, 0.03] * 10)
        self.assertTrue(measures.measure(self.row(paper=3.22), many).within)
        self.assertFalse(measures.measure(self.row(paper=3.24), many).within)
        self.assertFalse(measures.measure(self.row(paper=3.22, paper_standard_error=0.1), many).within)
        # With two seeds 12.7 of them.
        self.assertTrue(measures.measure(self.row(paper=17.5), self.results(0.01, 0.03)).within)
        for unknown in (self.results(0.01), self.results(0.01, 0.01)):
            self.assertIsNone(measures.measure(self.row(), unknown).within)

    def test_an_uncertainty_that_allows_every_error_says_nothing(self):
        item = measures.measure(self.row(paper=50.0), self.results(0.4, 0.5))
        self.assertGreater(item.allowance, 50)
        self.assertIsNone(item.within)
        self.assertEqual(table_text.verdict(item), f"-, ± {item.allowance:.2f}")

    def test_the_chance_of_seeds_that_all_lie_on_one_side_is_bounded(self):
        # Of a mean of 40 at most (100 - 40) / (100 - 20) are at 20 or below, and 40 / 80 at 80 or above.
        self.assertAlmostEqual(measures.chance_of_errors([0.0, 10.0, 20.0], 40.0), 0.75**3)
        self.assertAlmostEqual(measures.chance_of_errors([80.0, 100.0], 40.0), 0.25)
        self.assertEqual(measures.chance_of_errors([0.0, 50.0], 40.0), 1.0)

    def test_late_steps_beyond_the_papers_error_are_counted(self):
        curves = [[1.0, 1.0, 1.0, 1.0, 0.0, 0.2, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.4, 0.0]]
        self.assertEqual(measures.late_steps_beyond(curves, 0.1, below=False), 0.5)
        self.assertEqual(measures.late_steps_beyond(curves, 0.1, below=True), 0.75)

    def test_fewer_seeds_than_the_papers_agree_with_no_number_of_steps(self):
        curves = [[1.0] * steps + [0.0] * (60 - steps) for steps in (20, 24, 21, 23)]
        results = [{"curves": {"error": curve}, "commit": "abc", "machine": "m", "cpu_seconds": 1.0} for curve in curves]
        row = self.row(statistic="steps_to_1_percent", paper=24.0, paper_text="24")
        self.assertTrue(measures.measure(row, results).within)
        self.assertIsNone(measures.measure(row, results[:3]).within)
        self.assertFalse(measures.measure(dataclasses.replace(row, paper=45.0), results).within)
        late = results + [{"curves": {"error": [1.0] * 60}, "commit": "abc", "machine": "m", "cpu_seconds": 1.0}]
        self.assertEqual(measures.measure(row, late).mean, measures.measure(row, results).mean)

    def test_a_bound_that_allows_every_error_says_nothing(self):
        item = measures.measure(self.row(paper=None, paper_text="> 95"), self.results(0.0, 1.0))
        self.assertIsNone(item.within)
        self.assertEqual(table_text.verdict(item), f"-, ± {item.allowance:.2f}")
        self.assertTrue(measures.measure(self.row(paper=None, paper_text="> 95"), self.results(0.99, 1.0)).within)

    def test_a_figure_that_was_read_off_is_known_less_exactly(self):
        close = self.results(*[0.930, 0.931] * 10)
        self.assertFalse(measures.measure(self.row(paper=93.5, paper_text="93.5"), close).within)
        self.assertTrue(measures.measure(self.row(paper=93.5, paper_text="93.5", paper_reading=1.0), close).within)

    def test_a_bootstrap_of_few_seeds_is_widened(self):
        curves = [[1.0] * 5 + [0.0] * 25, [1.0] * 9 + [0.0] * 21]
        # Of two seeds the mean curve is that of the later one in three samples of four.
        self.assertAlmostEqual(measures.steps_statistic(curves)[1], 4 * (3 / 16) ** 0.5 * 2 ** 0.5, delta=0.2)

    def test_quartiles_are_infinite_beside_what_is(self):
        never = float("inf")
        self.assertEqual(measures.quartiles([4, 1, 3, 2, never]), [2, 3, 4])
        self.assertEqual(measures.quartiles([1, 2, 3, never]), [1.75, 2.5, never])
        self.assertEqual(measures.quartiles([7]), [7, 7, 7])

    def test_a_bound_of_the_paper_has_our_uncertainty(self):
        for text, ours, within in (("> 95", 0.9, True), ("> 95", 0.8, False), ("<2.3", 0.03, True), ("<2.3", 0.09, False)):
            results = self.results(*[ours - 0.1, ours + 0.1] * 10 if ours > 0.5 else [ours - 0.02, ours + 0.02] * 10)
            self.assertEqual(measures.measure(self.row(paper=None, paper_text=text), results).within, within, (text, ours))
        self.assertIsNone(measures.measure(self.row(paper=None, paper_text="> 95"), self.results(1.0)).within)

    def test_never_agrees_with_never_only(self):
        steps = {"statistic": "steps_to_1_percent", "paper": None, "paper_text": "-"}
        self.assertTrue(measures.measure(self.row(**steps), self.results(0.5, 0.5)).within)
        self.assertFalse(measures.measure(self.row(**steps), self.results(0.0, 0.0, 0.0, 0.0)).within)
        # The paper's fourth seed may have been the one that never gets there.
        self.assertIsNone(measures.measure(self.row(**steps), self.results(0.0, 0.0, 0.0)).within)
        self.assertFalse(measures.measure(self.row(**steps | {"paper": 20.0, "paper_text": "20"}),
                                        self.results(0.5, 0.5)).within)

    def test_steps_to_1_percent_is_the_first_step_of_the_mean_curve(self):
        early = [1.0] * 5 + [0.0] * 25
        late = [1.0] * 8 + [0.0] * 22
        self.assertEqual(measures.steps_statistic([early, late])[0], 8)
        self.assertEqual(measures.steps_statistic([early])[0], 5)

    def test_rounding_of_the_papers_print_is_no_difference(self):
        self.assertEqual([self.row(paper_text=text).print_uncertainty() for text in ("58", "6.9", "0.02", "<2.3")], [0.5, 0.05, 0.005, 0.05])
        item = measures.measure(self.row(paper=2.0, paper_text="2"), self.results(0.02439, 0.02441))
        self.assertTrue(item.within)
        self.assertFalse(dataclasses.replace(item, row=self.row(paper=2.0, paper_text="2.0")).within)

    def test_a_never_agrees_when_seeds_of_ours_could_give_one(self):
        row = self.row(statistic="steps_to_1_percent", paper=None, paper_text="-")
        reached, never = [1.0] * 5 + [0.0] * 25, [1.0] * 30
        results = [{"curves": {"error": curve}, "commit": "abc", "machine": "m", "cpu_seconds": 1.0} for curve in [reached] * 3 + [never]]
        item = measures.measure(row, results)
        self.assertTrue(0.5 < item.never_fraction < 0.9)  # 1 - 0.75^4 is 0.68.
        self.assertTrue(item.within)
        self.assertIsNone(dataclasses.replace(item, row=self.row(statistic=row.statistic, paper=6.0, paper_text="6")).within)
        self.assertIn("bootstrap", table_text.ours(dataclasses.replace(item, mean=6.0)))

    def test_the_error_at_step_400_is_that_steps(self):
        curve = [1.0] * 400 + [0.125] + [0.5] * 10
        results = [{"curves": {"error": curve}, "commit": "abc", "machine": "m", "cpu_seconds": 1.0}] * 2
        self.assertEqual(measures.measure(self.row(statistic="error_at_400_percent"), results).mean, 12.5)

    def test_quartiles_and_times_to_a_level_stand_beside_the_mean(self):
        results = [{"curves": {"error": [1.0] * late + [0.0] * (200 - late)}, "commit": "abc", "machine": "m", "cpu_seconds": 1.0}
                   for late in (10, 30, 200)]
        item = measures.measure(self.row(), results)
        self.assertEqual(item.quartiles_last_50, [0.0, 0.0, 50.0])
        self.assertEqual(table_text.steps_text(item), "40 / 48 / 49")

    def item(self, method, paper_text, mean, error=0.1, statistic="final_error_percent", **fields):
        row = cells.Row("T", method, cell(), statistic, cells.paper_value(paper_text), paper_text, 4)
        return measures.Measured(row, mean, error, error, 20, ["abc"], ["m"], 1.0, [0.0] * 3, 0, [None] * 3, **fields)

    def orders(self, *items):
        return [pair.same for pair in method_order.orderings({"T": list(items)}, {})]

    def test_an_order_that_differs_is_told_from_one_that_is_not_known(self):
        self.assertEqual(self.orders(self.item("tpo", "1.0", 2.0), self.item("grpo", "3.0", 4.0)), [True])
        differs = method_order.orderings({"T": [self.item("tpo", "1.0", 5.0), self.item("grpo", "3.0", 4.0)]}, {})
        self.assertEqual([pair.same for pair in differs], [False])
        self.assertIn("the paper tpo < grpo (1.0 against 3.0); ours grpo 4.00", differs[0].line)
        self.assertEqual(self.orders(self.item("tpo", "1.0", 4.1), self.item("grpo", "3.0", 4.0)), [None])
        self.assertEqual(self.orders(self.item("tpo", "1.0", 5.0, None), self.item("grpo", "3.0", 4.0, None)), [None])

    def test_only_pairs_that_the_paper_orders_count(self):
        for first, second in (("> 95", "> 95"), ("", "3.0"), ("<2.3", "0.05"), ("6.9", "6.9")):
            self.assertEqual(self.orders(self.item("tpo", first, 1.0), self.item("grpo", second, 9.0)), [], (first, second))
        self.assertEqual(self.orders(self.item("tpo", "<2.3", 1.0), self.item("grpo", "3.3", 9.0)), [True])
        self.assertEqual(self.orders(self.item("tpo", "90.6", 9.0), self.item("grpo", "> 95", 1.0)), [False])

    def test_never_comes_after_every_step(self):
        steps = {"statistic": "steps_to_1_percent"}
        never = self.item("ppo", "-", None, None, never_fraction=1.0, **steps)
        self.assertEqual(self.orders(self.item("tpo", "58", 60, never_fraction=0.0, **steps), never), [True])
        self.assertEqual(self.orders(self.item("tpo", "-", 60, never_fraction=0.0, **steps),
                                     dataclasses.replace(never, row=self.item("ppo", "58", None, **steps).row)), [False])
        self.assertEqual(self.orders(never, self.item("dg", "-", 60, **steps)), [])
        self.assertEqual(self.orders(self.item("tpo", "58", 60, never_fraction=0.1, **steps), never), [None])


class CompareWithAuthorsTest(unittest.TestCase):
    def test_seeds_that_lie_apart_are_unlikely_to_be_of_one_method(self):
        never = float("inf")
        # 2 of the 252 ways to divide ten values into fives are as extreme.
        self.assertEqual(measures.chance_by_rank([1, 2, 3, 4, 5], [6, 7, 8, 9, never]), 2 / 252)
        self.assertGreater(measures.chance_by_rank([1, 3, 5, 7, 9], [2, 4, 6, 8, never]), 0.5)
        self.assertEqual(measures.chance_by_rank([never] * 3, [never] * 5), 1)
        # Of the six ways to take two of 1, 1, 2, 3, the pairs 1, 1 and 2, 3 are as far from the middle as 1, 1.
        self.assertEqual(measures.chance_by_rank([1, 1], [2, 3]), 2 / 6)

    def test_every_method_of_the_authors_file_is_set_beside_our_seeds(self):
        with tempfile.TemporaryDirectory() as folder:
            file, out = pathlib.Path(folder) / "authors.npz", pathlib.Path(folder) / "runs"
            curves = [[1.0] * 30 + [0.0] * 70, [1.0] * 30 + [0.0] * 70, [1.0] * 100]
            numpy.savez(file, sequence_length=10, tpo_errors=curves, dg_errors=curves)
            item = next(row.cell for row in cells.table_3("prompts") if row.method == "tpo" and row.setting["H"] == 10)
            for seed, curve in enumerate(curves):
                result = dict.fromkeys(sweep.RESULT_FIELDS) | {"format": sweep.FORMAT, "cell": item.name, "seed": seed,
                                                              "curves": {"error": curve}}
                sweep.write_atomically(out / item.name / f"seed{seed}.json.gz", gzip.compress(json.dumps(result).encode()))
            with mock.patch.object(sys, "argv", ["compare", str(file), "--out", str(out)]), \
                    redirect_stdout(io.StringIO()) as output:
                self.assertEqual(compare_with_authors.main(), 0)
        self.assertIn("| steps to 50% | 40 (40 to never) | 40 (40 to never) | 1.00 |", output.getvalue())
        # The seeds' errors are 30, 30 and 100 %: a standard error of 23.3, 4.3 of which hold 95 % with three seeds.
        self.assertIn("theirs 53.3 %, ours 53.3 %; +0.0 ± 141.9 points (95 %)", output.getvalue())
        self.assertNotIn("dg", output.getvalue())

    def test_a_file_with_a_method_that_the_table_lacks_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "authors.npz"
            numpy.savez(file, sequence_length=10, a2c_errors=[[1.0] * 100])
            with mock.patch.object(sys, "argv", ["compare", str(file)]), redirect_stderr(io.StringIO()) as errors:
                self.assertEqual(compare_with_authors.main(), 2)
        self.assertIn("authors.npz: H = 10 of a2c, which Table 3 doesn't have", errors.getvalue())


class BanditEntriesTest(unittest.TestCase):
    def result(self, **settings):
        return {"study": "neural", "method": "tpo", "settings": {"data": "digits"} | settings, "seeds": 20, "cpu_seconds": 20,
                "final": {"error": {"mean": 0.03, "standard_error": 0.001, "median": 0.03}},
                "steps_to": {"0.05": 1800}, "commit": "abc", "machine": "m", "command": "tpo-bandits",
                "concentration": {"steps": [200, 2200], "surplus": [[0, 0, 0, 0], [0, 0, 0, 0.08]],
                                  "surplus_standard_error": [[0, 0, 0, 0], [0, 0, 0, 0.01]]}}

    def test_mnist_is_known_by_its_checksums(self):
        found = {item["statistic"]: item for item in bandit_results.entries(self.result(sha256=bandit_results.MNIST_SHA256))}
        self.assertTrue(found["final_error"]["within_combined_uncertainty"])
        self.assertTrue(found["gain_surplus_concentrated"]["within_combined_uncertainty"])
        self.assertEqual(found["steps_to_5_percent"]["paper"], 1800)

    def test_other_data_are_never_compared_with_mnist(self):
        for item in bandit_results.entries(self.result(data="mnist", sha256={"train-images-idx3-ubyte": "0"})):
            self.assertIsNone(item["paper"])
            self.assertIsNone(item["within_combined_uncertainty"])
            self.assertIn("(MNIST)", item["paper_text"])


class ReportTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def keep(self, row, *curves):
        for seed, error in enumerate(curves):
            self.keep_curves(row, seed, {"error": error})

    def keep_curves(self, row, seed, curves):
        result = {"format": 1, "cell": row.cell.name, "seed": seed, "version": "tpo 1 (commit abc)", "commit": "abc",
                  "machine": "m", "cpu_seconds": 2.0, "wall_seconds": 2.0, "curves": curves}
        path = self.folder / "runs" / row.cell.name / f"seed{seed}.json.gz"
        sweep.write_atomically(path, gzip.compress(json.dumps(result).encode(), compresslevel=1))

    def write(self, drawn=False):
        with redirect_stdout(io.StringIO()):
            self.assertEqual(report.write(self.folder / "runs", self.folder, drawn), 0)
        return (self.folder / "sequence_tables.md").read_text()

    def test_the_report_says_what_fewer_seeds_would_have_said(self):
        row = next(row for row in cells.table_2() if row.method == "dg")
        self.keep(row, *([1.0] * at + [0.0] * (1000 - at) for at in range(100, 100 + row.paper_seeds)))
        self.assertIn("| dg | 102 | 109 | 10 | 70 % |", self.write())

    def test_the_order_is_told_by_the_error_over_the_run_too(self):
        tpo, grpo = (next(row for row in cells.table_3("prompts") if row.method == method and row.setting["H"] == 7)
                     for method in ("tpo", "grpo"))
        self.keep(tpo, *([1.0] * late + [0.0] * (1999 - late) + [0.1 * (late % 5)] for late in range(100, 105)))
        self.keep(grpo, *([1.0] * late + [0.0] * (1999 - late) + [0.1 * (late % 5)] for late in range(200, 205)))
        page = self.write()
        self.assertIn("| Table 3, prompts | 1 | 0 / 0 / 1 | 1 / 0 / 0 |", page)
        self.assertNotIn("other way round", page)

    def test_a_pair_that_stands_the_other_way_round_in_the_mean_is_named(self):
        tpo, grpo = (next(row for row in cells.table_3("prompts") if row.method == method and row.setting["H"] == 7)
                     for method in ("tpo", "grpo"))
        self.keep(tpo, *([1.0] * 1999 + [last] for last in (0.0, 0.5)))
        self.keep(grpo, *([1.0] * 1999 + [last] for last in (0.0, 0.4)))
        self.assertIn("Not told, but the other way round in the mean:\n\n- Table 3, prompts, H 7, match prompts: the paper tpo < grpo",
                      self.write())

    def test_a_program_can_tell_a_value_of_the_paper_from_a_bound_and_from_never(self):
        result = {"curves": {"error": [0.0] * 500}, "commit": "abc", "machine": "m", "cpu_seconds": 1.0}
        entries = [report.entry(measures.measure(row, [result])) for row in cells.all_rows()]
        reports = {item["paper_text"]: [item[name] for name in ("paper", "paper_is", "paper_bound", "paper_precision")]
                   for item in entries}
        self.assertEqual(reports["6.9"], [6.9, "value", None, 0.05])
        self.assertEqual(reports["89"], [89.0, "value", None, cells.READ_OFF])
        self.assertEqual(reports["<2.3"], [None, "below", 2.3, None])
        self.assertEqual(reports["> 95"], [None, "above", 95.0, None])
        self.assertEqual(reports["-"], [None, "never", None, None])
        self.assertEqual(reports[""], [None, "none", None, None])
        for item in entries:
            self.assertLessEqual({"V", "H", "K", "B", "epochs", "target", "reward"}, set(item["setting"]))

    def test_the_command_of_a_figure_runs_what_it_is_of(self):
        result = {"curves": {"error": [0.0] * 500}, "commit": "abc", "machine": "m", "cpu_seconds": 1.0}
        for row in cells.all_rows():
            words = shlex.split(report.entry(measures.measure(row, [result]))["command"])
            self.assertEqual(words[:2], ["./dev", "paper"])
            with mock.patch.object(paper, "command_run", return_value=0) as command, mock.patch.object(sys, "argv", words[1:]):
                self.assertEqual(paper.main(), 0)
            self.assertEqual({chosen.cell for chosen in paper.selected_rows(command.call_args.args[0])}, {row.cell})

    def test_the_report_says_what_could_be_chance_where_an_error_differs(self):
        row = next(row for row in cells.section_4() if row.table == "Figure 15" and row.method == "grpo" and row.cell.epochs == 2)
        self.keep(row, *([1.0] * 1000 + [0.5] * 250 + [last] * 750 for last in (0.0, 0.0001, 0.0002)))
        page = self.write()
        self.assertIn("**no**", page)
        self.assertIn("| epochs 2 | grpo | 37.6 | 30 | 0.00, 0.01, 0.02 | 24 % | 25 % |", page)

    def test_the_report_says_what_there_is_and_keeps_what_people_wrote(self):
        dg, tpo = (next(row for row in cells.table_1() if row.method == method) for method in ("dg", "tpo_token"))
        self.keep(dg, [1.0] * 198 + [0.0] * 802, [1.0] * 200 + [0.0] * 800)
        self.keep(tpo, [1.0] * 58 + [0.0] * 942, [1.0] * 59 + [0.0] * 941)
        page = self.write()
        self.assertIn("| V 2 | dg (steps to 1 %) | 199 | 200 ± 1 | 2 | -, ±", page)
        # Tables 1 and 2 share both cells, and order them alike.
        self.assertIn("Of 1 pairs of methods that the paper orders, ours have the same order in 1 and another in 0", page)
        self.assertIn("the same runs as in Table 2, for which the paper gives 202, here 199", page)
        self.assertIn("- Table 3, prompts: 20 figures", page)
        path = self.folder / "sequence_tables.md"
        path.write_text(page.replace("## Order of", report.CAUSES + "\nThe initial state.\n\n## Order of"))
        self.assertEqual(self.write().count("The initial state."), 1)
        self.assertIn("<p>The initial state.", (self.folder / "report.html").read_text())
        self.assertEqual(len(json.loads((self.folder / "tables.json").read_text())), 4)

    def test_every_figure_is_drawn_in_the_page_and_as_a_file(self):
        whole = {"grad_norm": 2.0, "all_fail_fraction": 0.5, "zero_variance_fraction": 0.5}
        for row in cells.all_rows():
            steps = row.cell.steps
            curves = {"error": [1.0 - step / steps for step in range(steps)]} | {
                name: [value] * steps for name, value in whole.items()}
            if row.cell.inspect_every_steps:
                curves |= {name: [0.5 if step % 6 == 0 else None for step in range(steps)]
                           for name in (completion_weights.RIGHT, completion_weights.WRONG)}
            self.keep_curves(row, 0, curves)
        (self.folder / "figures").mkdir()
        stale = self.folder / "figures/figures_2_to_4_bandits.svg"
        stale.write_text("of an earlier report")
        page = self.write(drawn=True)
        names = {path.stem for path in (self.folder / "figures").iterdir()}
        self.assertEqual(names, {
            "figure_5_vocabulary", "figure_6_variations", "figure_7_prompts", "figure_7_interactions", "figure_8_ablations",
            "figure_10_gradient_norm", "figure_10b_weights", "figure_11_all_fail", "figure_12_group_size", "figure_13_masking",
            "figure_14_epochs", "figure_15_epoch_count", "figure_16_eta"})
        html = (self.folder / "report.html").read_text()
        for name in names:
            self.assertIn(f"](figures/{name}.svg)", page)
        self.assertEqual(html.count("<svg"), len(names))

    def test_a_report_names_the_commits_of_rows_that_differ(self):
        row = cells.table_1()[0]
        self.keep(row, [1.0] * 1000, [1.0] * 1000)
        self.assertNotIn("Of several commits", self.write())
        path = self.folder / "runs" / row.cell.name / "seed1.json.gz"
        result = json.loads(gzip.decompress(path.read_bytes())) | {"commit": "def"}
        sweep.write_atomically(path, gzip.compress(json.dumps(result).encode()))
        self.assertIn("- tpo_token, V 2: abc, def", self.write())
        page = (self.folder / "report.html").read_text()
        self.assertIn("Sequence tasks: commit abc and def, on m. 2 runs", page)
        self.assertIn("<li>tpo_token, V 2: abc, def", page)

    def test_a_report_names_the_commits_of_the_bandits(self):
        self.keep(cells.table_1()[0], [0.0] * 1000)
        committed = json.loads((ROOT / "docs/paper/bandits/single-tpo.json").read_text())
        (self.folder / "bandits").mkdir()
        for method in ("tpo", "dg"):
            (self.folder / f"bandits/single-{method}.json").write_text(
                json.dumps(committed | {"method": method, "commit": f"of_{method}", "machine": "m"}))
        line = "Figure 2 (single): commit of_dg and of_tpo, on m."
        self.assertIn(line, self.write())
        self.assertIn(line, (self.folder / "report.html").read_text())
        entry = next(item for item in json.loads((self.folder / "tables.json").read_text()) if item["commit"] == "of_dg")
        self.assertEqual(entry["command"], "./dev paper run --only 'Figure 2'")

    def test_a_report_takes_no_result_that_is_another_runs_or_too_short(self):
        row = cells.table_1()[0]
        self.keep(row, [1.0] * 999)
        with self.assertRaisesRegex(sweep.SweepError, "seed0.json.gz: 999 of 1000 steps"):
            self.write()
        self.keep(row, [1.0] * 1000)
        folder = self.folder / "runs" / row.cell.name
        (folder / "seed1.json.gz").write_bytes((folder / "seed0.json.gz").read_bytes())
        with self.assertRaisesRegex(sweep.SweepError, "seed1.json.gz: the result of .*, seed 0"):
            self.write()

    def test_what_people_wrote_is_html_in_the_page(self):
        page = report_page.page("## Why\n\nOne `two`.\n\n- a\n  b\n- c\n\n| x | y |\n|---|---|\n| 1 | <2 |", {}, [], [])
        for part in ("<h2>Why</h2>", "<p>One <code>two</code>.", "<li>a\n  b<li>c</ul>", "<tr><td>1<td>&lt;2</table>"):
            self.assertIn(part, page)

    def test_a_report_needs_results(self):
        for runs, why in ((self.folder, "no finished run"), (self.folder / "nowhere", "no such directory")):
            with self.assertRaisesRegex(sweep.SweepError, why):
                report.write(runs, self.folder, drawn=False)


if __name__ == "__main__":
    unittest.main()
