"""Which programs need LibTorch at run time."""

import os
import pathlib
import subprocess
import unittest

BIN = pathlib.Path(os.environ["TPO_BIN_DIR"])
LIBTORCH = ("libtorch", "libc10")


def libraries(program):
    """Names of all libraries that the loader brings in, those of libraries included."""
    listed = subprocess.run(["ldd", BIN / program], check=True, capture_output=True, text=True).stdout
    return [line.split()[0] for line in listed.splitlines()]


class LinkingTest(unittest.TestCase):
    def test_the_front_end_and_the_verifier_start_without_libtorch(self):
        for program in ("tpo", "tpo-verifier", "tpo-verifier-check", "tpo-relay"):
            self.assertEqual([name for name in libraries(program) if name.startswith(LIBTORCH)], [], program)

    def test_the_front_end_starts_without_grpc(self):
        self.assertEqual([name for name in libraries("tpo") if name.startswith(("libgrpc", "libprometheus"))], [])

    def test_the_engine_has_what_the_others_lack(self):
        names = libraries("tpo-engine")
        self.assertTrue(any(name.startswith("libtorch") for name in names), names)
        self.assertTrue(any(name.startswith("libgrpc") for name in names), names)


if __name__ == "__main__":
    unittest.main()
