#!/usr/bin/env python3
"""Runs the pods of an overlay on this machine and shows how they learn, from the rendered manifests (pods.py).

    ./dev build && TPO_BIN_DIR=$PWD/build/release/bin tests/deploy/run_overlay.py [OVERLAY] [--steps N]

With the Python of the tests (third_party/test-requirements.txt), as root. OVERLAY is deploy/overlays/demo unless told.
"""

import argparse
import os
import pathlib
import re
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
os.environ.setdefault("TPO_SOURCE_DIR", str(pathlib.Path(__file__).resolve().parents[2]))
os.environ.setdefault("TPO_BIN_DIR", os.environ["TPO_SOURCE_DIR"] + "/build/release/bin")
import harness  # noqa: E402
import kustomize  # noqa: E402
import pods  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="Runs the pods of an overlay on this machine.")
    parser.add_argument("overlay", nargs="?", type=pathlib.Path, default=kustomize.DEPLOY / "overlays/demo")
    parser.add_argument("--steps", type=int, default=300, help="when to end; the overlay's own end at the latest")
    options = parser.parse_args()
    reason = pods.can_run()
    if reason:
        sys.exit(f"can't run pods here: {reason}")
    with tempfile.TemporaryDirectory() as scratch:
        cluster = pods.Cluster(kustomize.render(options.overlay.resolve()), scratch)
        try:
            follow(cluster, options.steps)
        finally:
            cluster.kill()


def follow(cluster, steps):
    start = time.monotonic()
    cluster.start()
    for pod in cluster.pods:
        pod.ready()
        print(f"{time.monotonic() - start:6.1f} s  {pod.name} is ready at {pod.address}", flush=True)
    (learner,) = cluster.named("tpo-learner")
    run = harness.Run(learner.claim("run") / "run")
    told = 0
    while len(run.lines) < steps and not (run.directory / "summary.json").exists():
        cluster.restart_ended()
        records = run.records
        if len(records) >= told + max(1, steps // 10):
            told = len(records)
            recent = [record["error"] for record in records[-20:]]
            print(f"{time.monotonic() - start:6.1f} s  step {told}: error {100 * sum(recent) / len(recent):.1f} %",
                  flush=True)
        time.sleep(0.1)
    for pod in cluster.pods:
        if pod.process.poll() is None:
            resident = re.search(r"^tpo_process_resident_memory_bytes(?:{.*})? (\S+)$", pod.metrics(), re.MULTILINE)
            print(f"{time.monotonic() - start:6.1f} s  {pod.name} has {float(resident[1]) / 1e6:.0f} MB in memory")
    for pod in reversed(cluster.pods):
        if pod.process.poll() is None:
            print(f"{time.monotonic() - start:6.1f} s  {pod.name} ended with {pod.terminate()}")


if __name__ == "__main__":
    main()
