"""Generates the messages of the protocol (`tpo.v1`) into the build: they are never committed."""

import pathlib
from importlib import metadata

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
PROTOCOL = HERE.parents[2] / "proto"
FILES = ["tpo/v1/types.proto", "tpo/v1/verifier.proto"]


class BuildWithProtocol(build_py):
    """Copies the sources, then adds what protoc makes."""

    def run(self) -> None:
        super().run()
        generate(pathlib.Path(self.build_lib))


def generate(folder: pathlib.Path) -> None:
    """Writes tpo/v1/*_pb2.py, their type hints and the gRPC stubs below `folder`."""
    import grpc_tools
    from grpc_tools import protoc

    if not (PROTOCOL / FILES[0]).exists():
        raise FileNotFoundError(
            f"{PROTOCOL / FILES[0]}: install from a clone of the repository, which has proto/"
        )
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    folder.mkdir(parents=True, exist_ok=True)
    status = protoc.main(
        [
            "protoc",
            f"-I{PROTOCOL}",
            f"-I{well_known}",
            f"--python_out={folder}",
            f"--pyi_out={folder}",
            f"--grpc_python_out={folder}",
            *FILES,
        ]
    )
    if status != 0:
        raise RuntimeError(f"protoc ended with status {status}")


def dependencies() -> list[str]:
    """What is generated runs on the version that generated it and on newer ones."""
    grpc_version = metadata.version("grpcio-tools")
    protobuf_version = metadata.version("protobuf")
    return [
        f"grpcio>={grpc_version}",
        f"grpcio-health-checking>={grpc_version}",
        f"grpcio-reflection>={grpc_version}",
        f"protobuf>={protobuf_version}",
    ]


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithProtocol}, install_requires=dependencies())
