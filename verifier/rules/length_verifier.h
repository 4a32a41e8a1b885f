// Scores a completion by its length alone. Tasks: length, length/*.
//
// `from_score` up to the length `from`, `to_score` from the length `to` on, and a line between: a
// bonus for short answers, or a penalty to be added to another verifier's score.
//
// SoftOverlong gives the line of DAPO's "soft overlong punishment" (Yu et al., arXiv 2503.14476,
// equation 13): 0 up to max_length - cache, -1 from max_length on.
//
// Tokens are those of the completion, its end token included; characters are Unicode's, of the
// text. kAbstained where tokens are counted and a completion has text but no tokens. Component:
// "length".
#ifndef TPO_VERIFIER_RULES_LENGTH_VERIFIER_H_
#define TPO_VERIFIER_RULES_LENGTH_VERIFIER_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"

namespace tpo {

enum class LengthUnit { kTokens, kCharacters };

struct LengthOptions {
  LengthUnit unit = LengthUnit::kTokens;
  int64_t from = 0;
  int64_t to = 0;
  double from_score = 1;
  double to_score = 0;
};

// REQUIRES: 0 < cache <= max_length.
LengthOptions SoftOverlong(LengthUnit unit, int64_t max_length, int64_t cache);

// INVALID_ARGUMENT: `from` is negative or not below `to`, or a score isn't finite.
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeLengthVerifier(const LengthOptions& options);

// Bytes of broken UTF-8 count as characters unless they look like the continuation of one.
int64_t CountCharacters(std::string_view text);

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_LENGTH_VERIFIER_H_
