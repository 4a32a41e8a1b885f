"""Who may include whom: reads every #include of our sources. Needs nothing built."""

import os
import pathlib
import re
import unittest

SOURCE = pathlib.Path(os.environ.get("TPO_SOURCE_DIR", pathlib.Path(__file__).parents[2]))

# What each folder may include of ours:
#   core ← policy ← {rollout, learner} ← services, core ← verifier ← services
LAYERS = {
    "core": {"core"},
    "policy": {"core", "policy"},
    "rollout": {"core", "policy", "rollout"},
    "learner": {"core", "policy", "learner"},
    "verifier": {"core", "verifier"},
    "services": {"core", "policy", "rollout", "learner", "verifier", "services"},
}

# Where headers of these libraries may be included directly.
LIBTORCH = re.compile(r"(torch|ATen|c10|caffe2)/")
WIRE = re.compile(r"(grpc|grpcpp|grpc\+\+|google/protobuf|google/rpc|tpo/v1|prometheus)/")
FRONT_END = re.compile(r"(CLI|yaml-cpp)/")
LIBRARIES = [
    (LIBTORCH, {"policy", "rollout", "learner"}),
    (WIRE, {"services"}),
    (FRONT_END, {"services"}),
    (re.compile(r"curl/|civetweb"), {"services"}),
    (re.compile(r"(nlohmann|spdlog)/"), set(LAYERS) - {"core"}),
]
# All that core may include beyond itself and the headers of the language and the system; those have no folder, or one
# of these.
CORE_ALLOWS = re.compile(r"(absl|crc32c)/")
SYSTEM = re.compile(r"[a-z0-9_.]+$|(sys|linux|netinet|arpa|bits)/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def faults(layer, text):
    """What is wrong with the includes of a file in `layer`."""
    found = []
    for kind, header in INCLUDE.findall(text):
        top = header.split("/")[0]
        if kind == '"' and top in LAYERS and top not in LAYERS[layer]:
            found.append(f"{layer} must not include {header}")
        for library, allowed in LIBRARIES:
            if library.match(header) and layer not in allowed:
                found.append(f"{layer} must not include {header}")
        if layer == "core" and top != "core" and not CORE_ALLOWS.match(header) and not SYSTEM.match(header):
            found.append(f"core must not include {header}")
    return found


def sources(layer):
    return sorted(path for path in (SOURCE / layer).rglob("*") if path.suffix in (".h", ".cc"))


class LayeringTest(unittest.TestCase):
    def test_every_source_keeps_to_its_layer(self):
        for layer in LAYERS:
            files = sources(layer)
            self.assertTrue(files, layer)
            for path in files:
                with self.subTest(file=str(path.relative_to(SOURCE))):
                    self.assertEqual(faults(layer, path.read_text(encoding="utf-8")), [])

    def test_includes_name_our_headers_from_the_root(self):
        for layer in LAYERS:
            for path in sources(layer):
                for kind, header in INCLUDE.findall(path.read_text(encoding="utf-8")):
                    if kind == '"' and header.split("/")[0] in LAYERS:
                        self.assertTrue((SOURCE / header).is_file(), f"{path} includes {header}")
                    self.assertNotIn("..", header.split("/"), path)

    def test_no_source_is_outside_the_layers(self):
        allowed = set(LAYERS) | {"tests", "bench", "examples", "cmake"}
        for path in SOURCE.iterdir():
            if path.is_dir() and path.name not in allowed and not path.name.startswith((".", "build", "_deps")):
                stray = [str(found) for suffix in ("*.h", "*.cc") for found in path.rglob(suffix)]
                self.assertEqual(stray, [])

    def test_the_rules_refuse(self):
        for layer, include in [("core", '"policy/policy.h"'), ("core", '"spdlog/spdlog.h"'),
                               ("core", "<torch/torch.h>"), ("core", '"google/protobuf/message.h"'), ("policy", '"rollout/worker.h"'),
                               ("rollout", '"learner/learner.h"'), ("learner", '"rollout/worker.h"'),
                               ("learner", '"verifier/registry.h"'), ("verifier", '"policy/policy.h"'),
                               ("verifier", "<ATen/ATen.h>"), ("verifier", '"services/grpc/server.h"'),
                               ("learner", '"grpcpp/grpcpp.h"'), ("rollout", '"tpo/v1/types.pb.h"'),
                               ("learner", "<prometheus/counter.h>"), ("services", "<torch/torch.h>"),
                               ("core", '"nlohmann/json.hpp"'), ("rollout", '"CLI/CLI.hpp"'), ("verifier", "<curl/curl.h>")]:
            with self.subTest(layer=layer, include=include):
                self.assertNotEqual(faults(layer, f"#include {include}\n"), [])
        for layer, include in [("core", '"absl/status/status.h"'), ("core", "<sys/stat.h>"), ("core", "<vector>"),
                               ("policy", "<ATen/core/Tensor.h>"), ("services", '"grpcpp/grpcpp.h"'),
                               ("services", '"verifier/registry.h"'), ("learner", '"spdlog/spdlog.h"')]:
            with self.subTest(layer=layer, include=include):
                self.assertEqual(faults(layer, f"#include {include}\n"), [])


if __name__ == "__main__":
    unittest.main()
