// Scores 1 where a completion consists of certain tags, one after the other, such as
// <think>…</think><answer>…</answer>, else 0. Tasks: format, format/*.
//
// Each tag is opened once and closed once in the whole text, and none stands within another.
// Between them there is white space only, unless allowed otherwise. Components: the name of each
// tag, 1 where it is opened and closed once in this order.
//
// A format that is a pattern is for regex_verifier.h, with full_match.
#ifndef TPO_VERIFIER_RULES_FORMAT_VERIFIER_H_
#define TPO_VERIFIER_RULES_FORMAT_VERIFIER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"

namespace tpo {

struct FormatOptions {
  std::vector<std::string> tags = {};  // names, without angle brackets
  // Text before, between and after the tags.
  bool text_outside = false;
  // The prompt ends with the first opening tag.
  bool opened_by_prompt = false;
  // Each tag holds something besides white space.
  bool require_content = false;
  // In place of 0, half of the share of tags whose component is 1.
  bool partial_credit = false;
};

// INVALID_ARGUMENT names the field: no tags, a name that can't be one, or is there twice.
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeFormatVerifier(const FormatOptions& options);

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_FORMAT_VERIFIER_H_
