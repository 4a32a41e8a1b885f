// Log-probs of a frozen model on prefix trees: the reference of a KL penalty, with the rows and the
// bits of a training pass.
//
// One caller at a time; owns its threads, which sleep between calls. Memory: a cache of all layers
// for the largest tree so far. Errors of memory are std::bad_alloc.
#ifndef TPO_POLICY_LANGUAGE_MODEL_REFERENCE_SCORER_H_
#define TPO_POLICY_LANGUAGE_MODEL_REFERENCE_SCORER_H_

#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "policy/language_model/key_value_cache.h"
#include "policy/language_model/language_model.h"
#include "policy/language_model/thread_team.h"
#include "policy/prefix_tree.h"

namespace tpo {

class ReferenceScorer {
 public:
  // A model with kernels of the CPU. `threads`: 0: one per core.
  ReferenceScorer(std::shared_ptr<const LanguageModel> model, int threads);

  // Of each scored token of `tree`; until the next call. The temperature counts as a float.
  absl::Span<const double> LogProbs(const PrefixTree& tree, double temperature);

 private:
  const std::shared_ptr<const LanguageModel> model_;
  ThreadTeam team_;
  const std::unique_ptr<LanguageModelPass> pass_;
  std::unique_ptr<KeyValueCache> cache_;
  std::vector<double> log_probs_;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_REFERENCE_SCORER_H_
