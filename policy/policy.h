// The policy as the learner sees it: parameters, and the log-prob of tokens on prefix trees.
// Completions are sampled by a TransformerPolicy's decoder (transformer.h), of a language model by
// the generation engine (rollout/generation_engine.h).
//
// A Policy owns its parameters and is otherwise stateless; a TreePass holds the scratch memory of
// one thread. Any number of them may work on one policy at a time, as long as nobody changes the
// parameters meanwhile: the learner changes them between passes.
//
// LibTorch's exceptions (a device out of memory) pass through these calls; the learner and the
// worker catch them at their loops.
#ifndef TPO_POLICY_POLICY_H_
#define TPO_POLICY_POLICY_H_

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/weight_snapshot.h"
#include "policy/parameters.h"
#include "policy/prefix_tree.h"

namespace tpo {

// Forward and backward passes on whole trees; one thread's.
class TreePass {
 public:
  virtual ~TreePass() = default;

  // Log-prob of each scored token of `tree` at `temperature`, natural logarithm [E]. Keeps what
  // Backward needs until the next Forward; `tree` must stay alive until then. The span is valid
  // until the next call.
  virtual absl::Span<const double> Forward(const PrefixTree& tree, double temperature) = 0;

  // Entropy, in nats, of the distribution that each scored token of the last Forward was scored by,
  // at its temperature [E]. Valid until the next call.
  virtual absl::Span<const double> Entropies() = 0;

  // Adds the gradient of Σ_e coefficients[e] · log-prob[e] of the last Forward to `gradients`,
  // which are in the order of the policy's parameters, same shapes.
  virtual void Backward(absl::Span<const double> coefficients,
                        std::vector<at::Tensor>& gradients) = 0;
};

class Policy {
 public:
  virtual ~Policy() = default;

  virtual const std::vector<NamedParameter>& parameters() const = 0;
  virtual int vocabulary_size() const = 0;
  // Longest sequence; the path stride of trees for this policy, if its passes read paths
  // (those of pass_uses_all_cores() read parents).
  virtual int max_positions() const = 0;
  // Implementation and device for the logs, e.g. "transformer float32 cpu fused avx512".
  virtual std::string description() const = 0;

  virtual std::unique_ptr<TreePass> NewPass() const = 0;

  // The parameters were changed (an optimizer's step, a loaded checkpoint): takes up what passes
  // compute with, where that is a copy (rounded, packed). Call it before the next pass; not while
  // one is at work.
  virtual void OnParametersChanged() {}

  // A pass works on all cores by itself, so that one at a time is enough; else it is one thread's.
  virtual bool pass_uses_all_cores() const { return false; }

  // What workers get of the policy as it is now: by default its parameters.
  virtual absl::StatusOr<TensorBundle> Snapshot() const { return BundleTensors(parameters()); }
};

}  // namespace tpo

#endif  // TPO_POLICY_POLICY_H_
