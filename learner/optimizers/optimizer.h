// One optimizer step over named parameters, in parts that threads may share. One step at a time.
#ifndef TPO_LEARNER_OPTIMIZERS_OPTIMIZER_H_
#define TPO_LEARNER_OPTIMIZERS_OPTIMIZER_H_

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/run_spec.h"
#include "core/weight_snapshot.h"
#include "policy/parameters.h"

namespace tpo {

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Updates the parameters in place, without autograd. `gradients` are in the order of the
  // parameters that the optimizer was made with, same shapes, same dtype.
  void Step(const std::vector<at::Tensor>& gradients) {
    BeginStep();
    for (int part = 0; part < parts(); ++part) StepPart(part, gradients);
  }

  // From the next step on the learning rate is the spec's times `factor`; 1 in the beginning. Not
  // part of the state: a function of the step (learner/learning_rate.h).
  virtual void SetLearningRateFactor(double factor) = 0;

  // What Step does, for callers with threads: BeginStep, then StepPart for every part, in any order
  // and on any threads. Parts touch different parameters, so the result depends on neither.
  virtual void BeginStep() = 0;
  virtual void StepPart(int part, const std::vector<at::Tensor>& gradients) = 0;
  // The longest come first. Constant.
  virtual int parts() const = 0;

  // All state as named tensors (the step counter is an int64 scalar), for a checkpoint: loading it
  // into a fresh optimizer continues bit by bit. They share their storage with the optimizer: the
  // next step changes them.
  virtual std::vector<NamedParameter> State() const = 0;
  // A copy of it.
  absl::StatusOr<TensorBundle> SaveState() const { return BundleTensors(State()); }
  // INVALID_ARGUMENT names the tensor that is missing, surplus or of another shape or type; nothing
  // is changed then.
  virtual absl::Status LoadState(const TensorBundle& state) = 0;
};

// `parameters` stay owned by the policy, which must outlive the optimizer.
absl::StatusOr<std::unique_ptr<Optimizer>> MakeOptimizer(
    const OptimizerSpec& spec, const std::vector<NamedParameter>& parameters);

}  // namespace tpo

#endif  // TPO_LEARNER_OPTIMIZERS_OPTIMIZER_H_
