"""How `tpo learner` ends where something else watches over it: an orchestrator that restarts what has failed."""

import signal

import harness
from harness import overrides


class EndingTest(harness.IntegrationTest):
    def test_a_finished_learner_keeps_serving_if_asked_to(self):
        run, learner = self.start_learner("kept", "--keep_serving", *overrides(learner__steps=3))
        worker = self.start_worker(learner.address)
        self.assert_ended_well(worker)
        run.wait_for_steps(3, learner)
        status = self.run_to_end("tpo", "status", "--learner", learner.address)
        self.assertIn("3", status)
        self.assertTrue(learner.running(), str(learner))
        # A worker that comes late is told that there is nothing to do.
        self.assert_ended_well(self.start_worker(learner.address))
        learner.send(signal.SIGTERM)
        self.assert_ended_well(learner)
        self.assertEqual(run.summary["status"], "finished")

    def test_being_told_to_end_is_a_failure_if_asked_to(self):
        steps = overrides(learner__steps=1000)
        run, learner = self.start_learner("drained", "--drained_is_failure", *steps)
        worker = self.start_worker(learner.address)
        run.wait_for_steps(2, learner)
        learner.send(signal.SIGTERM)
        self.assertEqual(learner.wait(), 1, str(learner))
        self.assertIn("--resume goes on", learner.output)
        done = len(run.lines)
        # The end of the run is none.
        steps = overrides(learner__steps=done + 2)
        run, learner = self.start_learner("drained", "--drained_is_failure", "--resume", *steps, listen=learner.address)
        self.assert_ended_well(worker, learner)
        self.assertEqual(len(run.lines), done + 2)

    def test_a_worker_waits_as_long_as_it_is_told_to(self):
        run, learner = self.start_learner("gone", *overrides(learner__steps=1000))
        worker = self.start_worker(learner.address, "--give_up_after", 1)
        run.wait_for_steps(2, learner)
        learner.send(signal.SIGTERM)
        self.assert_ended_well(learner)
        # The learner said that it ends, so nothing has failed.
        self.assert_ended_well(worker)


if __name__ == "__main__":
    harness.main()
