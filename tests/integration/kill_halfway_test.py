"""20 steps at once, against 10 steps, kill -9 of every process, and 10 more: the same weights, prompts and counts."""

import hashlib
import json
import signal

import harness
from harness import overrides


class KillHalfwayTest(harness.IntegrationTest):
    STEPS = 20
    HALF = 10
    # Steps of some 50 ms, so that there is time to kill between two checkpoints.
    FLAGS = overrides(learner__steps=STEPS, learner__checkpoint__every_steps=HALF, output__inspect_every_steps=1,
                      model__transformer__d_model=128, model__transformer__layers=4)

    def start_all(self, workers, *arguments):
        run, learner = self.start_learner(f"killed_{workers}", *self.FLAGS, *arguments)
        return run, [learner, *(self.start_worker(learner.address, "--parallel_leases", 1) for _ in range(workers))]

    def facts(self, run):
        """What must not depend on whether a run was interrupted."""
        state = json.loads((run.newest_checkpoint / "state.json").read_text())
        # Ids of leases jump at a restart, so that no former one is taken for a new one.
        del state["lease_book"]["next_lease_id"]
        del state["run_id"]
        groups = [json.loads(line) for line in (run.directory / "groups.jsonl").read_text().splitlines()]
        return {"weights": hashlib.sha256(run.final_model).hexdigest(),
                "prompts": [(group["step"], group["prompt"]["id"], group["completions"]) for group in groups],
                "counts": [(record["tokens_total"], record["groups_total"]) for record in run.records],
                "state": state}

    def check(self, workers):
        run, processes = self.start_all(workers)
        harness.wait_until(lambda: run.checkpoint(self.HALF).exists() or not processes[0].running(),
                           f"a checkpoint of {processes[0]}")
        for process in processes:
            process.kill()
            self.assertEqual(process.wait(), -signal.SIGKILL, str(process))
        self.assertIn(len(run.lines), range(self.HALF, self.STEPS))
        run, processes = self.start_all(workers, "--resume")
        self.assert_ended_well(*processes)
        reference = self.reference(*self.FLAGS)
        self.assert_same_course(run, reference)
        facts, expected = self.facts(run), self.facts(reference)
        self.assertEqual(facts, expected)
        self.assertEqual([step for step, _, _ in facts["prompts"]][::4], list(range(self.STEPS)))
        self.assertEqual(facts["state"]["lease_book"]["ledger"]["trained"], self.STEPS * 20)

    def test_one_worker(self):
        self.check(1)

    def test_four_workers(self):
        self.check(4)


if __name__ == "__main__":
    harness.main()
