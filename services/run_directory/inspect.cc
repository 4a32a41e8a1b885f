#include "services/run_directory/inspect.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "services/run_directory/groups_reader.h"
#include "services/run_directory/json_lines.h"

namespace tpo {
namespace {

constexpr size_t kMaxPromptBytes = 600;
constexpr size_t kMaxCompletionBytes = 100;
constexpr size_t kMaxStepsNamed = 12;

std::string ScoreColumn(const nlohmann::json& verdict) {
  const std::string kind = StringOr(verdict, "kind", "unspecified");
  if (kind != "scored") return absl::StrFormat("%9s", kind);
  return absl::StrFormat("%9.4f", NumberOr(verdict, "score", 0.0));
}

// "-" where the objective has no such figure.
std::string Figure(const nlohmann::json& completion, const char* name,
                   const absl::FormatSpec<double>& format, int width) {
  const auto found = completion.find(name);
  if (found == completion.end() || !found->is_number()) return absl::StrFormat("%*s", width, "-");
  return absl::StrFormat(format, found->get<double>());
}

std::string CompletionRow(size_t number, const nlohmann::json& completion) {
  const nlohmann::json& verdict = MemberOrEmpty(completion, "verdict");
  std::string row =
      absl::StrFormat("  %3d %s %s %s %s %s  %s", number, ScoreColumn(verdict),
                      Figure(completion, "standardized_score", "%+8.4f", 8),
                      Figure(completion, "anchor_probability", "%8.6f", 8),
                      Figure(completion, "target_probability", "%8.6f", 8),
                      Figure(completion, "policy_probability", "%8.6f", 8),
                      OneLine(TextOrTokens(completion, "text", "tokens"), kMaxCompletionBytes));
  const std::string reason = StringOr(verdict, "reason", "");
  if (!reason.empty()) absl::StrAppend(&row, "  (", OneLine(reason, kMaxCompletionBytes), ")");
  return row;
}

void PrintGroup(const nlohmann::json& group, std::ostream& out) {
  const nlohmann::json& prompt = MemberOrEmpty(group, "prompt");
  out << absl::StrFormat("step %d  prompt %d  task %s\n", IntegerOr(group, "step", 0),
                         IntegerOr(prompt, "id", 0), OneLine(StringOr(prompt, "task", ""), 200));
  out << "  prompt     " << OneLine(TextOrTokens(prompt, "text", "tokens"), kMaxPromptBytes)
      << "\n";
  const std::string reference = TextOrTokens(prompt, "reference_answer", "reference_tokens");
  if (!reference.empty()) out << "  reference  " << OneLine(reference, kMaxPromptBytes) << "\n";
  out << "    #     score        u    p_old        q        p  completion\n";
  size_t number = 0;
  for (const nlohmann::json& completion : MemberOrEmpty(group, "completions")) {
    if (completion.is_object()) out << CompletionRow(++number, completion) << "\n";
  }
}

absl::Status NoGroups(const RunPaths& paths, const InspectedStep& found) {
  if (found.steps.empty()) {
    return absl::NotFoundError(absl::StrCat(paths.groups, " holds no group yet"));
  }
  // The newest ones: they are the most likely to be meant, and a long run has thousands.
  std::vector<int64_t> named(found.steps.rbegin(), found.steps.rend());
  const bool more = named.size() > kMaxStepsNamed;
  if (more) named.resize(kMaxStepsNamed);
  return absl::NotFoundError(absl::StrCat("no inspected groups of step ", found.step, " in ",
                                          paths.directory, "; there are some of steps ",
                                          absl::StrJoin(named, ", "), more ? ", ..." : ""));
}

}  // namespace

absl::Status InspectRun(const std::string& run_dir, const InspectOptions& options,
                        std::ostream& out) {
  if (options.max_groups < 1) return absl::InvalidArgumentError("max_groups must be at least 1");
  if (!std::filesystem::is_directory(run_dir)) {
    return absl::NotFoundError(absl::StrCat("there is no run directory ", run_dir));
  }
  const RunPaths paths(run_dir);
  TPO_ASSIGN_OR_RETURN(const InspectedStep found, ReadInspectedStep(paths, options.step));
  if (found.groups.empty()) return NoGroups(paths, found);
  const size_t shown = std::min(found.groups.size(), static_cast<size_t>(options.max_groups));
  for (size_t i = 0; i < shown; ++i) {
    if (options.json) {
      out << found.groups[i].line << "\n";
    } else {
      if (i > 0) out << "\n";
      PrintGroup(found.groups[i].group, out);
    }
  }
  if (!options.json && shown < found.groups.size()) {
    out << "\n(" << found.groups.size() - shown << " more groups of step " << found.step << ")\n";
  }
  return absl::OkStatus();
}

}  // namespace tpo
