"""The package reasoning-gym accepts what `tpo dataset` generates: every puzzle is well-formed, has the solution that
the row says (knights and knaves: no other), and our answer gets the full score."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import reasoning_gym_package

graph_color, knights_knaves = reasoning_gym_package.load()
TPO = pathlib.Path(os.environ["TPO_BIN_DIR"]) / "tpo"


def generated(*arguments: str) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "rows.jsonl"
        subprocess.run([TPO, "dataset", *arguments, "--out", out], check=True, capture_output=True)
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def as_statement(value: list) -> tuple:
    return tuple(as_statement(part) if isinstance(part, list) else part for part in value)


class GeneratedTest(unittest.TestCase):
    def test_colorings_get_the_full_score(self):
        dataset = graph_color.GraphColorDataset(graph_color.GraphColorConfig(seed=0, size=1))
        count = 0
        for size, colors, probability in ((10, 3, 0.1), (6, 4, 0.5), (25, 4, 0.1)):
            for row in generated("graph_coloring", "--count", "400", "--seed", "7", "--min_vertices", "4",
                                 "--max_vertices", str(size),
                                 "--colors", str(colors), "--edge_probability", str(probability)):
                self.assertEqual(dataset.score_answer(row["answer"], {"metadata": {"puzzle": row["puzzle"]}}), 1)
                count += 1
        self.assertEqual(count, 1200)

    def test_knights_and_knaves_have_the_one_solution_that_they_say(self):
        dataset = knights_knaves.KnightsKnavesDataset(knights_knaves.KnightsKnavesConfig(seed=0, size=1))
        count = 0
        for people, depth, width in ((2, 2, 2), (3, 2, 3), (5, 3, 2)):
            for row in generated("knights_knaves", "--count", "400", "--seed", "7", "--people", str(people),
                                 "--depth", str(depth), "--width", str(width)):
                statements = tuple(as_statement(statement) for statement in row["statements"])
                self.assertEqual(dataset.find_solution(statements), [tuple(row["solution"])])
                self.assertEqual(dataset.score_answer(row["answer"], {"answer": row["answer"]}), 1)
                pairs = dataset._normalize_answer(row["answer"])
                self.assertEqual(len(pairs), people)
                for name, truthful in zip(row["names"], row["solution"]):
                    self.assertIn((name.lower(), row["roles"][0 if truthful else 1].split()[1]), pairs)
                count += 1
        self.assertEqual(count, 1200)


if __name__ == "__main__":
    unittest.main()
