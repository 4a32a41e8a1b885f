"""Writes graph_coloring_cases.jsonl and knights_knaves_cases.jsonl: instances of the package reasoning-gym, and what
its own scoring gives for right, wrong and malformed answers. The tests hold our scores to these.

    python3 tests/verifier/reasoning_gym/make_cases.py

needs the package (reasoning_gym_package.py).
"""

import json
import pathlib
import random

import reasoning_gym_package

INSTANCES = 1000
ANSWERS = 7  # of each instance, besides a right one
FOLDER = pathlib.Path(__file__).parent


def coloring_answers(puzzle: dict, solution: dict, rng: random.Random) -> list[str]:
    """All kinds of answers, from right to malformed."""
    right = {str(vertex): color for vertex, color in solution.items()}
    vertex = str(rng.choice(puzzle["vertices"]))
    colors = puzzle["color_options"]
    values = [right[str(v)] for v in puzzle["vertices"]]
    shuffled = dict(zip(colors, rng.sample(colors, len(colors))))

    def changed(value: object) -> str:
        return json.dumps({**right, vertex: value})

    return [
        json.dumps({v: shuffled[c] for v, c in right.items()}),
        json.dumps(right, indent=1),
        json.dumps(dict(reversed(right.items()))),
        json.dumps({v: rng.choice(colors) for v in right}),
        json.dumps({v: 1 for v in right}),
        json.dumps({v: c for v, c in right.items() if v != vertex}),
        json.dumps({**right, "999": 77}),
        json.dumps({v: float(c) for v, c in right.items()}),
        json.dumps({v: True if c == 1 else c for v, c in right.items()}),
        json.dumps({v: str(c) for v, c in right.items()}),
        changed(0), changed(len(colors) + 1), changed(1.5), changed(False), changed(None), changed([]), changed({}),
        changed(float("nan")), changed(float("inf")), changed(10**30), changed("NaN"),
        json.dumps(values), json.dumps(puzzle["vertices"]), json.dumps(puzzle["vertices"] * 2),
        json.dumps([*puzzle["vertices"][1:], True]), json.dumps([str(v) for v in puzzle["vertices"]]),
        json.dumps([[v, c] for v, c in right.items()]), json.dumps([right]), json.dumps({"coloring": right}),
        json.dumps(json.dumps(right)), "[]", "{}", "null", "true", "17", "-0.5e3", '"red"', "NaN", "[NaN]",
        "", " ", "\n" + json.dumps(right) + "\t ", "\u00a0" + json.dumps(right), "\ufeff" + json.dumps(right),
        f"```json\n{json.dumps(right)}\n```", f"The answer is {json.dumps(right)}.", json.dumps(right) + "}",
        json.dumps(right)[:-1], str(right), json.dumps(right).replace(",", ",,"),
        "{" + f'"{vertex}": 1, ' + json.dumps(right)[1:],
        json.dumps(right)[:-1] + f', "{vertex}": 2' + "}", json.dumps({f" {v}": c for v, c in right.items()}),
        json.dumps({f"0{v}": c for v, c in right.items()}), "[" * 200 + "]" * 200, '{"0": "\x01"}', "{'0': 1}",
    ]


def role_answers(answer: str, names: list[str], terms: dict, rng: random.Random) -> list[str]:
    knight, knave = str(terms["a_knight"]), str(terms["a_knave"])

    def said(roles: list[str], people: list[str] = names) -> str:
        return ", ".join(f"{name} is {role}" for name, role in zip(people, roles))

    roles = [knight if f"{name} is {knight}" in answer else knave for name in names]
    swapped = [knave if role == knight else knight for role in roles]
    some = list(roles)
    place = rng.randrange(len(names))
    some[place] = swapped[place]
    both = list(zip(names, roles))
    rng.shuffle(both)
    return [
        said(roles), said(swapped), said(some), said(some) + ".",
        said([knight] * len(names)), said([knave] * len(names)),
        " and ".join(f"{n} is {r}" for n, r in both), "\n".join(f"{n} is {r}" for n, r in both),
        "\nand ".join(f"{n} is {r}" for n, r in both), answer.upper(), answer.lower(), answer.replace(" ", "  "),
        answer.replace(" ", "\u00a0"), answer.replace(" ", "\u2003"),
        answer.replace(", ", ";"), answer.replace(",", ""),
        answer.replace(" is ", " = "), answer.replace(" is ", ": "), answer.replace(" is ", " isn't "),
        answer.replace(" is ", " is not "), f"({answer})", f"*{answer}*", f"So: {answer} That is all.",
        said(roles[:-1], names[:-1]), said(roles) + f", {names[0]} is {swapped[0]}",
        said(roles) + ", Bob is " + knight,
        said(roles).replace(names[0], "Bob"), said(["a knight" if r == knight else "a knave" for r in roles]),
        said([r.split()[1] for r in roles]), said([r.split()[1] + "s" for r in roles]),
        " ".join(f"{r.split()[1]} {n}" for n, r in zip(names, roles)), " ".join(names), knight,
        "", " ", ".", "and and and", "a knight", "is a knight", answer + " " + answer, answer.replace("a ", "a\t"),
        answer + "\u00e9", "\u00c9" + answer, json.dumps(dict(zip(names, roles))), "é is a knight",
        "no valid solution exists.", answer.replace(".", "!"), f"{names[0]} and {names[-1]} are both {knight}",
        answer + "\n" * 50, "knight " * 50, "\x1f".join(answer.split()),
    ]


def write(name: str, rows: list[dict]) -> None:
    with open(FOLDER / f"{name}_cases.jsonl", "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{name}: {len(rows)} instances, {sum(len(row['answers']) for row in rows)} answers")


def chosen(right: str, others: list[str], index: int, rng: random.Random) -> list[str]:
    """The right answer, one of each kind in turn, and others at random."""
    return [right, others[index % len(others)], *rng.sample(others, ANSWERS - 1)]


def main() -> None:
    graph_color, knights_knaves = reasoning_gym_package.load()
    rng = random.Random(0)
    rows = []
    for index in range(INSTANCES):
        config = graph_color.GraphColorConfig(
            seed=index, size=1, num_colors=rng.randint(2, 4), min_num_vertices=3, max_num_vertices=9,
            edge_probability=rng.choice([0.1, 0.3, 0.5]))
        dataset = graph_color.GraphColorDataset(config)
        entry = dataset[0]
        puzzle = entry["metadata"]["puzzle"]
        solution = entry["metadata"]["possible_answer"]
        answers = chosen(json.dumps(solution), coloring_answers(puzzle, solution, rng), index, rng)
        rows.append({"puzzle": puzzle, "answers": [[text, dataset.score_answer(text, entry)] for text in answers]})
    write("graph_coloring", rows)
    rows = []
    for index in range(INSTANCES):
        config = knights_knaves.KnightsKnavesConfig(
            seed=index, size=1, n_people=rng.randint(2, 5), depth_constraint=rng.randint(2, 3), width_constraint=2)
        dataset = knights_knaves.KnightsKnavesDataset(config)
        entry = dataset[0]
        names = [str(name) for name in entry["metadata"]["names"]]
        others = role_answers(entry["answer"], names, entry["metadata"]["knight_knave_terms"], rng)
        answers = chosen(entry["answer"], others, index, rng)
        rows.append({"reference": entry["answer"],
                     "answers": [[text, dataset.score_answer(text, entry)] for text in answers]})
    write("knights_knaves", rows)


if __name__ == "__main__":
    main()
