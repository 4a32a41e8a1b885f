"""The variants and the sequence study: what they run and what they report. Programs stand in for `tpo` and the verifier."""

import json
import sys
import unittest

from study_case import ROOT, StudyCase

sys.path[:0] = [str(ROOT / "bench/paper"), str(ROOT / "bench/studies")]

import sequence_study  # noqa: E402
import variants_study  # noqa: E402

VERIFIER = """#!PYTHON
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("listening on unix:here", flush=True)
signal.sigwait([signal.SIGTERM])
"""


class StudyTest(StudyCase):
    # Half of the completions are right; a noisy verifier takes half of its noise away.
    RECORD = """{
        "error": 0.5 - (0.0005 if "verifiers" in settings else 0), "grad_norm": 1.0, "zero_variance_fraction": 0.25,
        "all_fail_fraction": 0.125, "target_distance": 0.1, "policy_entropy": 2.0}"""

    def variants(self, action, *arguments):
        verifier = self.program("noisy_verifier", VERIFIER)
        return self.study(variants_study, action, "--steps", "60", "--seeds", "1", "--noisy_verifier", str(verifier),
                          *arguments)

    def test_variants_of_the_same_settings_are_run_once_and_reported_under_both_names(self):
        self.variants("run")
        calls = self.calls()
        settings = [tuple(sorted(call.items())) for call in calls]
        self.assertEqual(len(set(settings)), 18)
        self.assertEqual(len(settings), 18)
        self.variants("run")
        self.assertEqual(len(self.calls()), 18)
        output = self.variants("report")
        for name in ("exponent_0", "tpo"):
            self.assertIn(f"| {name} | `objective: tpo` | 1 | 50.0 |  |", output)
        self.assertEqual(len(json.loads((self.folder / "results/variants.json").read_text())["cells"]), 20)

    def test_noise_reaches_the_runs_that_ask_for_it_and_is_taken_out_of_their_error(self):
        self.variants("run", "--only", "noise")
        noisy = [call for call in self.calls() if call.get("verifiers") == "[{address: 'unix:here'}]"]
        self.assertEqual(len(noisy), 6)
        self.assertIn("| tpo_noise | `objective: tpo`; noise 0.001 | 1 | 50.0 |  | 50.0 |",
                      self.variants("report", "--only", "noise"))

    def test_variants_are_compared_seed_by_seed_with_the_first_of_their_study(self):
        first, other = (variants_study.Measured(
            cell=variants_study.VariantCell(what), study="noise", variant="v", settings={}, seeds=seeds, final=[0.0], area=area,
            steps_to_10=[None], error_curve=[], commits=[], machines=[], cpu_seconds=1.0)
            for what, seeds, area in ((variants_study.variant("tpo"), [0, 1, 2], [10.0, 50.0, 90.0]),
                                      (variants_study.variant("tpo", 0.1), [1, 2, 3], [51.0, 93.0, 1.0])))
        # Seeds 1 and 2: 1 and 3 more, 2 with a standard error of 1, of which 12.71 hold 95 %.
        self.assertEqual(variants_study.difference_text(other, first), "+2.0 ± 12.7")
        self.assertEqual(variants_study.difference_text(first, first), "")

    def test_the_sequence_study_collects_what_it_ran(self):
        self.study(sequence_study, "run", "--steps", "60")
        calls = self.calls()
        self.assertEqual(len(calls), sum(seeds for _, _, seeds in sequence_study.CELLS))
        dg = [call for call in calls if call["learner.objective"] == "dg"]
        self.assertEqual({(call["rollout.group_size"], call["learner.epochs"]) for call in dg}, {("1", "1")})
        output = self.study(sequence_study, "collect", "--steps", "60")
        self.assertIn("| tpo | 7 | 10 | 60 | 50.00 % |", output)
        collected = json.loads((self.folder / "results/sequence_study.json").read_text())
        self.assertEqual([cell["name"] for cell in collected["cells"]][:2], ["tpo_h10", "tpo_h7"])


if __name__ == "__main__":
    unittest.main()
