#include "verifier/rules/length_verifier.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "verifier/rules/rule_verifier.h"

namespace tpo {
namespace {

double ScoreOf(const LengthOptions& options, int64_t length) {
  if (length <= options.from) return options.from_score;
  if (length >= options.to) return options.to_score;
  const double part =
      static_cast<double>(length - options.from) / static_cast<double>(options.to - options.from);
  return options.from_score + part * (options.to_score - options.from_score);
}

Verdict Judge(const LengthOptions& options, const Completion& completion) {
  const bool tokens = options.unit == LengthUnit::kTokens;
  if (tokens && completion.tokens.empty() && !completion.text.empty()) {
    return Verdict::Unscored(VerdictKind::kAbstained,
                             "the completion has text but no tokens to count");
  }
  const int64_t length =
      tokens ? static_cast<int64_t>(completion.tokens.size()) : CountCharacters(completion.text);
  Verdict verdict = Verdict::Scored(ScoreOf(options, length));
  verdict.components["length"] = static_cast<double>(length);
  return verdict;
}

}  // namespace

LengthOptions SoftOverlong(LengthUnit unit, int64_t max_length, int64_t cache) {
  return {
      .unit = unit, .from = max_length - cache, .to = max_length, .from_score = 0, .to_score = -1};
}

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeLengthVerifier(const LengthOptions& options) {
  if (options.from < 0 || options.from >= options.to) {
    return absl::InvalidArgumentError(absl::StrCat("length: the line from length ", options.from,
                                                   " to ", options.to,
                                                   " has to rise from 0 or more"));
  }
  if (!std::isfinite(options.from_score) || !std::isfinite(options.to_score))
    return absl::InvalidArgumentError("length: a score isn't finite");
  return MakeRuleVerifier("length", [options](const Prompt&) -> PromptJudge {
    return [&options](const Completion& completion) { return Judge(options, completion); };
  });
}

int64_t CountCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

}  // namespace tpo
