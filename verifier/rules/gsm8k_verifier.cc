#include "verifier/rules/gsm8k_verifier.h"

#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "verifier/rules/rule_verifier.h"

namespace tpo {
namespace {

constexpr std::string_view kMark = "#### ";
constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kStrictBytes = "0123456789.,";
constexpr std::string_view kFlexibleBytes = "$0123456789.,";

std::optional<std::string_view> StrictAnswer(std::string_view text) {
  for (size_t mark = text.find(kMark); mark != std::string_view::npos;
       mark = text.find(kMark, mark + 1)) {
    const std::string_view rest = text.substr(mark + kMark.size());
    const size_t sign = rest.starts_with('-') ? 1 : 0;
    const size_t end = std::min(rest.find_first_not_of(kStrictBytes, sign), rest.size());
    if (end > sign) return rest.substr(0, end);
  }
  return std::nullopt;
}

std::optional<std::string_view> FlexibleAnswer(std::string_view text) {
  while (true) {
    const size_t last = text.find_last_of(kFlexibleBytes);
    if (last == std::string_view::npos) return std::nullopt;
    const size_t before = text.find_last_not_of(kFlexibleBytes, last);
    const size_t begin = before == std::string_view::npos ? 0 : before + 1;
    const bool minus = begin > 0 && text[begin - 1] == '-';
    const bool counts = last > begin || kDigits.find(text[last]) != std::string_view::npos;
    if (counts) return text.substr(begin - (minus ? 1 : 0), last + 1 - begin + (minus ? 1 : 0));
    text = text.substr(0, begin);
  }
}

std::string Normalised(std::string_view answer) {
  if (const size_t mark = answer.rfind(kMark); mark != std::string_view::npos)
    answer.remove_prefix(mark + kMark.size());
  std::string text;
  for (const char c : answer) {
    if (c != ',' && c != '$') text.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  if (text.ends_with('.')) text.pop_back();
  return text;
}

double ScoreOf(std::optional<std::string_view> answer, const std::string& reference) {
  return answer.has_value() && Normalised(*answer) == reference ? 1 : 0;
}

Verdict Judge(const std::string& reference, const std::string& text, Gsm8kAnswer which) {
  const auto strict = StrictAnswer(text);
  const auto flexible = FlexibleAnswer(text);
  const auto& answer = which == Gsm8kAnswer::kStrict ? strict : flexible;
  Verdict verdict = Explained(ScoreOf(answer, reference),
                              answer.has_value() ? "answer " + std::string(answer->substr(0, 100))
                                                 : std::string("no final answer found"));
  verdict.components = {{"strict", ScoreOf(strict, reference)},
                        {"flexible", ScoreOf(flexible, reference)}};
  return verdict;
}

}  // namespace

std::unique_ptr<VerifierApi> MakeGsm8kVerifier(Gsm8kAnswer answer) {
  return MakeRuleVerifier("gsm8k", [answer](const Prompt& prompt) -> PromptJudge {
    if (prompt.reference_answer.empty()) return WithoutReference();
    const absl::string_view bare = absl::StripAsciiWhitespace(prompt.reference_answer);
    std::string reference = Normalised({bare.data(), bare.size()});
    if (reference.find_first_of(kDigits) == std::string::npos)
      return BrokenReference("reference_answer", "holds no number as its final answer");
    return [reference = std::move(reference), answer](const Completion& completion) {
      return Judge(reference, completion.text, answer);
    };
  });
}

}  // namespace tpo
