"""Every rpc, message, field and value of the wire says what it is: a worker or verifier is written from the files alone."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from google.protobuf import descriptor_pb2

SOURCE = pathlib.Path(__file__).resolve().parents[2]
# Numbers of fields within the descriptors (google/protobuf/descriptor.proto), of which paths to comments are made.
FILE_MESSAGES, FILE_ENUMS, FILE_SERVICES = 4, 5, 6
MESSAGE_FIELDS, MESSAGE_MESSAGES, MESSAGE_ENUMS = 2, 3, 4
ENUM_VALUES = SERVICE_METHODS = 2
# The config's fields carry their explanations as options, which `tpo validate --reference` prints.
EXPLAINED_BY_OPTIONS = {"config.proto", "rule.proto"}


def described(file):
    """(path, name) of everything in a file that needs a comment."""

    def of_enum(path, prefix, enum):
        yield path, prefix + enum.name
        for i, value in enumerate(enum.value):
            if not value.name.endswith("_UNSPECIFIED"):
                yield (*path, ENUM_VALUES, i), f"{prefix}{enum.name}.{value.name}"

    def of_message(path, prefix, message):
        if message.options.map_entry:
            return
        yield path, prefix + message.name
        inner = f"{prefix}{message.name}."
        for i, field in enumerate(message.field):
            yield (*path, MESSAGE_FIELDS, i), inner + field.name
        for i, nested in enumerate(message.nested_type):
            yield from of_message((*path, MESSAGE_MESSAGES, i), inner, nested)
        for i, enum in enumerate(message.enum_type):
            yield from of_enum((*path, MESSAGE_ENUMS, i), inner, enum)

    for i, message in enumerate(file.message_type):
        yield from of_message((FILE_MESSAGES, i), "", message)
    for i, enum in enumerate(file.enum_type):
        yield from of_enum((FILE_ENUMS, i), "", enum)
    for i, service in enumerate(file.service):
        yield (FILE_SERVICES, i), service.name
        for k, method in enumerate(service.method):
            yield (FILE_SERVICES, i, SERVICE_METHODS, k), f"{service.name}.{method.name}"


class WireCommentsTest(unittest.TestCase):
    def test_everything_on_the_wire_has_a_comment(self):
        names = sorted(path.name for path in (SOURCE / "proto/tpo/v1").glob("*.proto"))
        wire = [f"tpo/v1/{name}" for name in names if name not in EXPLAINED_BY_OPTIONS]
        with tempfile.TemporaryDirectory() as scratch:
            out = os.path.join(scratch, "descriptors")
            subprocess.run(["protoc", f"-I{SOURCE / 'proto'}", "--include_source_info", f"--descriptor_set_out={out}", *wire],
                           check=True)
            files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out).read_bytes()).file
        self.assertGreaterEqual({file.name for file in files}, {"tpo/v1/learner.proto", "tpo/v1/verifier.proto"})
        for file in files:
            commented = {tuple(location.path) for location in file.source_code_info.location
                         if location.leading_comments.strip() or location.trailing_comments.strip()}
            missing = [name for path, name in described(file) if path not in commented]
            self.assertEqual(missing, [], file.name)


if __name__ == "__main__":
    unittest.main()
