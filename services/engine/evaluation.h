// How good a policy's answers are: the figures of `tpo eval`, and of evaluations while a run with a
// language model trains.
#ifndef TPO_SERVICES_ENGINE_EVALUATION_H_
#define TPO_SERVICES_ENGINE_EVALUATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/learner_api.h"
#include "core/prompt_source.h"
#include "core/run_spec.h"
#include "core/step_record.h"
#include "core/types.h"
#include "core/verifier_api.h"
#include "core/weight_snapshot.h"

namespace tpo {

// An answered prompt.
struct AnsweredPrompt {
  Prompt prompt;
  std::vector<Completion> completions;
  std::vector<Verdict> verdicts;
};

struct EvaluationFigures {
  int64_t prompts = 0;
  int64_t scored = 0;    // completions
  int64_t unscored = 0;  // they count for nothing but here
  double reward_mean = 0.0;
  double reward_standard_error = 0.0;  // of the mean, over completions
  double pass_at_1 = 0.0;  // completions of a prompt that pass, mean over the prompts with a score
  double pass_at_k = 0.0;  // prompts of which some completion passes, k being the samples of each
  double mean_at_k = 0.0;  // mean score of a prompt, mean over prompts
  double completion_tokens_mean = 0.0;
  // Completions that ended at the token limit; absent where all have the same length anyhow.
  std::optional<double> truncated_fraction;
};

// A completion passes with a score of at least `pass_score`.
EvaluationFigures Summarise(const std::vector<AnsweredPrompt>& answered, double pass_score);

// UNAVAILABLE, with the first reason: not one completion has a score, so the figures would say
// nothing. Warns when some have none.
absl::Status CheckScores(const std::vector<AnsweredPrompt>& answered);

// As in eval.jsonl (docs/metrics.md).
nlohmann::ordered_json ToJson(const EvaluationFigures& figures, int64_t step, int samples,
                              bool greedy);

// Appends a line to eval.jsonl. UNAVAILABLE: it can't be written.
absl::Status AppendEvaluation(const std::string& path, const nlohmann::ordered_json& record);

struct EvaluatorOptions {
  RunInfo run;  // its language model, sampling and seed
  EvaluationSpec evaluation;
  int64_t last_step = 0;  // of the run, when there is an evaluation in any case
  PromptSource* source = nullptr;
  uint64_t prompts = 0;  // the first of `source`
  VerifierApi* verifier = nullptr;
  std::string path;  // of eval.jsonl
  // The newest published weights.
  std::function<std::shared_ptr<const WeightSnapshot>()> weights;
  std::function<void(const EvaluationFigures&)> on_figures;  // may be empty
};

// Answers options.prompts prompts with a language model, with options.evaluation's samples each.
// `weights`: as published, or as in a checkpoint. A prompt whose verification fails as a whole has
// completions without a score.
absl::StatusOr<std::vector<AnsweredPrompt>> AnswerWithLanguageModel(const EvaluatorOptions& options,
                                                                    const TensorBundle& weights,
                                                                    WeightVersion version);

// Evaluates after every evaluation.every_steps steps and the last one, on the learner's thread,
// which waits for it; its memory is given back afterwards. A failure is logged, and training goes
// on.
class Evaluator : public StepObserver {
 public:
  // All that is borrowed must outlive it.
  explicit Evaluator(EvaluatorOptions options) : options_(std::move(options)) {}

  // Of the weights after `steps` steps.
  absl::Status Evaluate(int64_t steps);

  void OnStep(const StepRecord& record) override;
  void OnCheckpoint(int64_t, double, const std::string&) override {}

 private:
  const EvaluatorOptions options_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_EVALUATION_H_
