"""Compares our tokens and decoded texts with those of the PyPI package `tokenizers`, and the time both take.

    ninja -C build/release encode_records
    python bench/tokenizer/agreement.py build/release/bench/encode_records [MODEL/tokenizer.json …]

with the packages of third_party/tokenizer-requirements.txt. Without a tokenizer.json it takes those of families.py.
Texts are made by corpus.py: --texts of them for each tokenizer. Both sides encode them on one thread, in turns; the
package by encode_batch_fast, its fastest. A second corpus, the lines of this repository's text files, is timed and
compared too. Exit status 1 where any token or decoded text differs. --write FILE writes the figures as JSON.
"""

import argparse
import json
import os
import pathlib
import platform
import struct
import subprocess
import sys
import tempfile
import time
from importlib import metadata

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import corpus  # noqa: E402
import families  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def repository_lines() -> list[bytes]:
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "*.md", "*.cc", "*.h", "*.py"],
                            check=True, capture_output=True, text=True).stdout.split("\0")
    lines = []
    for name in filter(None, listed):
        if (ROOT / name).is_file() and "unicode_tables" not in name:
            lines += (ROOT / name).read_bytes().splitlines(keepends=True)
    return lines


class Records:
    """Reads what encode_records wrote."""

    def __init__(self, data: bytes):
        self.data, self.position = data, 0

    def number(self) -> int:
        (value,) = struct.unpack_from("<I", self.data, self.position)
        self.position += 4
        return value

    def ids(self) -> list[int]:
        count = self.number()
        values = struct.unpack_from(f"<{count}i", self.data, self.position)
        self.position += 4 * count
        return list(values)

    def text(self) -> str:
        size = self.number()
        self.position += size
        return self.data[self.position - size : self.position].decode()


def measure(program: str, tokenizer: Tokenizer, path: str, texts: list[bytes], repeat: int, folder: str) -> dict:
    source, result = f"{folder}/texts", f"{folder}/result"
    with open(source, "wb") as file:
        for text in texts:
            file.write(struct.pack("<I", len(text)) + text)
    as_python_reads = [text.decode("utf-8", "replace") for text in texts]
    ours, package_seconds, decode_seconds = None, [], []
    for turn in range(repeat):
        run = subprocess.run([program, path, source, result, "1"], check=True, capture_output=True, text=True)
        figures = json.loads(run.stdout)
        if ours is None or figures["encode_seconds"] < ours["encode_seconds"]:
            ours = figures
        for counted in ([False, True] if turn == 0 else [True]):
            begin = time.perf_counter()
            encodings = tokenizer.encode_batch_fast(as_python_reads, add_special_tokens=False)
            if counted:
                package_seconds.append(time.perf_counter() - begin)
        ids = [encoding.ids for encoding in encodings]
        begin = time.perf_counter()
        decoded = tokenizer.decode_batch(ids, skip_special_tokens=False)
        decode_seconds.append(time.perf_counter() - begin)
    records = Records(pathlib.Path(result).read_bytes())
    differences, shown = 0, 0
    for text, expected, expected_text in zip(texts, ids, decoded):
        got, got_text, got_skipped = records.ids(), records.text(), records.text()
        expected_skipped = tokenizer.decode(expected, skip_special_tokens=True)
        if (got, got_text, got_skipped) == (expected, expected_text, expected_skipped):
            continue
        differences += 1
        if shown < 5:
            shown += 1
            print(f"differs: {text[:200]!r}\n  package {expected[:60]}\n  ours    {got[:60]}", file=sys.stderr)
    seconds = min(package_seconds)
    return {
        "texts": len(texts), "bytes": sum(map(len, texts)), "tokens": ours["tokens"],
        "differences": differences + ours["stream_differences"],
        "ours_mb_per_s": round(ours["bytes"] / ours["encode_seconds"] / 1e6, 2),
        "package_mb_per_s": round(ours["bytes"] / seconds / 1e6, 2),
        "encode_speedup": round(seconds / ours["encode_seconds"], 2),
        "decode_speedup": round(min(decode_seconds) / ours["decode_seconds"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="encode_records")
    parser.add_argument("tokenizers", nargs="*", help="tokenizer.json files")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_intermixed_args()

    results, lines = {}, repository_lines()
    with tempfile.TemporaryDirectory() as folder:
        chosen = {path: (Tokenizer.from_file(path), path) for path in arguments.tokenizers}
        if not chosen:
            for name in families.FAMILIES:
                path = str(ROOT / "tests" / "policy" / "tokenizer" / f"{name}.tokenizer.json")
                chosen[name] = (Tokenizer.from_file(path), path)
        for name, (tokenizer, path) in chosen.items():
            made = list(corpus.texts(arguments.texts, arguments.seed, families.spelled_out(tokenizer)))
            for kind, texts in (("generated", made), ("repository", lines)):
                figures = measure(arguments.program, tokenizer, path, texts, arguments.repeat, folder)
                results[f"{name} {kind}"] = figures
                print(f"{name} {kind}: {json.dumps(figures)}", flush=True)
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    report = {
        "tokenizers": metadata.version("tokenizers"), "commit": commit.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores", "load": os.getloadavg()[0], "results": results,
    }
    if arguments.write:
        arguments.write.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    differences = sum(figures["differences"] for figures in results.values())
    print(f"{differences} differences, load {report['load']:.1f}")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
