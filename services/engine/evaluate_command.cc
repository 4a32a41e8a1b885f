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
#include "services/engine/tls_options.h"
#include "services/engine/trained_policy.h"
#include "services/run_directory/run_directory.h"

namespace tpo {
namespace {

std::string Tokens(const std::vector<TokenId>& tokens) { return absl::StrJoin(tokens, " "); }

// Of EvalCommand or GenerateCommand.
template <typename Command>
EvaluationQuestions QuestionsOf(const Command& command) {
  return {.prompts = command.prompts,
          .samples = command.samples,
          .greedy = command.greedy,
          .own_tls = ToTlsOptions(command.verifiers.tls).value_or(TlsOptions()),
          .allow_remote_plaintext = command.verifiers.insecure};
}

}  // namespace

absl::Status RunEval(const EvalCommand& command) {
  if (IsModelDirectory(command.run)) {
    return absl::InvalidArgumentError(absl::StrCat(
        command.run,
        " is a language model's directory, which names neither prompts nor a verifier: `tpo eval` "
        "takes a run's. A run evaluates the model that it starts from before its first step "
        "(evaluation.every_steps)"));
  }
  PrepareComputingThread();
  TPO_ASSIGN_OR_RETURN(const TrainedPolicy trained, LoadTrainedPolicy(command.run, command.step));
  TPO_ASSIGN_OR_RETURN(const EvaluationAnswers answers,
                       AnswerEvaluationPrompts(trained, QuestionsOf(command)));
  TPO_RETURN_IF_ERROR(CheckScores(answers.answered));
  const EvaluationFigures figures = Summarise(answers.answered, trained.spec.evaluation.pass_score);
  nlohmann::ordered_json record = ToJson(figures, trained.step, command.samples, command.greedy);
  record["held_out"] = answers.held_out;
  std::printf("%s\n", record.dump().c_str());
  return AppendEvaluation(RunPaths(trained.run_dir).eval, record);
}

absl::Status RunGenerate(const GenerateCommand& command) {
  if (IsModelDirectory(command.run)) {
    if (command.step.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--step: ", command.run, " is a model's directory, not a run's"));
    }
    return GenerateWithLanguageModel(command, command.run, nullptr,
                                     LanguageModelFactoryFor(DefaultDevice(), false));
  }
  PrepareComputingThread();
  TPO_ASSIGN_OR_RETURN(const TrainedPolicy trained, LoadTrainedPolicy(command.run, command.step));
  const bool given =
      !command.language_model.prompts.empty() || !command.language_model.tokens.empty();
  if (given && !trained.spec.hugging_face.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--prompt and --tokens: the policy of ", trained.run_dir,
                     " is no language model; it is asked for what its task makes (--prompts)"));
  }
  if (given) {
    TPO_ASSIGN_OR_RETURN(const TensorBundle weights,
                         HuggingFaceWeights(trained, TensorType::kFloat32));
    const HuggingFaceModelSpec& model = *trained.spec.hugging_face;
    GenerateCommand as_trained = command;
    std::string& type = as_trained.language_model.compute_type;
    if (type.empty()) type = model.bfloat16 ? "bfloat16" : "float32";
    return GenerateWithLanguageModel(as_trained, model.path, &weights,
                                     LanguageModelFactoryFor(DefaultDevice(), model.composed));
  }
  TPO_ASSIGN_OR_RETURN(const EvaluationAnswers answers,
                       AnswerEvaluationPrompts(trained, QuestionsOf(command)));
  for (const AnsweredPrompt& answer : answers.answered) {
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
