"""The wall clock of processes, set to another time while they run, as when somebody sets their machine's clock."""

import os
import pathlib
import struct

# clock_shift.cc, built; not there with sanitizers.
LIBRARY = os.environ.get("TPO_CLOCK_SHIFT")


class WallClock:
    """Of the processes that are started `under` it, in all their lives. `file` holds how far it is off."""

    def __init__(self, file):
        self._file = pathlib.Path(file)
        self._nanoseconds = 0
        self._file.write_bytes(struct.pack("q", 0))
        self.under = ["env", f"LD_PRELOAD={LIBRARY}", f"TPO_CLOCK_OFFSET_FILE={self._file}"]

    @staticmethod
    def available():
        return bool(LIBRARY) and pathlib.Path(LIBRARY).exists()

    def jump(self, seconds):
        """Forward, or back when negative."""
        self._nanoseconds += round(seconds * 1e9)
        # In place: the processes have the file mapped.
        with open(self._file, "r+b") as file:
            file.write(struct.pack("q", self._nanoseconds))
