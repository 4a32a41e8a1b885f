"""What the paper's sequence tables and figures need: the runs, and the paper's own figures beside them.

A cell is one configuration, trained with several seeds; tables and figures refer to cells by their settings, so a cell
that two of them share is run once. The paper's figures are those of arXiv 2604.06159 (docs/paper.md says which).
"""

from __future__ import annotations

import dataclasses
import math

# Objectives that sample one completion per prompt.
SINGLE_SAMPLE = {"ppo", "dg", "pg"}
# Steps of more completions, or prompts, than Table 3's get larger micro-batches: with the default's 512 tokens the
# learner keeps too little of a forward pass and computes it twice.
MOST_COMPLETIONS = 800
MOST_PROMPTS = 100
LARGE_MICRO_BATCH = 2048
# Points of error to which a curve's end can be read off a figure of the paper.
READ_OFF = 1.0
# Of Figure 10b. A run keeps at least 16 MiB of inspected groups, which is 340 times the four of K = 32; the oldest go first.
INSPECT_EVERY_STEPS = 6


@dataclasses.dataclass(frozen=True)
class Cell:
    """One configuration of the sequence task. The defaults are those of the paper's Table 3."""

    objective: str
    target: str = "reverse_copy"
    reward: str = "terminal"
    vocab_size: int = 2
    length: int = 10
    group_size: int = 8
    prompts_per_step: int = 100
    epochs: int = 4
    eta: float = 1.0
    learning_rate: float = 1e-3
    steps: int = 2000
    # Steps between groups that a run lays open, for the curves of completion_weights.py; 0: none. Changes no training.
    inspect_every_steps: int = 0

    @property
    def name(self) -> str:
        """Unique, and fit for a file name."""
        parts = [self.objective, self.target, self.reward, f"v{self.vocab_size}", f"h{self.length}",
                 f"k{self.group_size}", f"b{self.prompts_per_step}", f"e{self.epochs}", f"eta{self.eta:g}",
                 f"lr{self.learning_rate:.4g}", f"n{self.steps}"]
        return "-".join(parts)

    def setting(self) -> dict[str, object]:
        """All of it but the objective, by the paper's letters."""
        return {"target": self.target, "reward": self.reward, "V": self.vocab_size, "H": self.length, "K": self.group_size,
                "B": self.prompts_per_step, "epochs": self.epochs, "eta": self.eta, "learning_rate": self.learning_rate,
                "steps": self.steps}

    def overrides(self) -> dict[str, object]:
        """The fields of the config that differ from examples/reverse_copy.yaml."""
        fields: dict[str, object] = {
            "task.sequence.target": self.target,
            "task.sequence.reward": self.reward,
            "task.sequence.vocab_size": self.vocab_size,
            "task.sequence.length": self.length,
            "rollout.group_size": self.group_size,
            "learner.objective": self.objective,
            "learner.prompts_per_step": self.prompts_per_step,
            "learner.prompts_per_lease": min(25, self.prompts_per_step),
            "learner.epochs": self.epochs,
            "learner.eta": self.eta,
            "learner.steps": self.steps,
            "learner.optimizer.muon.learning_rate": self.learning_rate,
            "output.inspect_every_steps": self.inspect_every_steps,
        }
        if self.prompts_per_step * self.group_size > MOST_COMPLETIONS or self.prompts_per_step > MOST_PROMPTS:
            fields["learner.micro_batch_tokens"] = LARGE_MICRO_BATCH
        return fields

    def cost(self) -> float:
        """A guess of the CPU-seconds of one seed, for the first ETA; measured figures replace it.

        The constants come from runs of H = 7 and 10 on a 2-core AMD EPYC. A group costs little more than one completion
        once the policy is sure of itself, for equal prefixes are computed once; a policy that stays uncertain, as without
        the anchor, has no such luck."""
        spread = 1.0
        if self.objective == "tpo_no_anchor":
            spread = 0.6 * self.group_size
        elif self.objective not in SINGLE_SAMPLE and not self.objective.endswith("_token"):
            spread = 1 + self.group_size / 64
        return self.steps * 9e-6 * self.prompts_per_step * self.length * spread * (1.4 + self.epochs)


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure of a table: which cell it comes from, how it is computed, and what the paper reports."""

    table: str
    method: str
    cell: Cell
    statistic: str  # "steps_to_1_percent", "final_error_percent" or "error_at_400_percent"
    paper: float | None  # None: the paper reports "never", a bound, or nothing; `paper_is` says which
    paper_text: str  # as the paper prints it
    paper_seeds: int
    setting: dict[str, object] = dataclasses.field(default_factory=dict, hash=False)  # what differs between the table's rows
    paper_standard_error: float | None = None  # where the authors publish their seeds
    paper_reading: float | None = None  # how exactly the figure is known where the paper doesn't print it

    @property
    def paper_is(self) -> str:
        """What the paper reports: a "value", "below" or "above" a bound, "never", or "none"."""
        if not self.paper_text:
            return "none"
        return {"-": "never", "<": "below", ">": "above"}.get(self.paper_text[0], "value")

    @property
    def paper_bound(self) -> float | None:
        """In the statistic's unit."""
        return float(self.paper_text[1:]) if self.paper_is in ("below", "above") else None

    def print_uncertainty(self) -> float:
        """How far the paper's figure may be from what we have of it: half of its last digit's unit, or what can be read off."""
        if self.paper_reading is not None:
            return self.paper_reading
        return 0.5 * 10.0 ** -len(self.paper_text.partition(".")[2])


def _single(objective: str, **settings) -> Cell:
    """A cell of a method that samples once per prompt."""
    epochs = 1 if objective == "dg" else 4
    return Cell(objective, group_size=1, epochs=epochs, **settings)


def _any(objective: str, **settings) -> Cell:
    return _single(objective, **settings) if objective in SINGLE_SAMPLE else Cell(objective, **settings)


def paper_value(text: str) -> float | None:
    """None: never, a bound, or nothing."""
    return None if not text or text[0] in "-<>" else float(text)


def table_1() -> list[Row]:
    paper = {"tpo_token": "58 74 103 102", "grpo_token": "904 141 124 148", "dg": "199 273 314 393",
             "ppo": "872 181 191 259"}
    rows = []
    for method, values in paper.items():
        for vocab_size, text in zip((2, 4, 8, 16), values.split()):
            cell = _any(method, reward="bag_of_tokens", vocab_size=vocab_size, steps=1000)
            rows.append(Row("Table 1", method, cell, "steps_to_1_percent", paper_value(text), text, 20,
                            {"V": vocab_size}))
    return rows


def table_2() -> list[Row]:
    targets = ("copy", "flip", "reverse_copy", "reverse_flip")
    paper = {
        "bag_of_tokens": {"tpo_token": "81 56 55 59", "grpo_token": "338 104 352 209", "dg": "219 201 202 200",
                          "ppo": "170 146 - 143"},
        "sequential": {"tpo_token": "295 321 159 276", "grpo_token": "- - - -", "dg": "439 349 515 309",
                       "ppo": "- - - -"},
    }
    rows = []
    for reward, methods in paper.items():
        for method, values in methods.items():
            for target, text in zip(targets, values.split()):
                cell = _any(method, reward=reward, target=target, steps=1000)
                rows.append(Row("Table 2", method, cell, "steps_to_1_percent", paper_value(text), text, 10,
                                {"reward": reward, "target": target}))
    return rows


def table_3(match: str) -> list[Row]:
    """`match`: "prompts" or "interactions". Grouped methods are the same run in both halves, as in the paper's code;
    the others get K times the prompts and sqrt(K) times the learning rate in the second."""
    paper = {
        "prompts": {"tpo": "6.9 8.6 6.1 7.4", "grpo": "14.5 27.6 30.0 50.4", "grpo_no_kl": "66.6 92.5 - -",
                    "ppo": "12.0 26.3 90.6 -", "dg": "33.8 58.8 - -"},
        "interactions": {"tpo": "1.8 2.8 5.3 19.0", "grpo": "9.6 23.2 36.2 48.7", "grpo_no_kl": "78.1 83.8 - -",
                         "ppo": "38.6 62.1 66.2 -", "dg": "47.7 69.4 - -"},
    }[match]
    # Of the last step, over the 20 curves in the authors' assets/token_reversal_sparse_reward_results.npz.
    published = {("prompts", "tpo", 10): 3.96, ("prompts", "grpo", 10): 9.93, ("prompts", "dg", 10): 0.10}
    rows = []
    for method, values in paper.items():
        for length, text in zip((7, 8, 9, 10), values.split()):
            settings: dict[str, object] = {"length": length}
            if match == "interactions" and method in SINGLE_SAMPLE:
                settings |= {"prompts_per_step": 800, "learning_rate": 1e-3 * math.sqrt(8)}
            rows.append(Row(f"Table 3, {match}", method, _any(method, **settings), "final_error_percent",
                            paper_value(text), "> 95" if text == "-" else text, 20, {"H": length, "match": match},
                            published.get((match, method, length))))
    return rows


def figure_8() -> list[Row]:
    """Ablations: anchor, KL penalty, target matching; the first three methods are those of Table 3."""
    rows = [dataclasses.replace(row, table="Figure 8", setting={"H": row.setting["H"]}) for row in table_3("prompts")
            if row.method in ("tpo", "grpo", "grpo_no_kl") and row.setting["H"] != 9]
    # Where the table has "-", above 95, the text on the ablations says more.
    rows = [dataclasses.replace(row, paper_text="> 99") if row.paper is None else row for row in rows]
    for method, values in {"tpo_no_anchor": "89 93.5 >99", "group_pg": "99 >99 >99"}.items():
        rows += [Row("Figure 8", method, Cell(method, length=length), "final_error_percent", paper_value(text),
                     text.replace(">", "> "), 20, {"H": length}, paper_reading=READ_OFF)
                 for length, text in zip((7, 8, 10), values.split())]
    return rows


def table_5() -> list[Row]:
    """The paper doesn't name the table's task: see NOTES."""
    rows = []
    for eta, final, steps in zip((0.25, 0.5, 1.0, 2.0, 4.0), (1.0, 0.0, 0.7, 1.0, 0.8), (72, 67, 96, 141, 260)):
        cell = Cell("tpo", reward="bag_of_tokens", eta=eta, steps=1000)
        rows.append(Row("Table 5", "tpo", cell, "steps_to_1_percent", steps, str(steps), 10, {"eta": eta}))
        rows.append(Row("Table 5", "tpo", cell, "final_error_percent", final, str(final), 10, {"eta": eta}))
    return rows


def section_4() -> list[Row]:
    """Figures 10 to 15: H = 8, K = 32, B = 256."""
    def cell(objective: str, group_size: int = 32, **settings) -> Cell:
        inspected = objective in ("tpo", "grpo") and group_size == 32
        return Cell(objective, length=8, group_size=group_size, prompts_per_step=256,
                    inspect_every_steps=INSPECT_EVERY_STEPS if inspected else 0, **settings)

    rows = []
    for method, values in {"tpo": "8.9 5.2 5.1 2.6 0.36", "grpo": "19.4 19.8 9.2 4.4 5.6"}.items():
        for group_size, text in zip((4, 8, 16, 32, 64), values.split()):
            rows.append(Row("Figure 12", method, cell(method, group_size=group_size), "final_error_percent",
                            paper_value(text), text, 30, {"K": group_size}))
    for method, values in {"tpo": "0.02 <2.3 0.05 <2.3 <2.3", "grpo": "4.3 37.6 6.3 3.3 1.1"}.items():
        for epochs, text in zip((1, 2, 4, 8, 16), values.split()):
            rows.append(Row("Figure 15", method, cell(method, epochs=epochs), "final_error_percent", paper_value(text),
                            text, 30, {"epochs": epochs}))
    for method, text in (("tpo", "0.05"), ("grpo", "6.3"), ("grpo_masked", "29.7")):
        rows.append(Row("Figure 13", method, cell(method), "final_error_percent", paper_value(text), text, 30))
    for epochs, text in ((4, "0.2"), (1, "1.1")):
        rows.append(Row("Figure 14", "tpo", cell("tpo", epochs=epochs), "error_at_400_percent", paper_value(text), text, 10,
                        {"epochs": epochs}))
    rows.append(Row("Figure 14", "dg", cell("dg", group_size=1, epochs=1), "final_error_percent", 14, "14", 10, {"epochs": 1}))
    # Figures 10 and 11 are drawn of these as well; the paper has one figure of theirs in its text.
    rows.append(Row("Figure 10", "grpo", cell("grpo"), "final_error_percent", 12.7, "12.7", 10))
    rows.append(Row("Figure 10", "ppo", cell("ppo", group_size=1), "final_error_percent", None, "", 10))
    rows.append(Row("Figure 11", "grpo_no_kl", cell("grpo_no_kl"), "final_error_percent", None, "", 10))
    return rows


# What a reader of a table should know.
NOTES = {
    "Table 5": "The paper doesn't say with which reward and objective it made this table. Inferred: sequence-level TPO, bag "
               "of tokens, K = 8. Its curves (Figure 16) start at an error of 0.5, as only the bag of tokens does at V = 2. "
               "The token-level cell that Tables 1 and 2 share doesn't fit, for they give it 58 and 55 steps at eta 1, where "
               "this table says 96.",
    "Figure 8": "The paper's values are those of Table 3 and of its text; without the anchor, and of group policy gradient, "
                "at H = 7 and 8 they are read off its figure.",
    "Figure 10": "Part b shows q of TPO, |A| of GRPO, of four groups in every sixth step. The paper's 12.7 % are of 10 seeds, the "
                 "6.3 % of Figure 13 of 30.",
    "Figure 14": "The paper says that DG plateaus at 14 %, and not when; here it is the last step's error that stands beside it. Its "
                 "Figure 17 has 2.0 % for DG with one epoch. That with 4 epochs has no counterpart here: DG trains on a batch once, "
                 "and the config refuses more.",
}


def all_rows() -> list[Row]:
    """In the order in which the runs are done: what says most comes first."""
    return (table_3("prompts") + table_1() + table_2() + table_5() + table_3("interactions") + figure_8() +
            section_4())


def quick(row: Row) -> bool:
    """What `--quick` runs."""
    if row.table == "Table 1":
        return row.setting["V"] in (2, 4)
    if row.table.startswith("Table 3"):
        return row.setting["H"] in (7, 8)
    return row.table == "Table 2"


def full_seeds(row: Row) -> int:
    """The paper's own number of seeds."""
    return row.paper_seeds


# Cells that lay apart from the paper with three seeds, or in another order, got as many as the paper has, to see whether that was
# chance. Chosen by what they showed, they move towards the paper more often than others would.
STOOD_OUT = {
    ("Table 2", "grpo_token", "bag_of_tokens", "reverse_flip"), ("Table 2", "dg", "bag_of_tokens", "reverse_flip"),
    ("Table 5", "tpo", 4.0),
    ("Table 1", "grpo_token", 2), ("Table 1", "ppo", 2),
    ("Table 2", "grpo_token", "sequential", "flip"), ("Table 2", "ppo", "sequential", "flip"),
    ("Table 2", "grpo_token", "sequential", "reverse_flip"), ("Table 2", "ppo", "sequential", "copy"),
    ("Table 2", "grpo_token", "bag_of_tokens", "copy"), ("Table 2", "dg", "bag_of_tokens", "copy"),
    ("Table 2", "grpo_token", "bag_of_tokens", "flip"), ("Table 2", "ppo", "bag_of_tokens", "flip"),
    ("Table 3, prompts", "ppo", 7, "prompts"), ("Table 3, prompts", "ppo", 8, "prompts"),
    ("Figure 12", "tpo", 4), ("Figure 12", "tpo", 16), ("Figure 12", "tpo", 64), ("Figure 14", "tpo", 1),
    ("Figure 15", "grpo", 1),
}


def committed_seeds(row: Row) -> int:
    """Of the report in docs/paper: more for what is compared most closely."""
    tpo = row.table in ("Table 1", "Table 3, prompts") and row.method in ("tpo_token", "tpo")
    grpo = row.table == "Table 3, prompts" and row.method == "grpo"
    return row.paper_seeds if tpo or grpo or (row.table, row.method, *row.setting.values()) in STOOD_OUT else 3
