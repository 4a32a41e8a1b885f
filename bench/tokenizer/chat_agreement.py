"""Compares what we render with chat templates with what transformers' apply_chat_template makes of the same.

    ninja -C build/release render_chats
    python bench/tokenizer/chat_agreement.py build/release/bench/render_chats [TEMPLATE.jinja …]

with the packages of third_party/tokenizer-requirements.txt. Without files it takes the templates of the tests. Each is
rendered with --conversations random conversations (conversations.py); the templates of constructs.jinja, each a
construct of Jinja or a few, once. Counted are: the same text; refused by both; refused by us alone, as not supported
(never a difference); and differences, which make the exit status 1.
--golden writes the cases of the C++ tests instead.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import conversations
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "tests" / "policy" / "chat_template" / "templates"
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
NOW = 1_750_000_000

os.environ["TZ"] = "UTC"
time.tzset()


class FixedNow(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW)


chat_template_utils.datetime = FixedNow


def expected(tokenizer, request: dict) -> dict:
    """{"text"} or {"error"}."""
    try:
        text = tokenizer.apply_chat_template(
            request["messages"], tools=request["tools"], chat_template=request["template"], tokenize=False,
            add_generation_prompt=request["add_generation_prompt"], **request["variables"])
    except Exception as error:  # noqa: BLE001  # whatever a template can raise
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    return {"text": text}


def requests(files: list[pathlib.Path], count: int, seed: int):
    for path in files:
        rng = random.Random(f"{seed} {path.name}")
        template = path.read_text(encoding="utf-8")
        for _ in range(count):
            yield path.name, {"template": template, **conversations.conversation(rng)}


def construct_requests():
    for template in conversations.constructs():
        yield "constructs", {"template": template, "messages": [{"role": "user", "content": "x"}], "tools": None,
                             "variables": conversations.VARIABLES, "add_generation_prompt": False}


def write_golden(tokenizer, files: list[pathlib.Path]) -> None:
    folder = TEMPLATES.parent
    cases = [{**{key: value for key, value in request.items() if key != "template" and value not in (None, {}, False)},
              "name": name, **expected(tokenizer, request)} for name, request in requests(files, 50, 3)]
    constructs = [{"template": request["template"], **expected(tokenizer, request)} for _, request in construct_requests()]
    for name, content in (("conversations", {"special_tokens": SPECIAL, "now": NOW, "cases": cases}),
                          ("constructs", {"variables": conversations.VARIABLES, "cases": constructs})):
        entries = ",\n".join(json.dumps(case, ensure_ascii=False) for case in content.pop("cases"))
        head = json.dumps(content, ensure_ascii=False)[:-1]
        (folder / f"{name}.json").write_text(f'{head}, "cases": [\n{entries}\n]}}\n', encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="render_chats")
    parser.add_argument("templates", nargs="*", type=pathlib.Path)
    parser.add_argument("--conversations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--golden", action="store_true")
    arguments = parser.parse_intermixed_args()

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), **SPECIAL)
    files = arguments.templates or sorted(TEMPLATES.glob("*.jinja"))
    if arguments.golden:
        write_golden(tokenizer, files)
        return
    made = list(requests(files, arguments.conversations, arguments.seed)) + list(construct_requests())
    lines = "".join(json.dumps({**request, "special_tokens": SPECIAL, "now": NOW}) + "\n" for _, request in made)
    run = subprocess.run([arguments.program], input=lines, check=True, capture_output=True, text=True)
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    shown = 0
    for (name, request), line in zip(made, run.stdout.split("\n")[:-1], strict=True):
        wanted, got = expected(tokenizer, request), json.loads(line)
        if "text" in wanted and got.get("text") == wanted["text"]:
            outcome = "same"
        elif "error" in wanted and "text" not in got:
            outcome = "refused by both"
        elif "text" in wanted and got.get("code") == "UNIMPLEMENTED":
            outcome = "unsupported"
        else:
            outcome = "different"
        counts[name][outcome] += 1
        if outcome in ("different", "unsupported") and shown < 16:
            shown += 1
            source = request["template"] if name == "constructs" else json.dumps(request["messages"])[:300]
            print(f"{outcome} {name}: {source}\n  transformers {str(wanted)[:500]}\n  ours         {str(got)[:500]}", file=sys.stderr)
    for name, counter in counts.items():
        print(f"{name}: {dict(counter)}")
    sys.exit(1 if any(counter["different"] for counter in counts.values()) else 0)


if __name__ == "__main__":
    main()
