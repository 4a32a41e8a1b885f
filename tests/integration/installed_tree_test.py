"""An installed tree runs wherever it is moved to, with its own LibTorch."""

import os
import pathlib
import re
import subprocess

import harness
from harness import overrides

CMAKE = os.environ.get("TPO_CMAKE", "cmake")
COMPONENTS = ("tpo", "tpo_engine", "libtorch")


class InstalledTreeTest(harness.IntegrationTest):
    def test_a_moved_tree_trains(self):
        first = self.scratch / "first"
        for component in COMPONENTS:
            subprocess.run([CMAKE, "--install", os.environ["TPO_BINARY_DIR"], "--component", component, "--prefix", first],
                           check=True, stdout=subprocess.DEVNULL)
        if not (first / "lib/tpo/torch/lib/libtorch_cpu.so").is_file():
            self.skipTest("built with TPO_INSTALL_LIBTORCH=OFF")
        tree = first.rename(self.scratch / "moved")
        libraries = subprocess.run(["ldd", tree / "bin/tpo-engine"], check=True, capture_output=True, text=True).stdout
        found = re.findall(r"(libtorch\S*|libc10\S*) => (\S+)", libraries)
        self.assertIn("libtorch_cpu.so", dict(found))
        for name, path in found:
            self.assertTrue(pathlib.Path(path).resolve().is_relative_to(tree), f"{name} is {path}")
        run = self.scratch / "run"
        steps = overrides(learner__steps=2)
        subprocess.run([tree / "bin/tpo", "train", harness.SMALL, "--run_dir", run, "--quiet", *steps], check=True,
                       env={"PATH": "/usr/bin:/bin", "HOME": str(self.scratch)}, timeout=harness.PATIENCE_SECONDS)
        self.assertTrue((run / "summary.json").is_file())


if __name__ == "__main__":
    harness.main()
