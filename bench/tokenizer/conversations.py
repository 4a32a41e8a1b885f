"""Conversations that try a chat template, and small templates that try the constructs of Jinja one by one."""

import pathlib
import random

TEXTS = [
    "What is 12 + 7?", "  leading and trailing  ", "", "Two\nlines\n", "naïve 我 🙂", "quote \" ' \\ <b>&amp;</b>",
    "<think>\nLet me see.\n</think>\n\nIt is 19.", "[result]\n42\n[/result]", "\n\nblank lines\n\n", "tab\tand\u00a0nbsp\u3000",
    "{{ not a tag }} {% nor this %}", "<|im_end|>", "0", "None", "\u2028line separator", "\x07 bell",
]
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "The weather \"now\" at a place – über alles",
     "parameters": {"type": "object", "properties": {"place": {"type": "string", "enum": ["Köln", "東京"]},
                                                     "days": {"type": "integer", "default": 3}}, "required": ["place"]}}},
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}, "x": [1, 2.5, None, True, 1e-7]}}},
    {"name": "bare", "empty": {}, "list": [], "nested": [[1], {"a": []}], "float": 1.0, "big": 123456789012345},
]
ARGUMENTS = [{}, {"place": "Köln"}, {"a": 1, "b": -2.5, "c": None, "d": True}, {"x": {"y": [1, "2"]}}, '{"raw": "text"}', {"q": "it's \"it\""}]


def message(rng: random.Random, role: str) -> dict:
    made = {"role": role, "content": rng.choice(TEXTS)}
    if rng.random() < 0.1 and role != "system":
        made["content"] = [{"type": "text", "text": rng.choice(TEXTS)} for _ in range(rng.randrange(3))]
        if rng.random() < 0.3:
            made["content"].append({"type": "image", "url": "x"})
    if role == "assistant":
        if rng.random() < 0.3:
            made[rng.choice(["reasoning_content", "thinking", "reasoning"])] = rng.choice(TEXTS)
        if rng.random() < 0.3:
            made["tool_calls"] = [call(rng) for _ in range(rng.choice([1, 1, 1, 2, 0]))]
            if rng.random() < 0.3:
                made["content"] = None
    if role == "tool" and rng.random() < 0.3:
        made["content"] = rng.choice([{"a": 1, "b": [None]}, 42, 2.5, True, ["x", {"y": 1}]])
    if rng.random() < 0.05:
        made["stop"] = rng.choice([True, False, None, 0])
    return made


def call(rng: random.Random) -> dict:
    function = {"name": rng.choice(["weather", "add", "search"]), "arguments": rng.choice(ARGUMENTS)}
    return function if rng.random() < 0.15 else {"id": "1", "type": "function", "function": function}


def conversation(rng: random.Random) -> dict:
    """The arguments of one rendering."""
    messages = [message(rng, "system")] if rng.random() < 0.5 else []
    if rng.random() < 0.6:
        for _ in range(rng.randrange(1, 4)):
            messages += [message(rng, "user"), message(rng, "assistant")]
            if messages[-1].get("tool_calls"):
                messages += [message(rng, "tool") for _ in range(rng.randrange(3))]
        if rng.random() < 0.5:
            messages.append(message(rng, "user"))
    else:
        messages += [message(rng, rng.choice(["user", "assistant", "tool", "system", "note", "ipython"]))
                     for _ in range(rng.randrange(1, 6))]
    variables = {}
    for name, values in {"thinking": [True, False], "enable_thinking": [True, False], "tools_with": ["system", "user"],
                         "tools_in_user_message": [True, False], "builtin": [["hidden", "search"], ["weather"]],
                         "builtin_tools": [["code_interpreter", "search"]], "today": ["1 May"], "date_string": ["2 May"],
                         "default_system": ["Hm.", ""]}.items():
        if rng.random() < 0.2:
            variables[name] = rng.choice(values)
    return {
        "messages": messages, "tools": rng.sample(TOOLS, rng.randrange(1, 4)) if rng.random() < 0.3 else None,
        "variables": variables, "add_generation_prompt": rng.random() < 0.5,
    }


# For the templates of constructs.jinja.
VARIABLES = {"s": "Hello, Wörld", "n": 7, "f": 2.5, "l": [3, 1, 2], "d": {"b": 1, "a": [1, "x"], "items": 5}, "t": True, "z": None,
             "rows": [{"k": "x", "n": 1}, {"k": "y", "n": 2}, {"k": "x", "n": 3}], "e": [], "big": 1e16, "tiny": 0.00001, "q": "it's \"q\"\n"}


def constructs() -> list[str]:
    """The templates of constructs.jinja, which lines of ==== part; its last newline isn't one of a template."""
    text = pathlib.Path(__file__).with_name("constructs.jinja").read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n====\n")
