// `tpo eval` and `tpo generate`: what a trained policy does on prompts that it wasn't trained on.
#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "policy/composed/composed_language_model.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/threads.h"
#include "services/engine/engine.h"
#include "services/engine/evaluation.h"
#include "services/engine/language_model_commands.h"
#include "services/engine/trained_policy.h"
#include "services/run_directory/run_directory.h"

namespace tpo {
namespace {

std::string Tokens(const std::vector<TokenId>& tokens) { return absl::StrJoin(tokens, " "); }

}  // namespace

absl::Status RunEval(const EvalCommand& command) {
  UseOneThreadPerOperator();
  TPO_ASSIGN_OR_RETURN(const TrainedPolicy trained, LoadTrainedPolicy(command.run, command.step));
  TPO_ASSIGN_OR_RETURN(
      const std::vector<AnsweredPrompt> answered,
      AnswerHeldOutPrompts(trained, command.prompts, command.samples, command.greedy));
  const EvaluationFigures figures = Summarise(answered, trained.spec.evaluation.pass_score);
  const nlohmann::ordered_json record =
      ToJson(figures, trained.step, command.samples, command.greedy);
  std::printf("%s\n", record.dump().c_str());
  return AppendEvaluation(RunPaths(trained.run_dir).eval, record);
}

absl::Status RunGenerate(const GenerateCommand& command) {
  const LanguageModelFactory factory = LanguageModelFactoryFor(DefaultDevice(), /*composed=*/false);
  if (IsModelDirectory(command.run))
    return GenerateWithLanguageModel(command, command.run, nullptr, factory);
  UseOneThreadPerOperator();
  TPO_ASSIGN_OR_RETURN(const TrainedPolicy trained, LoadTrainedPolicy(command.run, command.step));
  const bool given =
      !command.language_model.prompts.empty() || !command.language_model.tokens.empty();
  if (trained.spec.hugging_face.has_value() && given) {
    TPO_ASSIGN_OR_RETURN(const TensorBundle weights,
                         HuggingFaceWeights(trained, TensorType::kFloat32));
    return GenerateWithLanguageModel(command, trained.spec.hugging_face->path, &weights, factory);
  }
  TPO_ASSIGN_OR_RETURN(
      const std::vector<AnsweredPrompt> answered,
      AnswerHeldOutPrompts(trained, command.prompts, command.samples, command.greedy));
  for (const AnsweredPrompt& answer : answered) {
    const bool text = !answer.prompt.text.empty();
    std::printf(
        "prompt    %s\nwanted    %s\n",
        (text ? answer.prompt.text : Tokens(answer.prompt.tokens)).c_str(),
        (text ? answer.prompt.reference_answer : Tokens(answer.prompt.reference_tokens)).c_str());
    for (size_t k = 0; k < answer.completions.size(); ++k) {
      const Completion& completion = answer.completions[k];
      const Verdict& verdict = answer.verdicts[k];
      std::printf("sampled   %s   %s\n",
                  (text ? completion.text : Tokens(completion.tokens)).c_str(),
                  verdict.kind == VerdictKind::kScored
                      ? absl::StrCat("score ", verdict.score).c_str()
                      : absl::StrCat("no score: ", verdict.reason).c_str());
    }
    std::printf("\n");
  }
  return absl::OkStatus();
}

}  // namespace tpo
