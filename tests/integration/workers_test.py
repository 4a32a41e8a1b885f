"""Learner and workers as processes of their own: any of them may go at any moment, and come back or not."""

import signal
import time

import harness
from harness import overrides


class WorkersTest(harness.FaultTest):
    # Longer than the test waits for anything.
    FOREVER_SECONDS = 10 * harness.PATIENCE_SECONDS
    # Of a worker that isn't told how long it may take to end.
    DRAIN_SECONDS = 8

    def silent_verifier(self, deadline_seconds):
        """A verifier that never answers, and the flags that name it. Whoever connects has sampled what it leased."""
        gate = harness.SilentServer()
        self.addCleanup(gate.close)
        return gate, overrides(verifiers=f"[{{address: '{gate.address}', deadline_seconds: {deadline_seconds}}}]")

    def test_kill_of_the_learner_under_its_worker(self):
        run, learner = self.start_learner("killed", *self.FLAGS)
        worker = self.start_worker(learner.address)
        self.kill_midway(run, learner)
        # The same worker goes on with the learner that comes back.
        _, learner = self.start_learner("killed", *self.FLAGS, "--resume", listen=learner.address)
        self.assert_ended_well(learner, worker)
        self.check_finished(run)

    def test_a_worker_waits_for_a_learner_that_is_told_to_end(self):
        run, learner = self.start_learner("drained", *self.FLAGS)
        worker = self.start_worker(learner.address)
        done = 0
        for drain in (lambda: learner.send(signal.SIGTERM),
                      lambda: self.run_to_end("tpo", "admin", "drain", learner.address)):
            self.wait_for_a_random_moment(run, learner, done)
            drain()
            self.assert_ended_well(learner)
            done = len(run.lines)
            self.assertEqual(run.checkpoint_steps[-1], done)
            worker.wait_for_output("the learner is about to end")
            _, learner = self.start_learner("drained", *self.FLAGS, "--resume", listen=learner.address)
        self.assert_ended_well(learner, worker)
        self.check_finished(run)

    def test_a_drained_run_goes_on_in_one_process(self):
        run, learner = self.start_learner("drained", *self.FLAGS)
        worker = self.start_worker(learner.address)
        self.wait_for_a_random_moment(run, learner)
        for process in (learner, worker):
            process.send(signal.SIGTERM)
        self.assert_ended_well(learner, worker)
        self.train("drained", *self.FLAGS, "--resume")
        self.check_finished(run)

    def test_a_worker_that_can_not_go_on_has_failed(self):
        run, learner = self.start_learner("killed", *self.FLAGS)
        worker = self.start_worker(learner.address)
        self.kill_midway(run, learner)
        self.start_learner("killed", *self.FLAGS, *overrides(verification__max_attempts=5), "--resume",
                           listen=learner.address)
        # 2 would say that its own flags were refused.
        self.assertEqual(worker.wait(), 1, str(worker))
        self.assertIn("the run goes on with other verifiers: start this worker anew", worker.output)

    def test_whoever_waits_is_told_that_the_run_is_over(self):
        run, learner = self.start_learner("finished", *overrides(learner__steps=2))
        self.assert_ended_well(self.start_worker(learner.address), learner)
        # As after a death in the last moment: nobody knows the worker that tries to connect meanwhile.
        worker = self.start_worker(learner.address, "--parallel_leases", 1, "--metrics_listen", "127.0.0.1:0")
        self.assertTrue(worker.metrics_address)
        _, learner = self.start_learner("finished", *overrides(learner__steps=2), "--resume", listen=learner.address)
        self.assert_ended_well(learner, worker)
        self.assertEqual(len(run.lines), 2)

    def test_terminating_a_worker_gives_nothing_up(self):
        run, learner = self.start_learner("run", *self.FLAGS)
        leaving = self.start_worker(learner.address)
        self.wait_for_a_random_moment(run, learner)
        staying = self.start_worker(learner.address)
        leaving.send(signal.SIGTERM)
        self.assert_ended_well(leaving, staying)
        run.wait_for_end(learner)
        # It finished what it held, so no lease had to expire.
        self.assertEqual(run.summary["ledger"]["expired"], 0)
        self.check_finished(run)

    def test_kill_of_a_worker_that_holds_leases(self):
        gate, verifiers = self.silent_verifier(deadline_seconds=2.9)
        run, learner = self.start_learner("run", *self.FLAGS, *overrides(learner__lease_seconds=3), *verifiers)
        victim = self.start_worker(learner.address, "--parallel_leases", 1)
        gate.wait_for_connection()
        victim.kill()
        gate.close()
        self.start_verifier(listen=gate.address)
        self.assert_ended_well(self.start_worker(learner.address))
        run.wait_for_end(learner)
        self.assertEqual(run.summary["ledger"]["expired"], self.PROMPTS_PER_LEASE)
        self.check_finished(run)

    def test_kill_of_workers_at_random_moments(self):
        # No lease expires for as long as the test waits: a lost connection tells that its holder is gone.
        run, learner = self.start_learner("run", *self.FLAGS,
                                          *overrides(learner__lease_seconds=2 * self.FOREVER_SECONDS))
        workers = [self.start_worker(learner.address, "--parallel_leases", 1) for _ in range(4)]
        done = 0
        for victim in workers[:3]:
            self.wait_for_a_random_moment(run, learner, done)
            victim.kill()
            done = len(run.lines)
        self.assert_ended_well(workers[3])
        run.wait_for_end(learner)
        self.check_finished(run)

    def test_a_worker_that_is_told_to_end_gives_back_what_it_can_not_finish(self):
        gate, verifiers = self.silent_verifier(deadline_seconds=self.FOREVER_SECONDS)
        run, learner = self.start_learner("run", *self.FLAGS, *verifiers,
                                          *overrides(learner__lease_seconds=2 * self.FOREVER_SECONDS))
        leaving = self.start_worker(learner.address, "--parallel_leases", 1, "--drain_seconds", 1)
        gate.wait_for_connection()
        told = time.monotonic()
        leaving.send(signal.SIGTERM)
        self.assert_ended_well(leaving)
        self.assertLess(time.monotonic() - told, self.DRAIN_SECONDS, str(leaving))
        gate.close()
        self.start_verifier(listen=gate.address)
        self.assert_ended_well(self.start_worker(learner.address))
        run.wait_for_end(learner)
        self.assertEqual(run.summary["ledger"]["expired"], self.PROMPTS_PER_LEASE)
        self.check_finished(run)

    def test_terminating_while_a_verifier_hangs(self):
        # Nothing would end by itself for as long as the test waits.
        # A gate each, since one process may connect twice before the other has begun.
        gates = [self.silent_verifier(deadline_seconds=self.FOREVER_SECONDS) for _ in range(2)]
        flags = overrides(learner__lease_seconds=2 * self.FOREVER_SECONDS)
        run = harness.Run(self.scratch / "train")
        train = self.start("tpo", "train", harness.SMALL, "--run_dir", run, *flags, *gates[0][1])
        _, learner = self.start_learner("apart", *flags, *gates[1][1])
        worker = self.start_worker(learner.address)
        for gate, _ in gates:
            gate.wait_for_connection()
        for process in (train, worker, learner):
            process.send(signal.SIGTERM)
        self.assert_ended_well(train, worker, learner)
        ledger = run.summary["ledger"]
        self.assert_balances(ledger)
        self.assertGreater(ledger["leased"], 0)
        self.assertEqual(ledger["leased"], ledger["expired"])


if __name__ == "__main__":
    harness.main()
