#include "services/run_directory/report_groups.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/run_directory/json_lines.h"
#include "services/run_directory/report_page.h"

namespace tpo {
namespace {

constexpr size_t kMaxGroups = 4;
constexpr size_t kMaxCompletions = 16;
constexpr size_t kMaxTextBytes = 1500;

std::string Code(const std::string& text) {
  return absl::StrCat("<code>", EscapeHtml(OneLine(text, kMaxTextBytes)), "</code>");
}

// Nothing where the objective has no such probability.
std::string Bar(const char* css_class, const nlohmann::json& completion, const char* name) {
  const auto found = completion.find(name);
  if (found == completion.end() || !found->is_number()) return "";
  const double probability = found->get<double>();
  return absl::StrFormat(
      "<span class=\"%s\" style=\"width:%.2f%%\" role=\"presentation\"></span><div>%.4f</div>",
      css_class, 100.0 * std::clamp(probability, 0.0, 1.0), probability);
}

std::string Figures(const nlohmann::json& completion) {
  const nlohmann::json& verdict = MemberOrEmpty(completion, "verdict");
  const std::string kind = StringOr(verdict, "kind", "unspecified");
  if (kind != "scored") {
    return absl::StrCat("<b>", EscapeHtml(kind), "</b> ",
                        EscapeHtml(OneLine(StringOr(verdict, "reason", ""), 200)));
  }
  std::string figures =
      absl::StrFormat("score <b>%s</b>", ShortNumber(NumberOr(verdict, "score", 0.0)));
  const auto standardized = completion.find("standardized_score");
  if (standardized != completion.end() && standardized->is_number())
    absl::StrAppendFormat(&figures, "<br>u %+.3f", standardized->get<double>());
  return figures;
}

std::string Completion(const nlohmann::json& completion) {
  return absl::StrCat("<div class=\"completion\"><div>",
                      Code(TextOrTokens(completion, "text", "tokens")),
                      "</div><div class=\"figures\">", Figures(completion),
                      "</div><div class=\"bar\">", Bar("old", completion, "anchor_probability"),
                      Bar("target", completion, "target_probability"), "</div></div>\n");
}

std::string Group(const nlohmann::json& group) {
  const nlohmann::json& prompt = MemberOrEmpty(group, "prompt");
  const nlohmann::json& completions = MemberOrEmpty(group, "completions");
  const std::string reference = TextOrTokens(prompt, "reference_answer", "reference_tokens");
  std::string html =
      absl::StrCat("<section class=\"group\"><dl><dt>prompt ", IntegerOr(prompt, "id", 0),
                   "</dt><dd>", Code(TextOrTokens(prompt, "text", "tokens")), "</dd>");
  if (!reference.empty()) {
    absl::StrAppend(&html, "<dt>reference</dt><dd>", Code(reference), "</dd>");
  }
  absl::StrAppend(&html, "</dl>\n");
  const size_t shown = std::min(completions.size(), kMaxCompletions);
  size_t number = 0;
  for (const nlohmann::json& completion : completions) {
    if (number++ < shown && completion.is_object()) html += Completion(completion);
  }
  if (shown < completions.size()) {
    absl::StrAppend(&html, "<p class=\"figures\">", completions.size() - shown, " more</p>");
  }
  return html + "</section>\n";
}

}  // namespace

std::string RenderInspectedStep(const InspectedStep& inspected) {
  if (inspected.groups.empty()) return "";
  std::string html = absl::StrCat("<h2>Groups of step ", inspected.step,
                                  "</h2>\n<p class=\"lead key\">Probability within the group:"
                                  "<i style=\"background:var(--c1)\"></i>anchor p_old"
                                  "<i style=\"background:var(--c0)\"></i>target q</p>\n");
  for (size_t i = 0; i < std::min(inspected.groups.size(), kMaxGroups); ++i) {
    html += Group(inspected.groups[i].group);
  }
  return html;
}

}  // namespace tpo
