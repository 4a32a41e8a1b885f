"""The Python package of examples/verifiers/python without installing it: its messages, its path,
its server.
"""

import atexit
import importlib.util
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(os.environ["TPO_SOURCE_DIR"]) / "tests" / "integration"))

import harness  # noqa: E402

PACKAGE = harness.SOURCE / "examples" / "verifiers" / "python"
HERE = pathlib.Path(__file__).parent


def _generate():
    try:
        specification = importlib.util.spec_from_file_location(
            "package_setup", PACKAGE / "setup.py"
        )
        setup = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(setup)
        folder = tempfile.mkdtemp(prefix="tpo_messages_")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        setup.generate(pathlib.Path(folder))
    except ImportError as missing:
        harness.missing_package(missing)
    return folder


# Where the messages, the package, its examples and the graders of the tests are.
PATH = [_generate(), str(PACKAGE / "src"), str(PACKAGE / "examples"), str(HERE)]
sys.path[:0] = PATH


class Server(harness.Process):
    """`python -m tpo_verifier`."""

    def __init__(self, function, *arguments, listen="127.0.0.1:0"):
        os.environ["PYTHONPATH"] = os.pathsep.join(PATH)
        super().__init__(
            sys.executable, "-m", "tpo_verifier", function, "--listen", listen, *arguments
        )
