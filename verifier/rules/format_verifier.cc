#include "verifier/rules/format_verifier.h"

#include <set>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "verifier/rules/rule_verifier.h"
#include "verifier/rules/tag_text.h"

namespace tpo {
namespace {

bool IsBlank(std::string_view text) {
  return absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size())).empty();
}

// Where `what` is, if it is there exactly once.
size_t OnlyPlace(std::string_view text, const std::string& what) {
  const size_t place = text.find(what);
  if (place == std::string_view::npos || text.find(what, place + 1) == std::string_view::npos)
    return place;
  return std::string_view::npos;
}

struct TagPlace {
  bool in_order = false;  // opened and closed once, behind the tags before it that are
  size_t opened = 0;
  size_t content = 0;
  size_t closed = 0;
  size_t end = 0;
};

TagPlace PlaceOf(std::string_view text, const std::string& tag, size_t behind) {
  const std::string opening = "<" + tag + ">";
  const std::string closing = "</" + tag + ">";
  const size_t opened = OnlyPlace(text, opening);
  const size_t closed = OnlyPlace(text, closing);
  if (opened == std::string_view::npos || closed == std::string_view::npos) return {};
  return {.in_order = opened >= behind && closed >= opened + opening.size(),
          .opened = opened,
          .content = opened + opening.size(),
          .closed = closed,
          .end = closed + closing.size()};
}

Verdict Judge(const FormatOptions& options, std::string_view text) {
  size_t behind = 0;
  size_t good = 0;
  std::string fault;
  Verdict verdict = Explained(1, "");
  for (const std::string& tag : options.tags) {
    const TagPlace place = PlaceOf(text, tag, behind);
    verdict.components[tag] = place.in_order ? 1 : 0;
    if (!place.in_order) {
      fault = absl::StrCat("<", tag, "> isn't opened and closed once in its place");
      continue;
    }
    ++good;
    if (!options.text_outside && !IsBlank(text.substr(behind, place.opened - behind)))
      fault = absl::StrCat("text before <", tag, ">");
    if (options.require_content &&
        IsBlank(text.substr(place.content, place.closed - place.content)))
      fault = absl::StrCat("<", tag, "> is empty");
    behind = place.end;
  }
  if (fault.empty() && !options.text_outside && !IsBlank(text.substr(behind)))
    fault = "text behind the last tag";
  if (fault.empty()) return verdict;
  const double share = static_cast<double>(good) / static_cast<double>(options.tags.size());
  const auto components = std::move(verdict.components);
  verdict = Explained(options.partial_credit ? 0.5 * share : 0, fault);
  verdict.components = components;
  return verdict;
}

absl::Status Check(const FormatOptions& options) {
  if (options.tags.empty()) return absl::InvalidArgumentError("format.tags: names no tag");
  std::set<std::string> seen;
  for (size_t i = 0; i < options.tags.size(); ++i) {
    const std::string& tag = options.tags[i];
    if (!IsTagName(tag)) {
      return absl::InvalidArgumentError(absl::StrCat("format.tags[", i, "]: \"", tag,
                                                     "\" can't be the name of a tag; give it "
                                                     "without < and >"));
    }
    if (!seen.insert(tag).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("format.tags[", i, "]: \"", tag, "\" is there twice"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeFormatVerifier(const FormatOptions& options) {
  if (const absl::Status status = Check(options); !status.ok()) return status;
  return MakeRuleVerifier("format", [options](const Prompt&) -> PromptJudge {
    return [&options](const Completion& completion) {
      if (!options.opened_by_prompt) return Judge(options, completion.text);
      return Judge(options, absl::StrCat("<", options.tags[0], ">", completion.text));
    };
  });
}

}  // namespace tpo
