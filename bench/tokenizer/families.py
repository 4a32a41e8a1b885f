"""Small tokenizers with the components of the model families, trained on corpus.py's texts.

Their normalizers, pre-tokenizers, models' flags, post-processors and decoders are those of the families; the
vocabularies, of some 1,500 tokens, are ours. `odd` has settings that none of the families uses.
"""

import corpus
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def train(tokenizer: Tokenizer, special: list[str], alphabet: list[str] | None = None) -> None:
    texts = [text.decode("utf-8", "replace") for text in corpus.texts(3000, 7, [])] + 40 * corpus.SENTENCES
    trainer = trainers.BpeTrainer(
        vocab_size=1500, special_tokens=special, show_progress=False, min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet is None else alphabet)
    tokenizer.train_from_iterator(texts, trainer)


def with_ignore_merges(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.model.ignore_merges = True
    return tokenizer


def llama3() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = split(CL100K % "{1,3}")
    train(tokenizer, [])
    with_ignore_merges(tokenizer)
    names = ["begin_of_text", "end_of_text", "start_header_id", "end_header_id", "eot_id", "eom_id", "python_tag"]
    names += [f"reserved_special_token_{i}" for i in range(20)]
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True, normalized=False) for name in names])
    tokenizer.decoder = decoders.ByteLevel()
    begin = "<|begin_of_text|>"
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A {begin}:1 $B:1", special_tokens=[(begin, tokenizer.token_to_id(begin))]),
    ])
    return tokenizer


def qwen() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = split(CL100K % "")
    train(tokenizer, [])
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True, normalized=False)
                                  for name in ("endoftext", "im_start", "im_end")])
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False)
                          for name in ("<tool_call>", "</tool_call>", "<think>", "</think>")])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def smollm2() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    train(tokenizer, ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<empty_output>"])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def odd() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    # A vocabulary without some of the bytes.
    train(tokenizer, ["<unk>"], alphabet=[])
    tokenizer.add_tokens([
        AddedToken("<left>", lstrip=True, normalized=False),
        AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("<both>", lstrip=True, rstrip=True, normalized=True),
        AddedToken("word", single_word=True, normalized=True),
        AddedToken("e\u0301te\u0301", normalized=True),
        AddedToken("  ", normalized=False),
        AddedToken("<|a|>", normalized=False),
        AddedToken("<|a|><|b|>", normalized=False, special=True),
        AddedToken("的一", normalized=True, special=True),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<left> $A <right> <|a|>", pair="$A $B",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("<left>", "<right>", "<|a|>")])
    return tokenizer


FAMILIES = {"llama3": llama3, "qwen": qwen, "smollm2": smollm2, "odd": odd}


def spelled_out(tokenizer: Tokenizer) -> list[str]:
    """What to put into texts to meet the tokenizer's added tokens."""
    return [token.content for token in tokenizer.get_added_tokens_decoder().values()]
