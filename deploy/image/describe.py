#!/usr/bin/env python3
"""Prints how large an image is, and writes down what it holds as CycloneDX.

    deploy/image/describe.py NAME:TAG --sbom FILE

Debian packages come from the records in the image (make_rootfs.py), through debsbom; tpo itself and what it brings from
Python wheels are added here.
"""

import argparse
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHEELS = {"torch": "libtorch", "nvidia": "cuda"}


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextlib.contextmanager
def mounted(image: str) -> Iterator[pathlib.Path]:
    """The image's files, for as long as the block lasts."""
    container = output_of("buildah", "from", "--pull-never", image)
    try:
        yield pathlib.Path(output_of("buildah", "mount", container))
    finally:
        output_of("buildah", "rm", container)


def wheels_in(files: pathlib.Path) -> list[dict[str, str]]:
    """The pinned wheels whose libraries are in the image."""
    folder = files / "usr/local/lib/tpo"
    requirements = []
    if (folder / "torch").exists():
        requirements.append("libtorch-requirements.txt")
    if (folder / "nvidia/cudnn").exists():
        requirements.append("cuda-requirements.txt")
    found = {}
    for name in requirements:
        text = (ROOT / "third_party" / name).read_text(encoding="utf-8")
        found |= dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    return [{"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
            for name, version in sorted(found.items())]


def debian_packages(files: pathlib.Path) -> dict:
    """debsbom reads one status file, of the kind that a whole system has."""
    records = sorted((files / "var/lib/dpkg/status.d").iterdir())
    with tempfile.TemporaryDirectory() as scratch:
        status = pathlib.Path(scratch) / "root/var/lib/dpkg/status"
        status.parent.mkdir(parents=True)
        status.write_text("\n".join(record.read_text(encoding="utf-8") for record in records), encoding="utf-8")
        sbom = pathlib.Path(scratch) / "sbom"
        subprocess.run([sys.executable, "-m", "debsbom.cli", "generate", "--sbom-type", "cdx", "--root",
                        f"{scratch}/root", "--distro-arch", "amd64", "--out", str(sbom)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.loads(pathlib.Path(f"{sbom}.cdx.json").read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Says what an image holds.")
    parser.add_argument("image")
    parser.add_argument("--sbom", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    name, version = arguments.image.split("/")[-1].split(":")
    with mounted(arguments.image) as files:
        sbom = debian_packages(files)
        sbom["components"] = sbom.get("components", []) + wheels_in(files)
    sbom["metadata"]["component"] = {"type": "container", "bom-ref": "image", "name": name, "version": version}
    sbom.pop("dependencies", None)
    arguments.sbom.write_text(json.dumps(sbom, indent=1) + "\n", encoding="utf-8")
    size = int(json.loads(output_of("podman", "image", "inspect", arguments.image))[0]["Size"])
    print(f"{arguments.image}: {size / 1e6:.1f} MB, {len(sbom['components'])} components in {arguments.sbom}")


if __name__ == "__main__":
    main()
