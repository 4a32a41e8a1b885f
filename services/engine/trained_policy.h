// The policy of a run's checkpoint, for the commands that look at one: eval, generate, export.
#ifndef TPO_SERVICES_ENGINE_TRAINED_POLICY_H_
#define TPO_SERVICES_ENGINE_TRAINED_POLICY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/run_spec.h"
#include "core/types.h"
#include "core/weight_snapshot.h"
#include "policy/transformer.h"
#include "services/engine/evaluation.h"
#include "services/grpc/tls.h"

namespace tpo {

// The policy is a language model when spec.hugging_face is there: then `policy` is null, and
// `weights` are all parameters in float32, or its adapters.
struct TrainedPolicy {
  std::string run_dir;
  RunSpec spec;
  int64_t step = 0;
  std::unique_ptr<TransformerPolicy> policy;
  std::shared_ptr<const TensorBundle> weights;
  std::map<std::string, std::string> inputs;  // the checkpoint's: what was trained on, by its field
};

// `run` is a run directory, or one checkpoint's directory in it. `step` chooses a checkpoint;
// unset: the newest that is intact. NOT_FOUND: no such run or checkpoint.
absl::StatusOr<TrainedPolicy> LoadTrainedPolicy(const std::string& run,
                                                std::optional<int64_t> step);

// The weights of a trained language model under Hugging Face names, adapters merged, as `type`
// (kFloat32 or kBfloat16). Its model's directory has to be where the config says;
// FAILED_PRECONDITION: what lies there isn't what was trained.
absl::StatusOr<TensorBundle> HuggingFaceWeights(const TrainedPolicy& trained, TensorType type);

// What is asked of a trained policy, and how the run's verifiers are reached.
struct EvaluationQuestions {
  int prompts = 0;
  int samples = 1;      // completions a prompt
  bool greedy = false;  // the most likely completion
  TlsOptions own_tls;   // towards external verifiers whose config names no files
  bool allow_remote_plaintext = false;
};

struct EvaluationAnswers {
  std::vector<AnsweredPrompt> answered;
  bool held_out = true;  // false: training sees these prompts, too
};

// Samples and scores prompts that training never sees: of a sequence task the stream far beyond any
// run's end; of a dataset what the config evaluates on. A dataset's config that keeps nothing back
// leaves the first prompts of training; it warns of that.
absl::StatusOr<EvaluationAnswers> AnswerEvaluationPrompts(const TrainedPolicy& trained,
                                                          const EvaluationQuestions& questions);

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_TRAINED_POLICY_H_
