"""A reward function whose process ends, in a module that the next process never gets imported."""

import os
import pathlib
import threading

from tpo_verifier import verifier

_FOLDER = pathlib.Path(os.environ["TPO_TEST_FOLDER"])

if (_FOLDER / "ended").exists():
    (_FOLDER / "importing").write_text(str(os.getpid()))
    threading.Event().wait()


@verifier(tasks=["slow_start"])
def ends(completions):
    (_FOLDER / "ended").touch()
    os._exit(3)
