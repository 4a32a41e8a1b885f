// Text to tokens and back, from a Hugging Face tokenizer.json: byte-level byte-pair encoding as in
// the Llama 3, Qwen2, Qwen3 and SmolLM2 families. Equal to the PyPI package `tokenizers`, token by
// token (bench/tokenizer/agreement.py); no LibTorch. docs/tokenizer.md says what is supported.
//
// A Tokenizer is immutable and thread-safe. What is given as text may be any bytes: a malformed
// stretch counts as U+FFFD, as Python reads it with errors="replace".
//
//   TPO_ASSIGN_OR_RETURN(auto tokenizer, Tokenizer::Load(file_system, "model/tokenizer.json"));
//   std::vector<TokenId> tokens = tokenizer->Encode("Hello", {.add_special_tokens = true});
#ifndef TPO_POLICY_TOKENIZER_TOKENIZER_H_
#define TPO_POLICY_TOKENIZER_TOKENIZER_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/file_system.h"
#include "core/types.h"
#include "policy/tokenizer/added_tokens.h"
#include "policy/tokenizer/byte_pair_encoder.h"
#include "policy/tokenizer/definition.h"
#include "policy/tokenizer/pre_tokenizer.h"

namespace tpo {

struct EncodeOptions {
  // Puts around the text what the post-processor says (Llama 3: <|begin_of_text|> before it).
  // Rendered chat templates hold these tokens already. Special tokens that the text itself spells
  // out become single tokens either way.
  bool add_special_tokens = false;
};

struct DecodeOptions {
  bool skip_special_tokens = false;
};

class Tokenizer {
 public:
  // INVALID_ARGUMENT: broken; UNIMPLEMENTED: it needs something that isn't supported.
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> Parse(std::string_view json);
  // Its errors name the file.
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> Load(FileSystem* file_system,
                                                               const std::string& path);

  // REQUIRES: text.size() < 2^31.
  std::vector<TokenId> Encode(std::string_view text, EncodeOptions options = {}) const;

  // Bytes that make no valid UTF-8 become U+FFFD; ids that no token has are left out.
  std::string Decode(absl::Span<const TokenId> tokens, DecodeOptions options = {}) const;

  // What a token decodes to, perhaps not valid UTF-8 by itself; empty for an id that no token has.
  std::string_view BytesOf(TokenId token) const;

  // The token that is written `content` in tokenizer.json, e.g. "<|im_end|>".
  std::optional<TokenId> IdOf(std::string_view content) const;

  // As written in tokenizer.json; nothing for an id that no token has.
  std::optional<std::string_view> ContentOf(TokenId token) const;

  bool IsSpecial(TokenId token) const;

  // One more than the highest id.
  TokenId size() const { return static_cast<TokenId>(tokens_.size()); }

 private:
  struct Token {
    std::string content;
    std::string bytes;
    bool exists = false;
    bool special = false;
  };

  explicit Tokenizer(TokenizerDefinition definition, std::vector<AddedToken> in_raw_text,
                     std::vector<AddedToken> in_normalized_text);
  void EncodeNormalized(std::string_view text, BytePairEncoder::Session* session,
                        std::vector<TokenId>* out) const;
  const Token* Find(TokenId token) const;

  const bool nfc_;
  const std::vector<PreTokenizerStep> steps_;
  const std::vector<TokenId> before_;
  const std::vector<TokenId> after_;
  const AddedTokenFinder in_raw_text_;
  const AddedTokenFinder in_normalized_text_;
  BytePairEncoder encoder_;
  std::vector<Token> tokens_;  // by id
  absl::flat_hash_map<std::string, TokenId> ids_;
};

// Decodes tokens as they come. What it has returned so far is always the beginning of what Decode
// returns for all of them, and only bytes that the next token may complete to a character are held
// back. Not thread-safe; the tokenizer has to outlive it.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer* tokenizer, DecodeOptions options = {});

  // The text that `token` completes, often its own, perhaps none.
  std::string Append(TokenId token);
  // What was held back, after the last token.
  std::string Finish();

 private:
  const Tokenizer* const tokenizer_;
  const DecodeOptions options_;
  std::string held_back_;  // fewer than four bytes
};

}  // namespace tpo

#endif  // TPO_POLICY_TOKENIZER_TOKENIZER_H_
