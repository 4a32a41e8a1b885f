// Scores 1 where a regular expression matches a completion's text, or where what it captures equals
// the prompt's reference answer, else 0. Tasks: regex, regex/*.
//
// Patterns have RE2's syntax (no back references, no look around), whose matching takes time
// linear in the text. Text that isn't UTF-8 never matches beyond ASCII. Where matches are looked
// for to the last one, their number times the text's length is bounded; a completion beyond that
// scores 0.
//
// kAbstained without a reference where one is compared with.
#ifndef TPO_VERIFIER_RULES_REGEX_VERIFIER_H_
#define TPO_VERIFIER_RULES_REGEX_VERIFIER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"

namespace tpo {

enum class MatchChoice { kFirst, kLast };

struct RegexOptions {
  std::string pattern = {};
  // The whole text has to match, but for ASCII white space around it; else any part of it.
  bool full_match = false;
  // Group whose text has to equal the reference, but for ASCII white space around either; 0 is the
  // whole match, and below 0 nothing is compared.
  int compare_group = -1;
  // Which match is compared, when not the full text has to match.
  MatchChoice match = MatchChoice::kLast;
  // In the pattern, and of ASCII letters in the comparison.
  bool ignore_case = false;
  // 1 where the pattern doesn't match. Not with compare_group.
  bool invert = false;
};

// INVALID_ARGUMENT names the field: a pattern that RE2 refuses, or that would take more than 4 MiB
// compiled; a group that it doesn't have; invert with compare_group.
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeRegexVerifier(const RegexOptions& options);

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_REGEX_VERIFIER_H_
