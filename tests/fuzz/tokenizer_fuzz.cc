// tokenizer.json, and text through tokenizers that were made of one. With a first byte below 128
// the input is a tokenizer and a text, else a text for a fixed tokenizer.
#include <string>
#include <vector>

#include "policy/tokenizer/tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace tpo {
namespace {

// Letters, two merges, a special token.
constexpr char kSmall[] = R"({
  "version": "1.0",
  "added_tokens": [{"id": 8, "content": "<|end|>", "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": true}],
  "normalizer": {"type": "NFC"},
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                    "use_regex": true},
  "post_processor": null,
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
              "use_regex": true},
  "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": false,
            "vocab": {"a": 0, "b": 1, "c": 2, "Ġ": 3, "Ã": 4, "©": 5, "ab": 6, "abc": 7},
            "merges": ["a b", "ab c"]}
})";

void RoundTrip(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<TokenId> tokens = tokenizer.Encode(text, {.add_special_tokens = true});
  for (const TokenId token : tokens)
    Require(token >= 0 && token < tokenizer.size(), "a token is one of the vocabulary");
  const std::string decoded = tokenizer.Decode(tokens);
  StreamDecoder stream(&tokenizer);
  std::string streamed;
  for (const TokenId token : tokens) streamed += stream.Append(token);
  Require(streamed + stream.Finish() == decoded, "piece by piece it decodes to the same");
}

}  // namespace
}  // namespace tpo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tpo;  // NOLINT
  FuzzInput input(data, size);
  if (input.Byte() >= 128) {
    static const auto* const small = Tokenizer::Parse(kSmall).value().release();
    RoundTrip(*small, input.Rest());
    return 0;
  }
  const std::string_view text = input.Piece();
  const auto tokenizer = Tokenizer::Parse(input.Rest());
  if (tokenizer.ok()) RoundTrip(**tokenizer, text);
  return 0;
}
