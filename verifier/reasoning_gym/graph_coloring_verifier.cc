#include "verifier/reasoning_gym/graph_coloring_verifier.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "verifier/reasoning_gym/graph_coloring.h"
#include "verifier/rules/bounded_json.h"
#include "verifier/rules/rule_verifier.h"

namespace tpo {
namespace {

// The text of the puzzle; none where the prompt has no such field.
std::optional<std::string> PuzzleText(const Prompt& prompt, const std::string& field) {
  if (const auto puzzle = prompt.metadata.find(field); puzzle != prompt.metadata.end())
    return puzzle->second;
  const auto nested = prompt.metadata.find("metadata");
  if (nested == prompt.metadata.end()) return std::nullopt;
  const absl::StatusOr<nlohmann::json> members = ParseBoundedJson(nested->second);
  if (!members.ok() || !members->is_object() || !members->contains(field)) return std::nullopt;
  return members->at(field).dump();
}

}  // namespace

std::unique_ptr<VerifierApi> MakeGraphColoringVerifier(const GraphColoringOptions& options) {
  return MakeRuleVerifier("graph_coloring", [options](const Prompt& prompt) -> PromptJudge {
    const std::string where = absl::StrCat("metadata[\"", options.puzzle_field, "\"]");
    const std::optional<std::string> text = PuzzleText(prompt, options.puzzle_field);
    if (!text.has_value()) {
      return Verdict::Unscored(VerdictKind::kAbstained,
                               absl::StrCat("prompt.", where, ": is missing"));
    }
    absl::StatusOr<GraphColoringPuzzle> puzzle = ParseGraphColoringPuzzle(*text);
    if (!puzzle.ok()) return BrokenReference(where, std::string(puzzle.status().message()));
    return [puzzle = *std::move(puzzle), &options](const Completion& completion) {
      Verdict verdict =
          Verdict::Scored(ScoreGraphColoring(puzzle, completion.text, options.json_score));
      verdict.components["valid"] = verdict.score == 1 ? 1 : 0;
      return verdict;
    };
  });
}

}  // namespace tpo
