"""Runs a test program as a user without rights, when this one is root; else as it is."""

import os
import sys

NOBODY = 65534
SKIPPED = 77


def main() -> None:
    program = sys.argv[1]
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        if not os.access(program, os.X_OK) or not os.access(os.environ["TPO_BIN_DIR"] + "/tpo-sandbox", os.X_OK):
            print(f"skipped: user {NOBODY} may not run {program}")
            sys.exit(SKIPPED)
    os.execv(program, sys.argv[1:])


main()
