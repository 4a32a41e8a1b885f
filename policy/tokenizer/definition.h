// Reads tokenizer.json, as the PyPI package `tokenizers` writes it, for byte-level byte-pair
// encoding. What isn't supported is refused by name; nothing is ignored that would change a token.
#ifndef TPO_POLICY_TOKENIZER_DEFINITION_H_
#define TPO_POLICY_TOKENIZER_DEFINITION_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/types.h"
#include "policy/tokenizer/added_tokens.h"
#include "policy/tokenizer/byte_pair_encoder.h"
#include "policy/tokenizer/pre_tokenizer.h"

namespace tpo {

// Larger files are refused; the largest vocabularies in use (260,000 tokens) take 35 MB.
inline constexpr size_t kMaxTokenizerJsonBytes = 64'000'000;
// Token ids are below this.
inline constexpr TokenId kMaxTokenId = 1 << 21;
inline constexpr size_t kMaxAddedTokenBytes = 1024;

// tokenizer.json, checked.
struct TokenizerDefinition {
  // Of the model, as written: in the byte-level alphabet.
  absl::flat_hash_map<std::string, TokenId> vocabulary;
  BytePairModel model;
  std::vector<AddedToken> added_tokens;
  // Normalisation form C is made of text first.
  bool nfc = false;
  std::vector<PreTokenizerStep> steps;
  // What the post-processor puts around a text.
  std::vector<TokenId> before;
  std::vector<TokenId> after;
};

// INVALID_ARGUMENT: broken; UNIMPLEMENTED: a component or setting that isn't supported.
absl::StatusOr<TokenizerDefinition> ParseTokenizerDefinition(std::string_view json);

}  // namespace tpo

#endif  // TPO_POLICY_TOKENIZER_DEFINITION_H_
