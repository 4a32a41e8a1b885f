"""Short schedules of faults over real processes; run.py has the long ones."""

import collections
import os
import signal
import sys

import cluster  # finds the integration tests' modules
import harness
import liar
from audit import Run, check_run
from harness import overrides
from load import Terminations
from round import CALM_STEPS, LEASE_SECONDS, NO_CLOCK, NO_MOUNT, Result, Round, missed_faults
from schedule import KINDS, make_schedule
from wall_clock import WallClock

# Every kind of fault is in one of them; others with --seed N on this script's command line.
SEEDS = {"sync": 5945, "async": 1542}
KILLS_IN_A_ROUND = 6
MEAN_SECONDS = 0.4
# Why a kind of fault may be missing.
REASONS = {NO_MOUNT} if os.environ.get("CI") else {NO_MOUNT, NO_CLOCK}


def setUpModule():
    liar.load_protocol()


class FaultsTest(harness.IntegrationTest):
    def check_round(self, mode):
        server = liar.Liar(SEEDS[mode])
        self.addCleanup(server.stop)
        said = []
        result = Round(SEEDS[mode], mode, KILLS_IN_A_ROUND, self.scratch, mean_seconds=MEAN_SECONDS, liar=server,
                       say=said.append).run()
        print(f"{mode}: {', '.join(f'{kind}: {count}' for kind, count in sorted(result.faults.items()))}")
        for kind, why_not in sorted(result.not_tried.items()):
            print(f"not tried: {kind}, since {why_not}")
        self.assertEqual(result.broken, [], "\n".join(said))
        self.assertEqual(missed_faults(result, REASONS), [], "\n".join(said))
        self.assertEqual((result.lost, result.twice), (0, 0))
        self.assertGreaterEqual(result.steps, CALM_STEPS)
        return result

    def test_faults_of_all_kinds_with_stale_groups_and_a_liar(self):
        self.check_round("async")

    def test_faults_leave_a_synchronous_run_as_it_was(self):
        self.check_round("sync")

    def test_every_kind_is_in_one_of_the_schedules(self):
        if len(set(SEEDS.values())) == 1:
            self.skipTest("one seed of somebody's choice")
        kinds = {fault.kind for seed in SEEDS.values()
                 for fault in make_schedule(seed, KILLS_IN_A_ROUND, MEAN_SECONDS, LEASE_SECONDS)}
        self.assertEqual(kinds, set(KINDS))

    def test_a_fault_that_did_not_happen_is_missed(self):
        result = Result(1, "sync", collections.Counter(), collections.Counter({"kill worker": 1}),
                        scheduled={"kill worker", "fill disk", "set clock back"})
        self.assertEqual(len(missed_faults(result, {NO_MOUNT, NO_CLOCK})), 2)
        result.not_tried = {"fill disk": NO_MOUNT, "set clock back": NO_CLOCK}
        self.assertEqual(missed_faults(result, {NO_MOUNT, NO_CLOCK}), [])
        self.assertEqual(missed_faults(result, {NO_MOUNT}), [f"set clock back: {NO_CLOCK}"])

    def test_sigterm_under_load_fails_no_submission(self):
        test = Terminations(self.scratch / "run")
        self.addCleanup(test.cluster.close)
        for member in (test.cluster.workers[0], test.cluster.verifiers[0], test.cluster.relays[0]):
            test.go_on(steps=5)
            test.terminate(member, grace_seconds=30)
        test.go_on(steps=5)
        test.check_nothing_was_given_up()
        test.terminate(test.cluster.learner, grace_seconds=30)
        test.go_on(steps=5)
        test.finish()
        self.assertEqual(test.broken, [])


class AuditTest(harness.IntegrationTest):
    """The checks themselves: what they are to find, they find."""

    def test_a_sound_run_and_the_same_with_faults_put_in(self):
        flags = overrides(learner__steps=6, learner__prompts_per_step=4, learner__prompts_per_lease=1,
                          output__inspect_every_steps=1, output__tensorboard="false")
        self.train("run", *flags)

        def load():
            return Run(self.scratch / "run")
        self.assertEqual(check_run(load(), 0), [])

        def spoilt(change):
            run = load()
            change(run)
            return " ".join(check_run(run, 0))

        def train_twice(run):
            run.groups[5]["prompt"]["id"] = run.groups[4]["prompt"]["id"]

        def lose(run):
            run.state["lease_book"]["cursor"] += 1

        def leave_out_a_step(run):
            del run.records[3]

        def grow_stale(run):
            run.records[2]["staleness_max"] = 1

        def make_up_a_score(run):
            run.groups[0]["completions"][0]["verdict"]["score"] += 0.5

        def unbalance(run):
            run.records[1]["ledger"]["leased"] += 1

        def count_a_batch_that_was_not_trained(run):
            for name in ("leased", "trained"):
                run.records[2]["ledger"][name] += 4

        def count_it_in_the_checkpoint(run):
            for name in ("leased", "trained"):
                run.state["lease_book"]["ledger"][name] += 4

        for change, words in ((train_twice, "trained on twice"), (lose, "were lost"),
                              (leave_out_a_step, "isn't one line a step"), (grow_stale, "1 versions old"),
                              (make_up_a_score, "has a score of"), (unbalance, "doesn't balance"),
                              (count_a_batch_that_was_not_trained, "step 2 says 16 trained, not 12"),
                              (count_it_in_the_checkpoint, "the checkpoint of step 6 says 28 trained, not 24")):
            with self.subTest(fault=change.__name__):
                self.assertIn(words, spoilt(change))


class ClockTest(harness.IntegrationTest):
    """The wall clock is set to another time while processes run: no lease ends for its sake, and the run goes on.

    Set forward, nothing shows of it. Set back, waits that are in progress last longer by as much, because the mutexes
    of Abseil 20220623, gRPC's among them, wait by the wall clock; so this jump is a short one (docs/results/faults.md).
    """

    def setUp(self):
        super().setUp()
        if not WallClock.available():
            self.skipTest("no library to shift the clock with")
        self.clock = WallClock(self.scratch / "clock_offset")

    def check_jump(self, seconds):
        flags = overrides(learner__steps=10**6, learner__lease_seconds=3600, learner__prompts_per_lease=1)
        run = harness.Run(self.scratch / "run")
        learner = self.start("tpo", "learner", harness.SMALL, "--run_dir", run, "--quiet", "--listen", "127.0.0.1:0",
                             *flags, under=self.clock.under)
        worker = self.start("tpo", "rollout", "--learner", learner.address, under=self.clock.under)
        run.wait_for_steps(5, learner)
        self.clock.jump(seconds)
        done = len(run.lines)
        run.wait_for_steps(done + 10, learner)
        for process in (learner, worker):
            process.send(signal.SIGTERM)
        self.assert_ended_well(learner, worker)
        self.assertEqual(run.summary["status"], "drained")
        # What was in flight at the end is not in the last step's ledger.
        self.assertEqual(run.records[-1]["ledger"]["expired"], 0)

    def test_an_hour_forward(self):
        self.check_jump(3600)

    def test_two_seconds_back(self):
        self.check_jump(-2)


if __name__ == "__main__":
    if "--seed" in sys.argv:
        position = sys.argv.index("--seed")
        SEEDS = dict.fromkeys(SEEDS, int(sys.argv[position + 1]))
        del sys.argv[position:position + 2]
    harness.main()
