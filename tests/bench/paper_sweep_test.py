"""The paper's sweep: what it runs, what it keeps, and what it refuses. A program stands in for `tpo`: it notes that it
was called and writes what a run directory holds."""

import errno
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

ROOT = pathlib.Path(os.environ["TPO_SOURCE_DIR"])
sys.path.insert(0, str(ROOT / "bench/paper"))

import cells  # noqa: E402
import paper  # noqa: E402
import report  # noqa: E402
import sweep  # noqa: E402

STAND_IN = """#!{python}
import json, os, pathlib, sys
if sys.argv[1] == "--version":
    print(os.environ["STAND_IN_VERSION"])
    sys.exit()
settings = dict(pair.split("=", 1) for pair in sys.argv[5:] if "=" in pair)
directory = pathlib.Path(sys.argv[sys.argv.index("--run_dir") + 1])
with open(os.environ["STAND_IN_CALLS"], "a") as calls:
    calls.write(json.dumps(settings) + "\\n")
if os.environ.get("STAND_IN_FAILS") == settings["seed"]:
    sys.exit("no space left on device")
directory.mkdir(parents=True)
steps = int(settings["learner.steps"])
record = {{"error": 0.5, "grad_norm": 1.0, "zero_variance_fraction": 0.25, "all_fail_fraction": 0.125}}
(directory / "metrics.jsonl").write_text("".join(json.dumps(record) + "\\n" for _ in range(steps)))
(directory / "summary.json").write_text(json.dumps(
    {{"status": "finished", "commit": "abc", "cpu_seconds": 1.5, "wall_seconds": 1.0, "peak_memory_bytes": 7}}))
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
        self.out = self.folder / "out"

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
                other.check_commits([run])
        sweep.Sweep(self.out, self.tpo).check_commits([run])

    def test_a_failed_run_says_why_and_leaves_the_others_alone(self):
        with mock.patch.dict(os.environ, {"STAND_IN_FAILS": "1"}):
            failures, output = self.run_all([sweep.Run(cell(), seed) for seed in range(3)])
        self.assertEqual(failures, 1)
        self.assertIn("no space left on device", output)
        self.assertEqual([sweep.Sweep(self.out, self.tpo).finished(sweep.Run(cell(), seed)) for seed in range(3)],
                         [True, False, True])

    def test_a_full_disk_leaves_no_half_result(self):
        run = sweep.Run(cell(), 0)
        with mock.patch.object(os, "fsync", side_effect=OSError(errno.ENOSPC, "No space left on device")):
            failures, output = self.run_all([run])
        self.assertEqual(failures, 1)
        self.assertIn("No space left on device", output)
        self.assertEqual(list(self.out.glob("tpo-*/*")), [])

    def test_a_damaged_result_is_refused_by_name(self):
        run = sweep.Run(cell(), 0)
        self.run_all([run])
        path = sweep.Sweep(self.out, self.tpo).result_path(run)
        path.write_bytes(path.read_bytes()[:-20])
        with self.assertRaisesRegex(sweep.SweepError, "seed0.json.gz: not a result"):
            sweep.Sweep(self.out, self.tpo).check_commits([run])

    def test_a_run_that_is_cut_short_is_no_result(self):
        run = sweep.Run(cell(), 0)
        work = self.out / "work" / run.name
        work.mkdir(parents=True)
        (work / "metrics.jsonl").write_text('{"error": 1, "grad_norm": 1, "zero_variance_fraction": 1, '
                                            '"all_fail_fraction": 1}\n')
        (work / "summary.json").write_text('{"status": "drained"}')
        with self.assertRaisesRegex(sweep.SweepError, "1 of 30 steps"):
            sweep.Sweep(self.out, self.tpo)._collect(run, work)  # pylint: disable=protected-access

    def test_two_sweeps_do_not_work_in_one_directory(self):
        with paper.lock(self.out):
            with self.assertRaisesRegex(sweep.SweepError, "another sweep"):
                paper.lock(self.out)

    def test_a_program_that_is_missing_is_named(self):
        with self.assertRaisesRegex(sweep.SweepError, "nowhere: can't be run"):
            sweep.Sweep(self.out, self.folder / "nowhere")

    def test_bad_arguments_end_with_status_2(self):
        for arguments in (["run"], ["run", "--quick", "--only", "Table 99"]):
            with mock.patch.object(sys, "argv", ["paper.py", *arguments, "--tpo", str(self.tpo)]):
                with redirect_stderr(io.StringIO()) as output:
                    self.assertEqual(paper.main(), 2)
                self.assertIn("--", output.getvalue())


class CellsTest(unittest.TestCase):
    def test_a_run_that_tables_share_is_run_once(self):
        runs = paper.runs_of(cells.all_rows(), 2)
        self.assertEqual(len(runs), len(set(runs)))
        shared = cells.Cell("tpo_token", reward="bag_of_tokens", steps=1000)
        self.assertEqual({row.table for row in cells.all_rows() if row.cell == shared},
                         {"Table 1", "Table 2", "Table 5"})

    def test_names_are_unique(self):
        distinct = {row.cell for row in cells.all_rows()}
        self.assertEqual(len({item.name for item in distinct}), len(distinct))

    def test_interaction_matched_methods_get_the_same_number_of_completions(self):
        for row in cells.table_3("interactions"):
            self.assertEqual(row.cell.prompts_per_step * row.cell.group_size, 800, row.method)

    def test_all_seeds_of_a_cell_come_before_the_next_seed(self):
        runs = paper.runs_of([row for row in cells.all_rows() if row.table == "Table 1"], None)
        self.assertEqual([run.seed for run in runs[:17]], [0] * 16 + [1])


class StatisticsTest(unittest.TestCase):
    def row(self, **fields):
        return cells.Row("T", "tpo", cell(), **({"statistic": "final_error_percent", "paper": 2.0,
                                                  "paper_text": "2.0", "paper_seeds": 4} | fields))

    def results(self, *finals):
        return [{"curves": {"error": [1.0] * 29 + [final]}, "commit": "abc", "cpu_seconds": 1.0} for final in finals]

    def test_final_error_is_the_mean_of_the_last_step(self):
        measured = report.measure(self.row(), self.results(0.01, 0.03))
        self.assertAlmostEqual(measured.mean, 2.0)
        self.assertAlmostEqual(measured.standard_error, 1.0)
        # The paper's, from our spread and its four seeds.
        self.assertAlmostEqual(measured.paper_standard_error, 1.0 / 2**0.5)

    def test_within_is_twice_the_combined_uncertainty(self):
        self.assertTrue(report.measure(self.row(paper=4.4), self.results(0.01, 0.03)).within)
        self.assertFalse(report.measure(self.row(paper=4.5), self.results(0.01, 0.03)).within)
        self.assertIsNone(report.measure(self.row(), self.results(0.01)).within)

    def test_never_agrees_with_never_only(self):
        steps = {"statistic": "steps_to_1_percent", "paper": None, "paper_text": "-"}
        self.assertTrue(report.measure(self.row(**steps), self.results(0.5, 0.5)).within)
        self.assertFalse(report.measure(self.row(**steps), self.results(0.0, 0.0)).within)
        self.assertFalse(report.measure(self.row(**steps | {"paper": 20.0, "paper_text": "20"}),
                                        self.results(0.5, 0.5)).within)

    def test_steps_to_1_percent_is_the_first_step_of_the_mean_curve(self):
        early = [1.0] * 5 + [0.0] * 25
        late = [1.0] * 8 + [0.0] * 22
        self.assertEqual(report.steps_statistic([early, late])[0], 8)
        self.assertEqual(report.steps_statistic([early])[0], 5)

    def test_an_order_that_differs_is_listed(self):
        def item(method, paper_value, mean):
            row = cells.Row("T", method, cell(), "final_error_percent", paper_value, str(paper_value), 4)
            return report.Measured(row, mean, 0.1, 0.1, 2, ["abc"], 1.0, mean, 0)
        self.assertEqual(report.orderings("T", [item("tpo", 1.0, 2.0), item("grpo", 3.0, 4.0)]), [])
        self.assertIn("ours grpo < tpo", report.orderings("T", [item("tpo", 1.0, 5.0), item("grpo", 3.0, 4.0)])[0])


if __name__ == "__main__":
    unittest.main()
