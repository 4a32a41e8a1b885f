// Adam in Nesterov form on one flat buffer, the branch of Muon for parameters that aren't matrices
// (paper.md §3):
//   m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g²
//   update = (b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t)) / (√(v / (1 - b2^t)) + 1e-8)
//   p <- p - learning rate · (update + weight decay · p)
// Without Nesterov the numerator is m / (1 - b1^t).
#ifndef TPO_LEARNER_OPTIMIZERS_NESTEROV_ADAM_H_
#define TPO_LEARNER_OPTIMIZERS_NESTEROV_ADAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/run_spec.h"
#include "policy/parameters.h"

namespace tpo {

// Part of an optimizer: one step at a time, on any thread. One dtype and device for all parameters.
class NesterovAdam {
 public:
  // `indices` says which of `parameters` (and so of the gradients of Step) it updates; may be
  // empty.
  NesterovAdam(const MuonSpec& spec, const std::vector<NamedParameter>& parameters,
               std::vector<size_t> indices);

  // `step` counts from 1.
  void Step(const std::vector<at::Tensor>& gradients, int64_t step, double learning_rate);

  // Appends views of the state, named after the parameters.
  void AppendState(std::vector<NamedParameter>& state) const;

 private:
  const MuonSpec spec_;
  const std::vector<size_t> indices_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_;
  at::Tensor first_moment_;   // [total]
  at::Tensor second_moment_;  // [total]
  // Scratch: gradient, then update; and its denominator.
  at::Tensor update_;       // [total]
  at::Tensor denominator_;  // [total]
  std::vector<at::Tensor> update_views_;
};

}  // namespace tpo

#endif  // TPO_LEARNER_OPTIMIZERS_NESTEROV_ADAM_H_
