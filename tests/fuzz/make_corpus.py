"""Writes the seeds of the corpora: valid inputs, a few kilobytes each, from which a fuzzer finds the rest.

    tests/fuzz/make_corpus.py PROTO_PYTHON_DIR

PROTO_PYTHON_DIR holds the Python modules of proto/tpo/v1 (protoc --python_out). Inputs that a fuzzer found and that
are worth keeping are added by hand, with a name that says what they are.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

CORPUS = pathlib.Path(__file__).parent / "corpus"
SOURCE = CORPUS.parents[2]


def write(target: str, name: str, data: bytes | str) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


def piece(data: bytes | str) -> bytes:
    """As FuzzInput::Piece takes it."""
    if isinstance(data, str):
        data = data.encode()
    return struct.pack("<H", len(data)) + data


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def configs() -> None:
    for path in sorted((SOURCE / "examples").glob("*.yaml"))[:3]:
        write("config", path.stem, b"\x01" + path.read_bytes())
    for path in sorted((SOURCE / "examples/verifiers/bridges").glob("*.yaml"))[:2]:
        write("config", path.stem, b"\x00" + path.read_bytes())
    write("config", "override", b"\x02learner.optimizer={adamw: {learning_rate: 1.0e-3}}")
    write("config", "anchors", b"\x01" + b"a: &x {b: *x}\ntask: *x\n")
    write("config", "verifiers", b"\x01" + b"""
task: {sequence: {target: flip, reward: terminal, vocab_size: 3, length: 4}}
verifiers:
- {addresses: ["a:1", "[::1]:2"], name: n, tasks: ["math/*"], weight: 2, tls: {}}
- {address: b:1, role: gate, deadline_seconds: 3}
verification: {combine: weighted_sum, hedge: {quantile: 0.9}}
""")


def safetensors() -> None:
    header = json.dumps({
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "BF16", "shape": [], "data_offsets": [24, 26]},
        "c": {"dtype": "I64", "shape": [0, 5], "data_offsets": [26, 26]},
    }).encode()
    write("safetensors", "three", struct.pack("<Q", len(header)) + header + bytes(range(26)))
    write("safetensors", "empty", struct.pack("<Q", 2) + b"{}")
    header = b'{"a": ' + nested(100) + b"}"
    write("safetensors", "too_deep", struct.pack("<Q", len(header)) + header)


def rules() -> None:
    puzzle = '{"vertices": [0, 1], "edges": [[0, 1]], "color_options": [1, 2]}'
    schema = json.dumps({
        "$defs": {"tree": {"properties": {"left": {"$ref": "#/$defs/tree"}, "value": {"multipleOf": 0.5}},
                           "required": ["value"], "additionalProperties": False}},
        "$ref": "#/$defs/tree", "patternProperties": {"^v": {"anyOf": [{"type": "number"}, {"enum": ["x", None]}]}}})
    for name, which, given, answer, other in (
            ("numeric", 0, "-1,234.5e-2", "it is $-12.345%, or 1.2.3", "50\\% of \u221212"),
            ("numeric_whole", 1, "42", " 42.0 ", "x42"),
            ("gsm8k", 2, "steps\n#### 1,234", "#### 1,234.", "so $1,234 ..."),
            ("regex", 3, "(?i)a(b+)[^c]*?|\\d{2,5}$", "xABBBz", "12345"),
            ("regex_compared", 4, "x*", "axxb", ""),
            ("format", 5, "", "<think>a</think> <answer>b</answer>", "<answer></answer><think>"),
            ("length", 6, "", "h\u00e9llo \U0001f600", ""),
            ("json_schema", 7, schema, '```json\n{"value": 1.5, "left": {"value": 2}}\n```', '{"value": "x"}'),
            ("graph_coloring", 8, puzzle, '{"0": 1, "1": 2.0}', '[0, 1, NaN, "1", true]'),
            ("knights_knaves", 9, "Ann is a knight, and Bob is a knave.", "bob is a knave and (Ann is a knave)", "Ann a sage"),
            ("answer_tag", 10, "#### 7", "<a> #### 7 </a>", "<a><a>#### 7</a></a>")):
        write("rules", name, bytes([which]) + piece(given) + piece(answer) + other.encode())


def math() -> None:
    for name, text in {
        "fraction": "\\frac{1}{2}\nthe answer is \\boxed{0.5}",
        "interval": "[0, 1) \\cup \\{2\\}\n#### [0,1)\\cup\\{2\\}",
        "root": "\\sqrt{2}+\\sqrt[3]{5}\n$5^{1/3} + 2^{1/2}$",
        "matrix": "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}\n\\boxed{\\begin{bmatrix}1&2\\\\3&4\\end{bmatrix}}",
        "sum": "x^2-2x+1\n\\boxed{(x-1)^2}",
        "words": "12\\%\nso 12 percent, or 3\\text{ apples}",
        "factorial": "10!\n\\boxed{\\binom{10}{3} 2^{100} \\pi e}",
    }.items():
        write("math", name, text)


def traces() -> None:
    for name, text in {
            "sampled": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "later_version": "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more",
            "key": "4bf92f35a3ce929d/12/34", "key_of_slashes": "a/b/1/2"}.items():
        write("trace", name, text)


def nested(levels: int) -> bytes:
    """JSON around a limit on depth."""
    return b"[" * levels + b"]" * levels


def reward_servers() -> None:
    for name, data in {
        "openrlhf_nested": b'\x00{"rewards": [1, 0, 0], "extra_logs": ' + nested(99) + b"}",
        "openrlhf_too_deep": b'\x00{"rewards": ' + nested(100) + b"}",
        "slime_too_deep": b"\x01" + nested(101),
        "request_nested": b"\x05" + nested(100),
        "request_too_deep": b"\x05" + nested(101),
        "openrlhf": b"\x00" + b'{"rewards": [1, 0.5, true], "scores": [1, 2, 3], "extra_logs": {"x": [1, 2, 3]}}',
        "openrlhf_null": b"\x00" + b'{"rewards": [null, "1", 1e400]}',
        "slime": b"\x01" + b"0.25",
        "slime_object": b"\x01" + b'{"score": 1}',
        "nemo_gym": b"\x02" + b'{"reward": 1.0, "response": {"a": [1, {"b": null}]}}',
        "request": b"\x05" + b'{"verifier_type": "x", "y": [1, 2.5, "\\u00e9"]}',
    }.items():
        write("reward_server", name, data)


def run_files() -> None:
    group = {"step": 3, "prompt_id": 7, "prompt_tokens": [1, 0, 1], "reference_answer": "x\u001b[31m", "completions": [
        {"tokens": [1, 0], "text": "a\nb", "score": 1.0, "u": 0.5, "p_old": 0.5, "q": 0.7, "p": 0.6, "kind": "scored"},
        {"tokens": [0, 0], "score": 0, "reason": "none"}]}
    lines = json.dumps(group) + "\n" + json.dumps({**group, "step": 4}) + "\n"
    write("run_files", "groups", b"\x02" + lines.encode())
    write("run_files", "groups_json", b"\x01" + lines.encode() + b'{"torn')
    metrics = "".join(json.dumps({"step": step, "loss": 0.1 * step, "error": 0.5, "reward_mean": 0.1, "grad_norm": 1.0,
                                  "step_seconds": 0.5, "target_entropy": 1.0}) + "\n" for step in range(4))
    summary = json.dumps({"outcome": "finished", "steps": 4, "ledger": {"leased": 4, "trained": 4}})
    deep = b'{"step": 3, "completions": ' + nested(100) + b"}\n"
    write("run_files", "groups_too_deep", b"\x02" + deep + lines.encode())
    write("run_files", "report_too_deep", b"\x00" + piece(deep) + piece(lines) + metrics.encode() + deep)
    write("run_files", "report", b"\x00" + piece(summary) + piece(lines) + metrics.encode())


def tokenizers() -> None:
    tokenizer = {
        "version": "1.0",
        "added_tokens": [{"id": 4, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": True,
                          "normalized": False, "special": True}],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {"a": 0, "b": 1, "\u0120": 2, "ab": 3}, "merges": ["a b"]}}
    write("tokenizer", "definition", b"\x00" + piece("ab <s> 12 b\u00e9") + json.dumps(tokenizer).encode())
    write("tokenizer", "too_deep", b"\x00" + piece("a") + b'{"version": ' + nested(100) + b"}")
    write("tokenizer", "text", b"\x80" + "abc  ab's <|end|>\n\n\u00e9e\u0301 \u4f60\u597d 123".encode())
    write("tokenizer", "no_utf8", b"\x80ab\xff\xc3 \xf0\x9f\x98 c")


def model_configs() -> None:
    for folder in sorted((SOURCE / "tests/golden/hf").iterdir()):
        if (folder / "config.json").exists():
            write("model_config", folder.name, (folder / "config.json").read_bytes())
    shards = {"model.norm.weight": "model-00001-of-00002.safetensors", "lm_head.weight": "b.safetensors"}
    write("model_config", "index", json.dumps({"metadata": {"total_size": 1}, "weight_map": shards}))
    write("model_config", "nested", b'{"eos_token_id": ' + nested(99) + b"}")
    write("model_config", "too_deep", b'{"eos_token_id": ' + nested(100) + b"}")
    write("model_config", "generation", '{"eos_token_id": [1, 2], "bos_token_id": 0}')


def code_verifier() -> None:
    write("code_verifier", "outputs", b"\x01" + json.dumps([{"input": "1 2\n", "output": "3"}]).encode())
    write("code_verifier", "calls", b"\x00" + piece(json.dumps([
        {"args": [1, [2, 3]], "kwargs": {"x": 1.5}, "expected": {"a": None}}])) + piece("f, C.g") + piece("1e-6") + b"words")
    write("code_verifier", "asserts", b"\x00" + piece("def check(candidate):\n    assert candidate(1) == 2\n") + piece("f")
          + piece("") + b"")
    write("code_verifier", "fences", b"\x02" + b"text\n```python\nprint(1)\n```\nmore\n````\nx\n```\n````\n")
    write("code_verifier", "values", b"\x03" + piece('["f", 1.5]') + b"1.5")
    write("code_verifier", "values_too_deep", b"\x03" + piece(nested(301)) + nested(301))
    write("code_verifier", "big_integer", b"\x03" + piece('["i", "123456789012345678901234567890"]')
          + b"123456789012345678901234567890")


def certificates() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([SOURCE / "examples/certificates/make.sh", folder], check=True, stdout=subprocess.DEVNULL)
        files = {name: (pathlib.Path(folder) / name).read_bytes() for name in ("ca.pem", "worker.pem", "worker.key")}
    write("certificates", "pair", files["worker.pem"] + files["worker.key"])
    write("certificates", "bundle", files["ca.pem"] + files["worker.pem"])
    write("certificates", "uri", "spiffe://example.org/tpo/worker/7")
    write("certificates", "path", "/tpo.v1.AdminService/Drain")


def messages(learner, types, verifier, config) -> None:
    def completion() -> object:
        return types.Completion(tokens=[1, 0, 3, 2], behavior_log_probs=[-0.5, -1, -1.5, -0.25],
                                finish_reason=types.FINISH_REASON_LENGTH,
                                weight_versions=[types.WeightVersionSpan(weight_version=0, first_token=0)])

    def verdict(score: float) -> object:
        return types.Verdict(kind=types.VERDICT_KIND_SCORED, score=score, components={"exact": score}, explanation="so")

    group = types.Group(lease_id=1, prompt_id=0, completions=[completion(), completion()],
                        verdicts=[verdict(0), verdict(1)])
    other = types.Group()
    other.CopyFrom(group)
    other.prompt_id = 1
    other.verdicts[0].CopyFrom(types.Verdict(kind=types.VERDICT_KIND_FAILED, reason="broken"))

    def call(kind: int, message: object) -> bytes:
        return bytes([kind]) + piece(message.SerializeToString())

    submit = learner.SubmitGroupsRequest(worker_id="w", groups=[group])
    write("learner_service", "register", call(0, learner.RegisterRequest(worker_name="w", protocol_version=1)))
    write("learner_service", "life",
          call(0x80 + 1, learner.LeasePromptsRequest()) + call(0x80 + 2, submit)
          + call(0x80 + 2, learner.SubmitGroupsRequest(groups=[other, group])) + call(0x80 + 6, learner.DeregisterRequest()))
    write("learner_service", "watch", call(0x80 + 5, learner.WatchWeightsRequest(have_version=-1)))
    write("learner_service", "status", call(0x80 + 7, learner.GetStatusRequest()) + call(7, learner.DrainRequest()))
    verifiers = [learner.VerifierStatus(verifier="math", backend="math:50052", health=3, answered=7, failed=2),
                 learner.VerifierStatus(verifier="code", backend="code:50052", health=1)]
    write("learner_service", "details",
          call(0x80 + 1, learner.LeasePromptsRequest(verifiers=verifiers))
          + call(5, learner.WatchWeightsRequest(have_version=-1, relay=True, relay_name="relay-0"))
          + call(0x80 + 7, learner.GetStatusRequest(with_details=True)))
    write("learner_service", "relay_weights",
          call(64 + 5, learner.WatchWeightsRequest(worker_id="w", have_version=-1, resume_version=1, resume_bytes=64,
                                                   learner_incarnation="life"))
          + call(0x80 + 64 + 5, learner.WatchWeightsRequest(have_version=-1, learner_incarnation="other"))
          + call(64 + 5, learner.WatchWeightsRequest(have_version=-1, relay=True, relay_name="relay-1")))
    write("learner_service", "checkpoint", call(64 + 7, learner.CheckpointRequest()))

    prompt = types.Prompt(id=3, task="sequence/reverse_copy/bag_of_tokens", tokens=[1, 0, 3, 2], metadata={"a": "b"})
    request = verifier.VerifyRequest(prompt=prompt, completions=[completion(), completion()], want_token_rewards=True,
                                     idempotency_key="r/1/3")
    write("verifier_service", "sequence", b"\x00" + request.SerializeToString())
    text = types.Completion(text="so \\boxed{\\frac12}", finish_reason=types.FINISH_REASON_STOP)
    for task, answer in {"math": "0.5", "exact_match/x": "a"}.items():
        question = verifier.VerifyRequest(
            prompt=types.Prompt(task=task, text="q", tokens=[1], reference_answer=answer), completions=[text])
        write("verifier_service", task.split("/")[0], b"\x00" + question.SerializeToString())
    write("verifier_service", "describe", b"\x07" + verifier.DescribeRequest().SerializeToString())

    answers = verifier.VerifyResponse(verdicts=[verdict(1), verdict(0.5), verdict(-1), verdict(2)], verifier="v")
    answers.verdicts[2].kind = types.VERDICT_KIND_ABSTAINED
    answers.verdicts[0].token_rewards.extend([1, 0, 1])
    answers.verdicts[1].token_rewards.extend([1, 0, 1, 1, 0, 1])
    write("responses", "verdicts", b"\x00" + answers.SerializeToString())
    write("responses", "token_rewards", b"\x01" + answers.SerializeToString())
    described = verifier.DescribeResponse(verifier="v", tasks=["math/*"], max_completions=7)
    described.typical_latency.seconds = 1
    write("responses", "describe", b"\x02" + described.SerializeToString())
    registered = learner.RegisterResponse(worker_id="w", run_id="r", seed=7)
    registered.transformer.CopyFrom(learner.TransformerSpec(vocab_size=2, max_positions=14, d_model=8, layers=1, heads=2,
                                                            feed_forward=32))
    registered.sampling.CopyFrom(learner.SamplingSpec(completions_per_prompt=8, temperature=1, max_tokens=7))
    spec = registered.verifiers.add(address="a:1", further_addresses=["b:1"], name="n", tasks=["*"], role=1, weight=1)
    spec.deadline.seconds = 30
    spec.tls.ca = "ca.pem"
    registered.verification.max_attempts = 4
    write("responses", "register", b"\x03" + registered.SerializeToString())
    leased = learner.LeasePromptsResponse()
    leased.lease.id = 1
    leased.lease.prompts.add().CopyFrom(prompt)
    leased.lease.time_to_live.seconds = 60
    write("responses", "lease", b"\x04" + leased.SerializeToString())
    none = learner.LeasePromptsResponse(no_lease=learner.NO_LEASE_REASON_ALL_LEASED)
    none.retry_after.nanos = 100_000_000
    write("responses", "no_lease", b"\x04" + none.SerializeToString())
    write("responses", "ack", b"\x05" + learner.SubmitResult(lease_id=1, outcome=6, error="x").SerializeToString())
    status = learner.GetStatusResponse(run_id="r", step=3, reward_mean=0.5)
    status.ledger.leased = status.ledger.trained = 12
    write("responses", "status", b"\x06" + status.SerializeToString())
    status.workers_seen.add(name="w", groups_accepted=3).idle.seconds = 2
    for step in range(3):
        status.steps.add(step=step, reward_mean=0.5, loss=1 - step, step_seconds=0.25, tokens_total=100 * step)
    figures = status.groups.add(step=2, prompt_id=7, task="math", prompt="one\nplus one")
    figures.completions.add(text="2\u009b31m", verdict=types.VERDICT_KIND_SCORED, score=1, anchor_probability=0.5,
                            target_probability=0.7, policy_probability=0.6)
    status.relays.add(name="relay-0", connected=True, weight_version=3).since.seconds = 9
    status.verifiers.add(verifier="math", backend="math:50052", health=3, answered=7, failed=2)
    status.checkpoint_step = 2
    status.checkpoint_age.seconds = 1
    write("responses", "details", b"\x80" + status.SerializeToString())
    own = config.ServedVerifierConfig(answer_tag="answer")
    own.composite.parts.add(numeric=config.NumericVerifierConfig(absolute_tolerance=0.5), name="right")
    own.composite.parts.add(regex=config.RegexVerifierConfig(pattern="(a+)|b"), role=2, weight=2)
    own.composite.parts.add(json_schema=config.JsonSchemaVerifierConfig(schema='{"type": "object"}'))
    own.composite.parts.add(length=config.LengthVerifierConfig(linear=config.LinearLengthConfig(**{"from": 1, "to": 9})))
    write("responses", "own_verifier", b"\x81" + own.SerializeToString())
    # Field 99, as a later version may have it.
    unknown = config.CompositePartConfig.FromString(b"\x9a\x06\x00")
    later = config.ServedVerifierConfig(composite=config.CompositeVerifierConfig(parts=[unknown]))
    write("responses", "own_verifier_of_a_later_version", b"\x81" + later.SerializeToString())
    write("responses", "group", b"\x07" + group.SerializeToString())

    data = bytes(range(64)) * 2
    tensors = [types.TensorSpec(name="a", type=types.TENSOR_TYPE_FLOAT32, shape=[4, 4], offset_bytes=0, size_bytes=64,
                                crc32c=crc32c(data[:64])),
               types.TensorSpec(name="b", type=types.TENSOR_TYPE_FLOAT32, shape=[16], offset_bytes=64, size_bytes=64,
                                crc32c=crc32c(data[64:]))]
    stream = b""
    for version in (1, 2):
        manifest = learner.WeightManifest(weight_version=version, tensors=tensors, size_bytes=128, crc32c=crc32c(data))
        stream += piece(learner.WatchWeightsResponse(manifest=manifest).SerializeToString())
        for offset in (0, 64):
            frame = learner.WeightFrame(weight_version=version, offset_bytes=offset, data=data[offset:offset + 64])
            stream += piece(learner.WatchWeightsResponse(frame=frame).SerializeToString())
    write("weight_stream", "two_versions", stream)


def checkpoints() -> None:
    write("checkpoint", "nested", b'\x00{"format_version": 1, "files": ' + nested(150) + b"}")
    write("checkpoint", "manifest", b"\x00" + json.dumps({
        "format": 1, "files": {"model.safetensors": {"size_bytes": 10, "crc32c": "0000abcd"}}}).encode())


def datasets() -> None:
    write("dataset", "rows", b"\x00\xef\xbb\xbf" + b"""{"prompt": "What is 12 + 7?", "answer": 19, "level": [3, {"a": null}]}

{"messages": [{"role": "user", "content": "Name a colour."}], "task": "colors", "tools": [{"name": "look"}]}\r
{"prompt": [{"role": "system", "content": ""}, {"role": "user", "content": "\\u00e9"}], "answer": null}
""" + b"".join(b'{"prompt": "%d"}\n' % i for i in range(20)))
    write("dataset", "other_names", b'\x01{"question": "q", "solution": "s", "prompt": true}')


def chat_templates() -> None:
    for path in sorted((SOURCE / "tests/policy/chat_template/templates").glob("*.jinja")):
        write("chat_template", path.stem, b"\x00" + path.read_bytes())
    constructs = (SOURCE / "bench/tokenizer/constructs.jinja").read_bytes().split(b"\n====\n")
    for start in range(0, len(constructs), 32):
        write("chat_template", f"constructs_{start}", b"\x00" + b"\n".join(constructs[start : start + 32]))
    write("chat_template", "conversation", b'\x80[{"role": "user", "content": ["\\u00e9", 1e400, null, {"a": -0.0}]}]')


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    from tpo.v1 import config_pb2, learner_pb2, types_pb2, verifier_pb2  # pylint: disable=import-outside-toplevel
    assert crc32c(b"123456789") == 0xE3069283
    for make in (configs, safetensors, rules, math, reward_servers, run_files, tokenizers, traces, model_configs,
                 code_verifier, certificates, checkpoints, datasets, chat_templates):
        make()
    messages(learner_pb2, types_pb2, verifier_pb2, config_pb2)


if __name__ == "__main__":
    main()
