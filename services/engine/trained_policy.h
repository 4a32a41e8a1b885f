// The policy of a run's checkpoint, for the commands that look at one: eval, generate, export.
#ifndef TPO_SERVICES_ENGINE_TRAINED_POLICY_H_
#define TPO_SERVICES_ENGINE_TRAINED_POLICY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/run_spec.h"
#include "core/types.h"
#include "core/weight_snapshot.h"
#include "policy/policy.h"

namespace tpo {

struct TrainedPolicy {
  std::string run_dir;
  RunSpec spec;
  int64_t step = 0;
  std::unique_ptr<Policy> policy;
  std::shared_ptr<const TensorBundle> weights;
};

// `run` is a run directory, or one checkpoint's directory in it. `step` chooses a checkpoint;
// unset: the newest that is intact. NOT_FOUND: no such run or checkpoint.
absl::StatusOr<TrainedPolicy> LoadTrainedPolicy(const std::string& run,
                                                std::optional<int64_t> step);

// An answered prompt.
struct AnsweredPrompt {
  Prompt prompt;
  std::vector<Completion> completions;
  std::vector<Verdict> verdicts;
};

// Samples and scores prompts that training never sees: the stream far beyond any run's end.
// `samples` completions each, or the most likely one.
absl::StatusOr<std::vector<AnsweredPrompt>> AnswerHeldOutPrompts(const TrainedPolicy& trained,
                                                                 int prompts, int samples,
                                                                 bool greedy);

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_TRAINED_POLICY_H_
