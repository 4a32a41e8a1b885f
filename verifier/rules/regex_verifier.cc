#include "verifier/rules/regex_verifier.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "verifier/rules/rule_verifier.h"

namespace tpo {
namespace {

constexpr int64_t kMostMemory = int64_t{4} << 20;  // RE2's budget for program and automata
// Most matches times bytes of text that the last match is looked for in: about a second.
constexpr size_t kMostWork = size_t{1} << 30;
constexpr size_t kFewMatches = 100;

absl::string_view Stripped(std::string_view text) {
  return absl::StripAsciiWhitespace({text.data(), text.size()});
}

// A compiled pattern with what to do with it; const and thread-safe, as RE2 is.
class Matcher {
 public:
  explicit Matcher(const RegexOptions& options)
      : options_(options), pattern_(options.pattern, Re2Options(options)) {}

  absl::Status Check() const {
    if (!pattern_.ok())
      return absl::InvalidArgumentError(absl::StrCat("regex.pattern: ", pattern_.error()));
    if (options_.compare_group > pattern_.NumberOfCapturingGroups()) {
      return absl::InvalidArgumentError(
          absl::StrCat("regex.compare_group: the pattern has no group ", options_.compare_group));
    }
    if (options_.invert && compares()) {
      return absl::InvalidArgumentError(
          "regex.invert: cannot be given together with regex.compare_group");
    }
    return absl::OkStatus();
  }

  bool compares() const { return options_.compare_group >= 0; }

  Verdict Judge(const std::string& reference, std::string_view text) const {
    if (!compares()) return Explained(Matches(text) != options_.invert ? 1 : 0, "");
    const std::optional<std::string_view> answer = Captured(text);
    if (!answer.has_value()) return Explained(0, "the pattern doesn't match, or too often");
    const absl::string_view given = Stripped(*answer);
    const absl::string_view wanted = Stripped(reference);
    const bool equal =
        options_.ignore_case ? absl::EqualsIgnoreCase(given, wanted) : given == wanted;
    return Explained(equal ? 1 : 0, absl::StrCat("answer ", given.substr(0, 100)));
  }

 private:
  static RE2::Options Re2Options(const RegexOptions& options) {
    RE2::Options re2;
    re2.set_log_errors(false);
    re2.set_case_sensitive(!options.ignore_case);
    re2.set_max_mem(kMostMemory);
    return re2;
  }

  RE2::Anchor Anchor() const { return options_.full_match ? RE2::ANCHOR_BOTH : RE2::UNANCHORED; }

  std::string_view Subject(std::string_view text) const {
    if (!options_.full_match) return text;
    const absl::string_view bare = Stripped(text);
    return {bare.data(), bare.size()};
  }

  bool Matches(std::string_view text) const {
    const std::string_view subject = Subject(text);
    return pattern_.Match(subject, 0, subject.size(), Anchor(), nullptr, 0);
  }

  // What the group captured; nothing where there is no match, or no end of them. A group that took
  // no part in the match captured nothing: the empty text.
  std::optional<std::string_view> Captured(std::string_view text) const {
    const std::string_view subject = Subject(text);
    const bool one = options_.full_match || options_.match == MatchChoice::kFirst;
    const size_t most =
        one ? 1 : std::max(kFewMatches, kMostWork / std::max<size_t>(subject.size(), 1));
    std::vector<re2::StringPiece> groups(options_.compare_group + 1);
    std::optional<std::string_view> captured;
    size_t begin = 0;
    for (size_t matches = 0; matches < most; ++matches) {
      if (begin > subject.size() || !pattern_.Match(subject, begin, subject.size(), Anchor(),
                                                    groups.data(), static_cast<int>(groups.size())))
        return captured;
      const re2::StringPiece& group = groups.back();
      captured = std::string_view(group.data(), group.size());
      const size_t end = groups[0].data() - subject.data() + groups[0].size();
      // An empty match can't be where the next one begins.
      begin = groups[0].empty() ? end + 1 : end;
    }
    return one ? captured : std::nullopt;
  }

  const RegexOptions options_;
  const RE2 pattern_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeRegexVerifier(const RegexOptions& options) {
  const auto matcher = std::make_shared<const Matcher>(options);
  if (const absl::Status status = matcher->Check(); !status.ok()) return status;
  return MakeRuleVerifier("regex", [matcher](const Prompt& prompt) -> PromptJudge {
    if (matcher->compares() && prompt.reference_answer.empty()) return WithoutReference();
    return [matcher, &reference = prompt.reference_answer](const Completion& completion) {
      return matcher->Judge(reference, completion.text);
    };
  });
}

}  // namespace tpo
