"""llama.cpp's batched decode on the work of generation_bench: tokens per second of completions.

    python bench/generation/llama_cpp_decode.py write MODEL model.gguf [--type bfloat16]
    python bench/generation/llama_cpp_decode.py write qwen3-0.6b model.gguf
    python bench/generation/llama_cpp_decode.py run model.gguf [--prompts 16 --completions 8]

`write` makes a GGUF file of a Hugging Face directory of the Llama architecture, or of Qwen3-0.6B's shape with random weights;
it holds no tokenizer. `run` decodes prompts of 32 tokens and completions of 64: a prompt is computed once and its cache shared
by its completions, and each step decodes one token of every completion in one call. Tokens are drawn at random without looking
at the logits, so that sampling costs nothing here (it is in generation_bench's time). In an environment with
`pip install llama-cpp-python gguf numpy`, built on the machine itself (CMAKE_ARGS=-DGGML_NATIVE=ON).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import pathlib
import time

import numpy

PROMPT_TOKENS, NEW_TOKENS = 32, 64
QWEN3 = {"model_type": "qwen3", "vocab_size": 151936, "hidden_size": 1024, "num_hidden_layers": 28,
         "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072,
         "max_position_embeddings": 40960, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True}


def read_tensors(directory: pathlib.Path) -> dict[str, numpy.ndarray]:
    """One safetensors file, as float32."""
    data = (directory / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "F32":
            values = numpy.frombuffer(data[begin:end], numpy.float32)
        else:
            assert entry["dtype"] == "BF16", entry
            values = (numpy.frombuffer(data[begin:end], numpy.uint16).astype(numpy.uint32) << 16).view(numpy.float32)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def interleaved(weight: numpy.ndarray, heads: int) -> numpy.ndarray:
    """Rows of queries or keys in the order of llama.cpp's rotation, which pairs neighbours."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def layer_names(config: dict, layer: int) -> dict[str, tuple[str, list[int]]]:
    """GGUF's name of each tensor of a layer, with its name in Hugging Face's files and its shape."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    size = config.get("head_dim") or hidden // config["num_attention_heads"]
    queries, keys = config["num_attention_heads"] * size, config["num_key_value_heads"] * size
    names = {"attn_norm": ("input_layernorm", [hidden]), "ffn_norm": ("post_attention_layernorm", [hidden]),
             "attn_q": ("self_attn.q_proj", [queries, hidden]), "attn_k": ("self_attn.k_proj", [keys, hidden]),
             "attn_v": ("self_attn.v_proj", [keys, hidden]), "attn_output": ("self_attn.o_proj", [hidden, queries]),
             "ffn_gate": ("mlp.gate_proj", [inner, hidden]), "ffn_up": ("mlp.up_proj", [inner, hidden]),
             "ffn_down": ("mlp.down_proj", [hidden, inner])}
    if config["model_type"] == "qwen3":
        names |= {"attn_q_norm": ("self_attn.q_norm", [size]), "attn_k_norm": ("self_attn.k_norm", [size])}
    return {f"blk.{layer}.{ours}.weight": (f"model.layers.{layer}.{theirs}.weight", shape)
            for ours, (theirs, shape) in names.items()}


def write(arguments: argparse.Namespace) -> None:
    import gguf

    tensors: dict[str, numpy.ndarray] = {}
    if arguments.model == "qwen3-0.6b":
        config = QWEN3
    else:
        config = json.loads((pathlib.Path(arguments.model) / "config.json").read_text(encoding="utf-8"))
        tensors = read_tensors(pathlib.Path(arguments.model))
    assert config["model_type"] in ("llama", "qwen3") and config["tie_word_embeddings"], config
    random = numpy.random.default_rng(1)
    writer = gguf.GGUFWriter(arguments.gguf, config["model_type"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer.add_rope_dimension_count(size)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_freq_base(config.get("rope_theta") or config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
    names = {"token_embd.weight": ("model.embed_tokens.weight", [config["vocab_size"], config["hidden_size"]]),
             "output_norm.weight": ("model.norm.weight", [config["hidden_size"]])}
    for layer in range(config["num_hidden_layers"]):
        names |= layer_names(config, layer)
    for name, (source, shape) in names.items():
        values = tensors[source] if tensors else random.uniform(-0.05, 0.05, shape).astype(numpy.float32)
        assert list(values.shape) == shape, source
        if config["model_type"] == "llama" and (".attn_q." in name or ".attn_k." in name):
            values = interleaved(values, config["num_attention_heads" if ".attn_q." in name else "num_key_value_heads"])
        if len(shape) == 1 or arguments.type == "float32":
            writer.add_tensor(name, numpy.ascontiguousarray(values))
        else:
            kind = gguf.GGMLQuantizationType.BF16
            writer.add_tensor(name, gguf.quants.quantize(numpy.ascontiguousarray(values), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Decoder:
    """A model with room for so many sequences, and one batch that is filled again and again."""

    def __init__(self, path: str, sequences: int, threads: int) -> None:
        import llama_cpp

        self.api = llama_cpp
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        assert self.model, path
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = sequences * (PROMPT_TOKENS + NEW_TOKENS)
        params.n_batch = params.n_ubatch = 512
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        assert self.context
        self.batch = llama_cpp.llama_batch_init(512, 0, 1)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def decode(self, tokens: list[tuple[int, int, int, bool]]) -> None:
        """(token, position, sequence, whether its logits are wanted), at most 512."""
        self.batch.n_tokens = len(tokens)
        for i, (token, position, sequence, wanted) in enumerate(tokens):
            self.batch.token[i] = token
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = wanted
        result = self.api.llama_decode(self.context, self.batch)
        assert result == 0, result
        # The last logits are there: the computation is done.
        assert self.api.llama_get_logits_ith(self.context, ctypes.c_int32(-1))

    def generate(self, prompts: int, completions: int, random: numpy.random.Generator) -> float:
        """Seconds."""
        memory = self.api.llama_get_memory(self.context)
        self.api.llama_memory_clear(memory, True)
        draw = lambda count: random.integers(0, self.vocabulary, count).tolist()  # noqa: E731
        start = time.perf_counter()
        for first in range(0, prompts, 16):
            rows = []
            for prompt in range(first, min(first + 16, prompts)):
                rows += [(token, position, prompt * completions, position == PROMPT_TOKENS - 1)
                         for position, token in enumerate(draw(PROMPT_TOKENS))]
            self.decode(rows)
        for prompt in range(prompts):
            for other in range(1, completions):
                self.api.llama_memory_seq_cp(memory, prompt * completions, prompt * completions + other, -1, -1)
        # The first new token comes from the prompt's logits, the last one isn't decoded any more.
        for position in range(PROMPT_TOKENS, PROMPT_TOKENS + NEW_TOKENS - 1):
            tokens = draw(prompts * completions)
            self.decode([(token, position, sequence, True) for sequence, token in enumerate(tokens)])
        return time.perf_counter() - start


def run(arguments: argparse.Namespace) -> None:
    import llama_cpp

    sequences = arguments.prompts * arguments.completions
    decoder = Decoder(arguments.gguf, sequences, arguments.threads)
    random = numpy.random.default_rng(2)
    seconds = min(decoder.generate(arguments.prompts, arguments.completions, random)
                  for _ in range(arguments.repeats + 1))  # the first warms up
    print(f"llama-cpp-python {llama_cpp.__version__}, {arguments.threads} threads, {arguments.gguf}: {arguments.prompts} x "
          f"{arguments.completions} rows, {sequences * NEW_TOKENS / seconds:.1f} tokens/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    writer = commands.add_parser("write", help="make a GGUF file")
    writer.add_argument("model", help="a Hugging Face directory with one model.safetensors, or qwen3-0.6b")
    writer.add_argument("gguf")
    writer.add_argument("--type", default="bfloat16", choices=["bfloat16", "float32"])
    runner = commands.add_parser("run", help="measure")
    runner.add_argument("gguf")
    runner.add_argument("--prompts", type=int, default=1)
    runner.add_argument("--completions", type=int, default=1)
    runner.add_argument("--threads", type=int, default=os.cpu_count())
    runner.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    {"write": write, "run": run}[arguments.command](arguments)


if __name__ == "__main__":
    main()
