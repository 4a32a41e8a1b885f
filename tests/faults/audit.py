"""The invariants of a run, read from what it left in its directory alone.

Each check returns a list of sentences, one for each rule that is broken; empty when all holds. The runs have as many
prompts a step as groups.jsonl shows of a step (SHOWN_GROUPS), and show every step, so that what each step was trained
on can be read off completely.
"""

import json

SHOWN_GROUPS = 4
ENDS = ("trained", "dropped_stale", "dropped_unverified", "expired", "in_flight")


def read_lines(path):
    """The JSON objects of a file of lines; a torn last line is left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.split("\n")[:-1]]


class Run:
    """What the run directory says."""

    def __init__(self, directory):
        self.directory = directory
        self.records = read_lines(directory / "metrics.jsonl")
        self.groups = read_lines(directory / "groups.jsonl")
        self.state = None
        folders = sorted((directory / "checkpoints").glob("step_*"))
        if folders:
            self.state = json.loads((folders[-1] / "state.json").read_text(encoding="utf-8"))
            self.model = (folders[-1] / "model.safetensors").read_bytes()
        self.leftovers = [path.name for path in (directory / "checkpoints").glob(".*")]

    @property
    def steps(self):
        return self.state["step"] if self.state else 0


def check_ledgers(run):
    broken = []
    ledgers = [(f"step {record['step']}", record["ledger"]) for record in run.records]
    if run.state:
        ledger = run.state["lease_book"]["ledger"]
        ledgers.append(("the checkpoint", ledger))
        if ledger["trained"] != run.steps * SHOWN_GROUPS:
            broken.append(f"the checkpoint of step {run.steps} says {ledger['trained']} trained, "
                          f"not {run.steps * SHOWN_GROUPS}")
    for where, ledger in ledgers:
        if ledger["leased"] != sum(ledger[end] for end in ENDS):
            broken.append(f"the ledger of {where} doesn't balance: {ledger}")
    for record in run.records:
        expected = (record["step"] + 1) * SHOWN_GROUPS
        # Counted by the thread that trains and writes the line: the next step's batch isn't taken yet.
        if record["ledger"]["trained"] != expected:
            broken.append(f"step {record['step']} says {record['ledger']['trained']} trained, not {expected}")
    return broken


def check_steps(run, max_staleness):
    broken = []
    steps = [record["step"] for record in run.records]
    if steps != list(range(len(steps))):
        gaps = [(a, b) for a, b in zip(steps, steps[1:]) if b != a + 1]
        broken.append(f"metrics.jsonl isn't one line a step: {gaps[:5] or steps[:3]}")
    if run.state and len(steps) != run.steps:
        broken.append(f"metrics.jsonl has {len(steps)} steps, the checkpoint {run.steps}")
    for record in run.records:
        if record["staleness_max"] > max_staleness:
            broken.append(f"step {record['step']} was trained on a group {record['staleness_max']} versions old")
        if record["weight_version"] != record["step"] + 1:
            broken.append(f"step {record['step']} made version {record['weight_version']}")
    return broken


def count_lost_and_twice(run):
    """(prompts that are neither trained nor dropped nor to be leased again, prompts trained more than once).

    Which prompts were dropped stands in no file, only how many: as many lost as drops counted twice would cancel out
    here. Of that the simulation's auditor sees each prompt.
    """
    trained = [group["prompt"]["id"] for group in run.groups if group["step"] < run.steps]
    twice = len(trained) - len(set(trained))
    if run.state is None:
        return 0, twice
    book = run.state["lease_book"]
    unfinished = {prompt for unit in book["unfinished_units"] for prompt in unit}
    twice += len(unfinished & set(trained))
    ended = set(trained) | unfinished
    missing = sum(prompt not in ended for prompt in range(book["cursor"]))
    dropped = book["ledger"]["dropped_stale"] + book["ledger"]["dropped_unverified"]
    return missing - dropped, twice


def check_groups(run):
    broken = []
    lost, twice = count_lost_and_twice(run)
    if lost:
        broken.append(f"{lost} prompts were lost")
    if twice:
        broken.append(f"{twice} prompts were trained on twice")
    for step in range(run.steps):
        shown = sum(group["step"] == step for group in run.groups[step * SHOWN_GROUPS:(step + 1) * SHOWN_GROUPS])
        if shown != SHOWN_GROUPS:
            broken.append(f"groups.jsonl shows {shown} groups of step {step} where {SHOWN_GROUPS} are due")
            break
    return broken


def check_scores(run):
    """Every score is what an honest verifier says: a failure or a lie never became one."""
    broken = []
    for group in run.groups:
        for completion in group["completions"]:
            verdict = completion["verdict"]
            if verdict["kind"] != "scored":
                continue
            right = float(completion["tokens"] == group["prompt"]["reference_tokens"])
            if verdict["score"] != right:
                broken.append(f"prompt {group['prompt']['id']} of step {group['step']} has a score of "
                              f"{verdict['score']}, not {right}")
    return broken


def check_run(run, max_staleness):
    broken = check_ledgers(run) + check_steps(run, max_staleness) + check_groups(run) + check_scores(run)
    if run.leftovers:
        broken.append(f"left behind in checkpoints: {run.leftovers}")
    return broken


def reproducible(record):
    """What a repeated synchronous run has in common with this one (docs/metrics.md)."""
    fields = {}
    for name, value in record.items():
        if name == "ledger":
            return fields
        fields[name] = value
    return fields


def check_same_course(run, reference):
    """As if nothing had happened: a synchronous run and one that was never disturbed."""
    broken = []
    for mine, other in zip(run.records, reference.records):
        if reproducible(mine) != reproducible(other):
            broken.append(f"step {mine['step']} differs from the undisturbed run's")
            break
    if run.steps != reference.steps:
        broken.append(f"{run.steps} steps, the undisturbed run has {reference.steps}")
    elif run.model != reference.model:
        broken.append("the weights at the end differ from the undisturbed run's")
    return broken
