"""Turns a Llama model in GGUF into a Hugging Face directory: config.json, model.safetensors in float32,
tokenizer.json, tokenizer_config.json with the chat template, generation_config.json.

    python tools/model_from_gguf.py MODEL.gguf DIRECTORY

Quantised weights are expanded exactly as llama.cpp's own `gguf` package defines them; the tokenizer comes from
transformers' GGUF converter. `./dev model smollm2 DIRECTORY` runs this in an environment of its own
(third_party/model-requirements.in). PyTorch isn't needed.
"""

import argparse
import json
import pathlib
import re
import shutil
import sys

import gguf
import numpy
import safetensors.numpy
import transformers
from transformers.integrations.gguf import gguf_tokenizer_mapping

# Names of GGUF to those of transformers.
GLOBAL_TENSORS = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def fail(why: str) -> None:
    sys.exit(f"model_from_gguf: {why}")


def read_fields(reader: gguf.GGUFReader) -> dict:
    return {name: field.contents() for name, field in reader.fields.items()}


def hugging_face_name(name: str) -> str:
    if name in GLOBAL_TENSORS:
        return GLOBAL_TENSORS[name]
    match = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    if match is None or match[2] not in LAYER_TENSORS:
        fail(f"tensor {name} is not one of a Llama model")
    return f"model.layers.{match[1]}.{LAYER_TENSORS[match[2]]}.weight"


def unpermute(weight: numpy.ndarray, heads: int) -> numpy.ndarray:
    """llama.cpp turns neighbouring dimensions of a head, transformers those half a head apart."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, half, 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def read_weights(reader: gguf.GGUFReader, heads: int, key_value_heads: int) -> dict[str, numpy.ndarray]:
    weights = {}
    for tensor in reader.tensors:
        name = hugging_face_name(tensor.name)
        weight = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        weight = weight.reshape([int(extent) for extent in reversed(tensor.shape)])
        if name.endswith("q_proj.weight"):
            weight = unpermute(weight, heads)
        elif name.endswith("k_proj.weight"):
            weight = unpermute(weight, key_value_heads)
        weights[name] = numpy.ascontiguousarray(weight, dtype=numpy.float32)
    return weights


def make_config(fields: dict, tied: bool) -> transformers.LlamaConfig:
    heads = fields["llama.attention.head_count"]
    if fields.get("llama.rope.scaling.type", "none") != "none":
        fail("rope scaling is not supported")
    config = transformers.LlamaConfig(
        vocab_size=len(fields["tokenizer.ggml.tokens"]),
        hidden_size=fields["llama.embedding_length"],
        intermediate_size=fields["llama.feed_forward_length"],
        num_hidden_layers=fields["llama.block_count"],
        num_attention_heads=heads,
        num_key_value_heads=fields.get("llama.attention.head_count_kv", heads),
        max_position_embeddings=fields["llama.context_length"],
        rms_norm_eps=float(f"{fields['llama.attention.layer_norm_rms_epsilon']:.6g}"),  # stored as float32
        rope_parameters={"rope_type": "default", "rope_theta": float(fields.get("llama.rope.freq_base", 10000.0))},
        tie_word_embeddings=tied,
        bos_token_id=fields.get("tokenizer.ggml.bos_token_id"),
        eos_token_id=fields.get("tokenizer.ggml.eos_token_id"),
        pad_token_id=fields.get("tokenizer.ggml.padding_token_id"),
        dtype="float32",
    )
    config.architectures = ["LlamaForCausalLM"]
    return config


def make_tokenizer(fields: dict) -> transformers.PreTrainedTokenizerFast:
    renames = gguf_tokenizer_mapping.GGUF_TOKENIZER_MAPPING["tokenizer"]
    described = {name: fields[f"tokenizer.{key}"] for key, name in renames.items() if f"tokenizer.{key}" in fields}
    backend, _ = gguf_tokenizer_mapping.convert_gguf_tokenizer("llama", described)

    def token(key: str) -> str | None:
        index = fields.get(f"tokenizer.ggml.{key}")
        return None if index is None else described["tokens"][index]

    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=token("bos_token_id"),
        eos_token=token("eos_token_id"),
        unk_token=token("unknown_token_id"),
        pad_token=token("padding_token_id"),
        chat_template=fields.get("tokenizer.chat_template"),
        clean_up_tokenization_spaces=False,
        model_max_length=fields["llama.context_length"],
    )


def save_tokenizer(tokenizer: transformers.PreTrainedTokenizerFast, directory: pathlib.Path) -> None:
    tokenizer.save_pretrained(directory)
    # Transformers 5 writes names of its own that its predecessors, hence other engines, don't know.
    file = directory / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config.pop("backend", None)
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Turns a Llama model in GGUF into a Hugging Face directory.")
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("directory", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.directory.exists() and any(arguments.directory.iterdir()):
        fail(f"{arguments.directory} is there and not empty")

    reader = gguf.GGUFReader(arguments.gguf)
    fields = read_fields(reader)
    if fields.get("general.architecture") != "llama":
        fail(f"the architecture is {fields.get('general.architecture')}; only llama is supported")
    heads = fields["llama.attention.head_count"]
    weights = read_weights(reader, heads, fields.get("llama.attention.head_count_kv", heads))
    config = make_config(fields, tied="lm_head.weight" not in weights)

    # Complete or absent: what an interrupted call leaves has another name.
    partial = arguments.directory.with_name(arguments.directory.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    save_tokenizer(make_tokenizer(fields), partial)
    config.save_pretrained(partial)
    transformers.GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
    ).save_pretrained(partial)
    safetensors.numpy.save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    partial.rename(arguments.directory)
    parameters = sum(weight.size for weight in weights.values())
    print(f"wrote {arguments.directory}: {parameters / 1e6:.1f} M parameters, {config.vocab_size} tokens")


if __name__ == "__main__":
    main()
