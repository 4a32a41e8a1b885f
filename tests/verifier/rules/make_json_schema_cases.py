"""Writes json_schema_cases.jsonl: schemas and values, with what the package jsonschema (Draft202012Validator) says.

    PYTHON_OF_THE_TESTS tests/verifier/rules/make_json_schema_cases.py

The environment of the tests has the package. Schemas are written by hand, and made at random of the keywords.
"""

import json
import pathlib
import random

import jsonschema

VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 7, 1.0, 1.5, -0.5, 1e30, 2**53 + 1, "", "a", "ab", "abc", "A1", "é", "答案", "😀😀",
    "2024-01-31", "x-1", [], [1], [1, 2], [1, 1], [1, 1.0], [1, True], [0, False], ["a", 1, None], [[1], [1]], [[1],
    [2]],
    [{"a": 1}, {"a": 1.0}], [1, 2, 3, 4, 5], {}, {"a": 1}, {"a": "x"}, {"a": 1, "b": 2}, {"b": [1, 2]},
    {"name": "Ann", "age": 3}, {"name": "Ann", "age": -3}, {"name": "", "tags": ["x", "x"]}, {"a": {"a": {"a": {}}}},
    {"a": {"a": 1}}, {"x-1": 1}, {"left": {"value": 1}, "value": 2, "right": {}}, {"value": 1, "left": {"left": 3}},
]

BY_HAND = [
    True, False, {}, {"type": "integer"}, {"type": ["string", "null"]}, {"const": 1}, {"const": {"a": 1}},
    {"const": [1]},
    {"enum": [1, "a", None, [1, 1]]}, {"enum": []}, {"minimum": 1, "maximum": 2}, {"exclusiveMinimum": 1},
    {"exclusiveMaximum": 1}, {"multipleOf": 0.5}, {"multipleOf": 3}, {"minLength": 2}, {"maxLength": 2},
    {"pattern": "^[a-z]+$"}, {"pattern": "\\d"}, {"minItems": 1, "maxItems": 2}, {"uniqueItems": True},
    {"uniqueItems": False}, {"items": {"type": "integer"}}, {"items": False},
    {"prefixItems": [{"type": "integer"}, True], "items": {"const": 3}}, {"prefixItems": [{"const": 1}]},
    {"contains": {"const": 1}}, {"contains": {"const": 1}, "minContains": 2}, {"contains": True, "maxContains": 1},
    {"contains": {"const": 9}, "minContains": 0}, {"required": ["a"]}, {"minProperties": 1, "maxProperties": 1},
    {"properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    {"patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": {"type": "array"}},
    {"propertyNames": {"maxLength": 1}}, {"dependentRequired": {"a": ["b"]}},
    {"dependentSchemas": {"a": {"required": ["b"]}}}, {"allOf": [{"type": "number"}, {"minimum": 1}]},
    {"anyOf": [{"type": "string"}, {"minimum": 2}]}, {"oneOf": [{"type": "integer"}, {"minimum": 2}]},
    {"not": {"type": "string"}}, {"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"type": "array"}},
    {"then": False}, {"if": False, "else": {"type": "null"}},
    {"$ref": "#/$defs/x", "$defs": {"x": {"type": "integer"}}}, {"properties": {"a": {"$ref": "#"}}, "type": "object"},
    {"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"type": "string"}}, "minLength": 1},
    {"$defs": {"tree": {"type": "object", "properties": {
        "value": {"type": "integer"}, "left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}},
        "required": ["value"]}}, "$ref": "#/$defs/tree"},
    {"type": "object", "title": "person", "properties": {
        "name": {"type": "string", "minLength": 1}, "age": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}, "required": ["name"]},
    {"format": "date", "type": "string"}, {"minLength": 2.0}, {"maxItems": 1.0}, {"type": "number",
    "multipleOf": 0.25},
]


def made(rng: random.Random, depth: int) -> object:
    """A schema of a few keywords."""
    if depth == 0 or rng.random() < 0.1:
        return rng.choice([True, False, {"type": rng.choice(["integer", "string", "array", "object", "null",
        "number"])},
                           {"const": rng.choice(VALUES)}, {"minimum": rng.randint(-1, 3)},
                           {"maxLength": rng.randint(0, 3)}])

    def sub() -> object:
        return made(rng, depth - 1)

    choices = {
        "type": lambda: rng.choice(["integer", "string", "array", "object", ["number", "null"], ["boolean",
        "string"]]),
        "enum": lambda: rng.sample(VALUES, 4), "minimum": lambda: rng.randint(-1, 3),
        "maxLength": lambda: rng.randint(0, 3),
        "minItems": lambda: rng.randint(0, 2), "uniqueItems": lambda: True, "items": sub, "contains": sub,
        "prefixItems": lambda: [sub(), sub()], "properties": lambda: {"a": sub(), "value": sub()},
        "additionalProperties": sub, "required": lambda: [rng.choice(["a", "b", "value"])], "propertyNames": sub,
        "allOf": lambda: [sub(), sub()], "anyOf": lambda: [sub(), sub()], "oneOf": lambda: [sub(), sub()], "not": sub,
        "if": sub, "then": sub, "else": sub, "maxProperties": lambda: rng.randint(0, 2),
    }
    return {name: choices[name]() for name in rng.sample(sorted(choices), rng.randint(1, 3))}


def main() -> None:
    rng = random.Random(0)
    schemas = BY_HAND + [made(rng, rng.randint(1, 3)) for _ in range(250)]
    path = pathlib.Path(__file__).parent / "json_schema_cases.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for index, schema in enumerate(schemas):
            validator = jsonschema.Draft202012Validator(schema)
            values = VALUES if index < len(BY_HAND) else rng.sample(VALUES, 12)
            row = {"schema": schema, "values": [[value, validator.is_valid(value)] for value in values]}
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
