"""A run that is killed or told to end at any moment goes on and ends as if nothing had happened, bit by bit."""

import signal

import harness
from harness import overrides


class ResumeTest(harness.FaultTest):
    def test_kill_of_train_again_and_again(self):
        run = harness.Run(self.scratch / "killed")
        flags = [harness.SMALL, "--run_dir", run, *self.FLAGS]
        process = self.start("tpo", "train", *flags)
        done = self.kill_midway(run, process)
        process = self.start("tpo", "train", *flags, "--resume")
        first = int(process.wait_for_output(r"steps from step (\d+)$")[1])
        # Nothing is lost but what came after the last checkpoint.
        self.assertIn(first, (done // 5 * 5, done // 5 * 5 - 5))
        self.kill_midway(run, process, done)
        self.train("killed", *self.FLAGS, "--resume")
        self.check_finished(run)

    def test_kill_before_the_first_checkpoint(self):
        # A supervisor that always passes --resume needs no other case.
        flags = [*self.FLAGS, *overrides(learner__checkpoint__every_steps=0)]
        run = harness.Run(self.scratch / "killed")
        process = self.start("tpo", "train", harness.SMALL, "--run_dir", run, *flags)
        self.kill_midway(run, process)
        self.train("killed", *flags, "--resume")
        self.check_finished(run)

    def test_resume_of_nothing_begins_a_run_and_says_so(self):
        run = harness.Run(self.scratch / "new")
        process = self.start("tpo", "train", harness.SMALL, "--run_dir", run, *overrides(learner__steps=1), "--resume")
        self.assertEqual(process.wait(), 0, str(process))
        self.assertIn("holds no run to go on with: a new one begins", process.output)

    def test_terminate_and_interrupt(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number.name):
                name = number.name
                run = harness.Run(self.scratch / name)
                process = self.start("tpo", "train", harness.SMALL, "--run_dir", run, *self.FLAGS)
                self.wait_for_a_random_moment(run, process)
                process.send(number)
                self.assertEqual(process.wait(), 0, str(process))
                self.assertLess(len(run.lines), self.STEPS)
                self.assertEqual(run.checkpoint_steps[-1], len(run.lines))
                self.assertEqual(run.summary["status"], "drained")
                self.assertEqual(run.summary["ledger"]["in_flight"], 0)
                self.assert_ledgers_balance(run)
                self.train(name, *self.FLAGS, "--resume")
                self.check_finished(run)

    def test_more_steps_on_resume(self):
        run = self.train("longer", *overrides(learner__steps=23))
        self.assertEqual(run.checkpoint_steps, [15, 20, 23])
        self.train("longer", *self.FLAGS, "--resume")
        self.check_finished(run)

    def test_resume_of_a_finished_run_changes_nothing(self):
        run = self.train("finished", *overrides(learner__steps=10))
        lines, model, ledger = run.lines, run.final_model, run.summary["ledger"]
        self.train("finished", *overrides(learner__steps=10), "--resume")
        self.assertEqual(run.lines, lines)
        self.assertTrue(run.final_model == model)
        self.assertEqual(run.summary["status"], "finished")
        self.assertEqual(run.summary["steps"], 10)
        self.assertEqual(run.summary["ledger"], ledger)


if __name__ == "__main__":
    harness.main()
