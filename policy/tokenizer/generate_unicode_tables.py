"""Writes unicode_tables.cc: what the PyPI package `tokenizers` takes for a letter, a number, white space, … and its NFC.

The package mixes libraries of several Unicode versions (its regular expressions, Rust's standard library and its
normaliser each have their own), so every code point is put to the package itself rather than read from one version of
the Unicode data. From the root, with the packages of third_party/tokenizer-requirements.txt:

    python policy/tokenizer/generate_unicode_tables.py
"""

import pathlib
import sys
import textwrap
import unicodedata

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
LETTER, NUMBER, SPACE, NUMERIC, WORD, NONSTARTER, CHECK = (1 << bit for bit in range(7))
NFC, NFD = normalizers.NFC(), normalizers.NFD()
JAMO_AFTER_A_SYLLABLE = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
IOTA_BELOW = "\u0345"  # the only mark of class 240, the highest class


def matching(pattern: str) -> set[int]:
    """Code points that a regular expression of the package matches."""
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    found = set()
    for start in range(0, len(CODE_POINTS), 4096):
        text = "".join(map(chr, CODE_POINTS[start : start + 4096]))
        for piece, _ in split.pre_tokenize_str(text):
            found.update(map(ord, piece))
    return found


def numeric() -> set[int]:
    """What the pre-tokenizer Digits splits off."""
    digits = pre_tokenizers.Digits(individual_digits=True)
    return {c for c in CODE_POINTS if len(digits.pre_tokenize_str("a" + chr(c) + "a")) == 3}


def word_characters() -> set[int]:
    """Beside which an added token with single_word isn't found."""
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    tokenizer.add_tokens([AddedToken("-", single_word=True)])
    found = set()
    for start in range(0, len(CODE_POINTS), 20000):
        block = CODE_POINTS[start : start + 20000]
        encodings = tokenizer.encode_batch_fast([chr(c) + "-" for c in block])
        found.update(c for c, encoding in zip(block, encodings) if 1 not in encoding.ids)
    found.discard(ord("-"))
    return found


def stripped_spaces() -> set[int]:
    """What an added token with lstrip takes with it."""
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[], unk_token="a"))
    tokenizer.add_tokens([AddedToken("-", lstrip=True)])
    return {c for c in CODE_POINTS if c != ord("-") and len(tokenizer.encode(chr(c) + "-").ids) == 1}


def decompositions() -> list[tuple[int, int, int, bool]]:
    """(code point, first, second or 0, is it composed again) of all canonical decompositions but Hangul's."""
    found = []
    for c in CODE_POINTS:
        full = NFD.normalize_str(chr(c))
        if full == chr(c) or 0xAC00 <= c < 0xD7A4:
            continue
        parts = [int(part, 16) for part in unicodedata.decomposition(chr(c)).split()]
        if len(parts) not in (1, 2) or NFD.normalize_str("".join(map(chr, parts))) != full:
            sys.exit(f"U+{c:04X}: the package's decomposition isn't the known one")
        found.append((c, parts[0], parts[1] if len(parts) == 2 else 0, NFC.normalize_str(full) == chr(c)))
    return found


def combining_class(c: int) -> int:
    known = unicodedata.combining(chr(c))
    if NFD.normalize_str(chr(c)) != chr(c):
        return known  # of no effect: its parts' classes count
    if known in (0, 240):
        if NFD.normalize_str(IOTA_BELOW + chr(c)) != IOTA_BELOW + NFD.normalize_str(chr(c)):
            sys.exit(f"U+{c:04X}: unknown combining class")
        return known
    return known if NFD.normalize_str(IOTA_BELOW + chr(c)) == chr(c) + IOTA_BELOW else 0


def runs(value_of: dict[int, int]) -> list[tuple[int, int, int]]:
    """(first, last, value) of all stretches with the same value other than 0."""
    found: list[tuple[int, int, int]] = []
    for c in sorted(value_of):
        if found and found[-1][1] == c - 1 and found[-1][2] == value_of[c]:
            found[-1] = (found[-1][0], c, value_of[c])
        elif value_of[c]:
            found.append((c, c, value_of[c]))
    return found


def main() -> None:
    properties = dict.fromkeys(range(0x110000), 0)

    def mark(code_points: set[int], flag: int) -> None:
        for c in code_points:
            properties[c] |= flag

    spaces = matching(r"\s")
    if stripped_spaces() != spaces:
        sys.exit("the package has two notions of white space")
    mark(matching(r"\p{L}"), LETTER)
    mark(matching(r"\p{N}"), NUMBER)
    mark(spaces, SPACE)
    mark(numeric(), NUMERIC)
    mark(word_characters(), WORD)
    classes = {c: combining_class(c) for c in CODE_POINTS}
    mark({c for c, value in classes.items() if value}, NONSTARTER)
    table = decompositions()
    mark({second for _, _, second, composed in table if composed}, CHECK)
    mark({c for c, _, _, composed in table if not composed}, CHECK)
    mark(JAMO_AFTER_A_SYLLABLE, CHECK)

    def array(declaration: str, rows: list[str]) -> str:
        return f"const {declaration}[] = {{\n" + textwrap.fill(", ".join(rows), 100) + "\n};\n"

    text = (
        f"// Made by generate_unicode_tables.py from tokenizers {tokenizers.__version__}; don't edit.\n"
        '#include "policy/tokenizer/unicode_tables.h"\n\n// clang-format off\nnamespace tpo::unicode {\n\n'
        + array("Run kPropertyRuns", ["{%#x,%#x,%d}" % run for run in runs(properties)])
        + "const size_t kPropertyRunCount = sizeof(kPropertyRuns) / sizeof(Run);\n\n"
        + array("Run kCombiningClassRuns", ["{%#x,%#x,%d}" % run for run in runs(classes)])
        + "const size_t kCombiningClassRunCount = sizeof(kCombiningClassRuns) / sizeof(Run);\n\n"
        + array("Decomposition kDecompositions", ["{%#x,%#x,%#x,%d}" % entry for entry in table])
        + "const size_t kDecompositionCount = sizeof(kDecompositions) / sizeof(Decomposition);\n\n"
        + "}  // namespace tpo::unicode\n"
    )
    pathlib.Path(__file__).with_name("unicode_tables.cc").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
