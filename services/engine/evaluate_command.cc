// `tpo eval` and `tpo generate`: what a trained policy does on prompts that it wasn't trained on.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/threads.h"
#include "services/engine/engine.h"
#include "services/engine/language_model_commands.h"
#include "services/engine/trained_policy.h"
#include "services/run_directory/run_directory.h"

namespace tpo {
namespace {

struct Scores {
  int64_t scored = 0;
  int64_t unscored = 0;
  double mean = 0.0;
  double standard_error = 0.0;  // of the mean, over completions
  double solved = 0.0;          // prompts of which some completion has the full reward of 1
};

Scores Summarise(const std::vector<AnsweredPrompt>& answered) {
  Scores scores;
  double sum = 0.0;
  double squares = 0.0;
  int64_t solved = 0;
  for (const AnsweredPrompt& answer : answered) {
    bool any = false;
    for (const Verdict& verdict : answer.verdicts) {
      if (verdict.kind != VerdictKind::kScored) {
        ++scores.unscored;
        continue;
      }
      ++scores.scored;
      sum += verdict.score;
      squares += verdict.score * verdict.score;
      any = any || verdict.score >= 1.0;
    }
    solved += any;
  }
  if (scores.scored == 0) return scores;
  const double n = static_cast<double>(scores.scored);
  scores.mean = sum / n;
  scores.standard_error = std::sqrt(std::max(0.0, squares / n - scores.mean * scores.mean) / n);
  scores.solved = static_cast<double>(solved) / static_cast<double>(answered.size());
  return scores;
}

std::string Tokens(const std::vector<TokenId>& tokens) { return absl::StrJoin(tokens, " "); }

}  // namespace

absl::Status RunEval(const EvalCommand& command) {
  UseOneThreadPerOperator();
  TPO_ASSIGN_OR_RETURN(const TrainedPolicy trained, LoadTrainedPolicy(command.run, command.step));
  TPO_ASSIGN_OR_RETURN(
      const std::vector<AnsweredPrompt> answered,
      AnswerHeldOutPrompts(trained, command.prompts, command.samples, command.greedy));
  const Scores scores = Summarise(answered);
  const nlohmann::ordered_json record = {
      {"step", trained.step},       {"prompts", command.prompts},
      {"samples", command.samples}, {"greedy", command.greedy},
      {"reward_mean", scores.mean}, {"reward_standard_error", scores.standard_error},
      {"error", 1.0 - scores.mean}, {"solved_fraction", scores.solved},
      {"unscored", scores.unscored}};
  std::printf("%s\n", record.dump().c_str());
  std::ofstream file(RunPaths(trained.run_dir).eval, std::ios::app);
  file << record.dump() << "\n" << std::flush;
  if (!file)
    return absl::UnavailableError(absl::StrCat("can't write ", RunPaths(trained.run_dir).eval));
  return absl::OkStatus();
}

absl::Status RunGenerate(const GenerateCommand& command) {
  if (IsModelDirectory(command.run)) return GenerateWithLanguageModel(command);
  UseOneThreadPerOperator();
  TPO_ASSIGN_OR_RETURN(const TrainedPolicy trained, LoadTrainedPolicy(command.run, command.step));
  TPO_ASSIGN_OR_RETURN(
      const std::vector<AnsweredPrompt> answered,
      AnswerHeldOutPrompts(trained, command.prompts, command.samples, command.greedy));
  for (const AnsweredPrompt& answer : answered) {
    std::printf("prompt    %s\nwanted    %s\n", Tokens(answer.prompt.tokens).c_str(),
                Tokens(answer.prompt.reference_tokens).c_str());
    for (size_t k = 0; k < answer.completions.size(); ++k) {
      std::printf("sampled   %s   score %g\n", Tokens(answer.completions[k].tokens).c_str(),
                  answer.verdicts[k].score);
    }
    std::printf("\n");
  }
  return absl::OkStatus();
}

}  // namespace tpo
