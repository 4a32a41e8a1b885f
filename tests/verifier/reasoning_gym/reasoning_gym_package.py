"""Loads two modules of the package reasoning-gym without the rest, which would need a dozen more packages.

Needs the environment of `./dev setup reasoning-gym`, or the interpreter that $TPO_REASONING_GYM_PYTHON names.
"""

import hashlib
import importlib
import importlib.util
import os
import pathlib
import sys
import types

SOURCE = pathlib.Path(__file__).parents[3]
SKIPPED = 77
REQUIREMENTS = SOURCE / "third_party" / "reasoning-gym-requirements.txt"


def environment_python() -> pathlib.Path | None:
    given = os.environ.get("TPO_REASONING_GYM_PYTHON")
    if given:
        return pathlib.Path(given)
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "tpo"
    environment = cache / f"venv-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]}"
    return environment / "bin" / "python" if (environment / ".complete").exists() else None


def load() -> tuple[types.ModuleType, types.ModuleType]:
    """The modules of graph coloring and of knights and knaves. Runs the program again with the right interpreter where
    this one lacks the package; ends it with 77 where there is none."""
    found = importlib.util.find_spec("reasoning_gym")
    if found is None:
        python = environment_python()
        if python is None or "TPO_REASONING_GYM_TEST" in os.environ:
            print("SKIPPED: `./dev setup reasoning-gym` installs the package that this compares with")
            sys.exit(SKIPPED)
        os.execve(python, [str(python), *sys.argv], {**os.environ, "TPO_REASONING_GYM_TEST": "1"})
    root = pathlib.Path(found.origin).parent
    for name in ("reasoning_gym", "reasoning_gym.algorithmic", "reasoning_gym.logic"):
        module = types.ModuleType(name)
        module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module
    importlib.import_module("reasoning_gym.coaching")
    return (importlib.import_module("reasoning_gym.algorithmic.graph_color"),
            importlib.import_module("reasoning_gym.logic.knights_knaves"))
