"""One run is the same run, bit by bit, however many processes take part in it."""

import json

import harness
from harness import overrides

# Leases of a step: prompts_per_step / prompts_per_lease of small.yaml.
LEASES_PER_STEP = 4
STEPS = 12

TPO_TOKEN = overrides(learner__objective="tpo_token", task__sequence__reward="bag_of_tokens")
PPO = overrides(learner__objective="ppo", task__sequence__reward="bag_of_tokens", rollout__group_size=1)


def external(address):
    """A verifier that may be awaited for long."""
    return overrides(learner__lease_seconds=1000, verifiers=f"[{{address: '{address}'}}]")


class SameMetricsTest(harness.IntegrationTest):
    def train_apart(self, name, workers, *arguments, asynchronous=False):
        """A learner, a verifier and so many workers, each a process; nothing is trained on before all are there."""
        port = harness.Reserved()
        self.addCleanup(port.close)
        run, learner = self.start_learner(name, *overrides(learner__steps=STEPS), *arguments, *external(port.address))
        rollouts = [self.start_worker(learner.address) for _ in range(workers)]
        harness.wait_until(lambda: self.status(learner)["workers"] == workers, f"the workers of {learner}")
        self.assertEqual(run.lines, [])
        self.start_verifier(listen=port.address)
        self.assert_ended_well(learner, *rollouts)
        self.assert_ledgers_balance(run)
        if not asynchronous:
            self.check_leases(rollouts)
        return run

    def status(self, learner):
        return json.loads(self.run_to_end("tpo", "status", "--learner", learner.address, "--json"))

    def check_leases(self, rollouts):
        """Returns how many each answered; together they answered each lease once."""
        answered = [int(worker.wait_for_output(r"^answered (\d+) leases")[1]) for worker in rollouts]
        self.assertEqual(sum(answered), STEPS * LEASES_PER_STEP)
        return answered

    def reference(self, *arguments):
        run = super().reference(*overrides(learner__steps=STEPS), *arguments)
        self.assertEqual([record["step"] for record in run.records], list(range(STEPS)))
        self.assertNotEqual(run.records[0]["grad_norm"], 0)
        return run

    def test_threads_in_one_process(self):
        reference = self.reference()
        many = overrides(learner__steps=STEPS, rollout__workers=3, rollout__parallel_leases=2)
        self.assert_same_course(self.train("three_workers", *many), reference)
        one = overrides(learner__steps=STEPS, rollout__parallel_leases=1, learner__threads=1)
        self.assert_same_course(self.train("one_lease_at_a_time", *one), reference)

    def test_the_seed_decides(self):
        reference = self.reference()
        other = self.train("other", *overrides(learner__steps=STEPS, seed=8))
        for mine, theirs in zip(reference.reproducible_lines, other.reproducible_lines):
            self.assertNotEqual(mine, theirs)

    def test_a_learner_and_a_worker(self):
        run, learner = self.start_learner("apart", *overrides(learner__steps=STEPS))
        worker = self.start_worker(learner.address)
        self.assert_ended_well(learner, worker)
        self.check_leases([worker])
        self.assert_same_course(run, self.reference())

    def test_one_worker_and_a_verifier(self):
        self.assert_same_course(self.train_apart("apart", 1), self.reference())

    def test_two_workers(self):
        self.assert_same_course(self.train_apart("apart", 2), self.reference())

    def test_four_workers_and_a_verifier_that_all_take_part(self):
        # The workers connect to the verifier only when they hold a lease: each gets one of the first step's four, and
        # none of them goes on before the verifier is there.
        gate = harness.SilentServer()
        self.addCleanup(gate.close)
        run, learner = self.start_learner(
            "apart", *overrides(learner__steps=STEPS), *external(gate.address))
        rollouts = [self.start_worker(learner.address, "--parallel_leases", 1) for _ in range(4)]
        for _ in rollouts:
            gate.wait_for_connection()
        gate.close()
        verifier = self.start_verifier(listen=gate.address)
        self.assert_ended_well(learner, *rollouts)
        for leases in self.check_leases(rollouts):
            self.assertGreaterEqual(leases, 1)
        self.assert_same_course(run, self.reference())
        self.assertTrue(verifier.running())

    def test_ppo(self):
        self.assert_same_course(self.train_apart("apart", 2, *PPO), self.reference(*PPO))

    def test_token_level(self):
        self.assert_same_course(self.train_apart("apart", 2, *TPO_TOKEN), self.reference(*TPO_TOKEN))

    def test_one_process_and_a_verifier(self):
        flags = [*overrides(learner__steps=STEPS), *external(self.start_verifier().address)]
        self.assert_same_course(self.train("external", *flags, *TPO_TOKEN), self.reference(*TPO_TOKEN))

    def test_exact_staleness(self):
        # Asynchronous, and the same run all the same, whatever workers take part.
        flags = overrides(learner__max_staleness=3, learner__exact_staleness="true", learner__anchor="ratio")
        run = self.train_apart("apart", 2, *flags)
        self.assert_same_course(run, self.reference(*flags))
        for record in run.records:
            self.assertEqual([record["staleness_mean"], record["staleness_max"]], 2 * [min(record["step"], 3)])

    def test_taking_up_weights_in_flight_changes_nothing_in_synchronous_mode(self):
        in_flight = self.train_apart("apart", 2, *overrides(rollout__weight_swap="in_flight"))
        self.assert_same_course(in_flight, self.reference())

    def test_asynchronous_runs_keep_the_bound(self):
        # Not the same every time, so: the promises that hold anyway.
        run = self.train_apart("apart", 2, *overrides(learner__max_staleness=2), asynchronous=True)
        self.assertEqual(len(run.lines), STEPS)
        self.assertLessEqual(max(record["staleness_max"] for record in run.records), 2)
        self.assertEqual(run.summary["ledger"]["trained"], STEPS * 20)


if __name__ == "__main__":
    harness.main()
