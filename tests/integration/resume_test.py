"""Whatever process dies at whatever moment, the run goes on and ends as if nothing had happened, bit by bit."""

import random
import signal

import harness
from harness import overrides

STEPS = 60
PROMPTS_PER_LEASE = 5
PROMPTS_PER_STEP = 20


class ResumeTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        seed = random.randrange(2**32)
        self.random = random.Random(seed)
        self.addCleanup(lambda: self._outcome.success or print("random seed", seed, flush=True))
        self.flags = overrides(learner__steps=STEPS)

    def wait_for_a_random_moment(self, run, process, after_step):
        """Some steps after the first checkpoint behind `after_step`."""
        run.wait_for_steps(after_step + 5 + self.random.randrange(10), process)
        self.assertTrue(process.running(), str(process))

    def kill_midway(self, run, process, after_step=0):
        """Returns how many steps it had told."""
        self.wait_for_a_random_moment(run, process, after_step)
        self.assertEqual(process.kill(), -signal.SIGKILL, str(process))
        self.assertLess(len(run.lines), STEPS)
        self.assertFalse((run.directory / "summary.json").exists())
        return len(run.lines)

    def check_finished(self, run):
        """As if nothing had happened."""
        self.assert_same_course(run, self.reference(*self.flags))
        self.assert_ledgers_balance(run)
        self.assertEqual(run.summary["status"], "finished")
        self.assertEqual(run.summary["ledger"]["trained"], STEPS * PROMPTS_PER_STEP)
        self.assertEqual(run.summary["ledger"]["in_flight"], 0)
        self.assertEqual([path.name for path in run.checkpoints.glob(".*")], [])

    def test_kill_of_train_again_and_again(self):
        run = harness.Run(self.scratch / "killed")
        flags = [harness.SMALL, "--run_dir", run, *self.flags]
        process = self.start("tpo", "train", *flags)
        done = self.kill_midway(run, process)
        process = self.start("tpo", "train", *flags, "--resume")
        first = int(process.wait_for_output(r"optimizer steps from step (\d+)$")[1])
        # Nothing is lost but what came after the last checkpoint.
        self.assertIn(first, (done // 5 * 5, done // 5 * 5 - 5))
        self.kill_midway(run, process, done)
        self.train("killed", *self.flags, "--resume")
        self.check_finished(run)

    def test_kill_before_the_first_checkpoint(self):
        # A supervisor that always passes --resume needs no other case.
        flags = [*self.flags, *overrides(learner__checkpoint__every_steps=0)]
        run = harness.Run(self.scratch / "killed")
        process = self.start("tpo", "train", harness.SMALL, "--run_dir", run, *flags)
        self.kill_midway(run, process)
        self.train("killed", *flags, "--resume")
        self.check_finished(run)

    def test_kill_of_the_learner_under_its_workers(self):
        run, learner = self.start_learner("killed", *self.flags)
        workers = [self.start_worker(learner.address) for _ in range(2)]
        self.kill_midway(run, learner)
        # The same workers go on with the learner that comes back.
        _, learner = self.start_learner("killed", *self.flags, "--resume", listen=learner.address)
        self.assert_ended_well(learner, *workers)
        self.check_finished(run)

    def test_terminate_and_interrupt(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number.name):
                name = number.name
                run = harness.Run(self.scratch / name)
                process = self.start("tpo", "train", harness.SMALL, "--run_dir", run, *self.flags)
                self.wait_for_a_random_moment(run, process, 0)
                process.send(number)
                self.assertEqual(process.wait(), 0, str(process))
                self.assertLess(len(run.lines), STEPS)
                self.assertEqual(run.checkpoint_steps[-1], len(run.lines))
                self.assertEqual(run.summary["status"], "drained")
                self.assertEqual(run.summary["ledger"]["in_flight"], 0)
                self.assert_ledgers_balance(run)
                self.train(name, *self.flags, "--resume")
                self.check_finished(run)

    def test_terminating_the_learner_ends_its_workers(self):
        run, learner = self.start_learner("drained", *self.flags)
        worker = self.start_worker(learner.address)
        self.wait_for_a_random_moment(run, learner, 0)
        learner.send(signal.SIGTERM)
        self.assert_ended_well(learner, worker)
        self.assertEqual(run.checkpoint_steps[-1], len(run.lines))
        # In one process what several began.
        self.train("drained", *self.flags, "--resume")
        self.check_finished(run)

    def test_terminating_a_worker_gives_nothing_up(self):
        run, learner = self.start_learner("run", *self.flags)
        leaving, staying = (self.start_worker(learner.address) for _ in range(2))
        self.wait_for_a_random_moment(run, learner, 0)
        leaving.send(signal.SIGTERM)
        self.assert_ended_well(leaving, learner, staying)
        # It finished what it held, so no lease had to expire.
        self.assertEqual(run.summary["ledger"]["expired"], 0)
        self.check_finished(run)

    def test_kill_of_a_worker_that_holds_leases(self):
        # It connects to the verifier once it has sampled what it leased, and gets no answer.
        gate = harness.SilentServer()
        self.addCleanup(gate.close)
        verifiers = f"[{{address: '{gate.address}', deadline_seconds: 2.9}}]"
        run, learner = self.start_learner("run", *self.flags, *overrides(learner__lease_seconds=3, verifiers=verifiers))
        victim = self.start_worker(learner.address, "--parallel_leases", 1)
        gate.wait_for_connection()
        victim.kill()
        gate.close()
        self.start_verifier(listen=gate.address)
        self.assert_ended_well(self.start_worker(learner.address), learner)
        self.assertEqual(run.summary["ledger"]["expired"], PROMPTS_PER_LEASE)
        self.check_finished(run)

    def test_more_steps_on_resume(self):
        run = self.train("longer", *overrides(learner__steps=23))
        self.assertEqual(run.checkpoint_steps, [15, 20, 23])
        self.train("longer", *self.flags, "--resume")
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
