// LibTorch's fused Adam, AdamW and SGD, which read and write everything once, behind our interface.
// Large models are updated in parts, for threads to share; which they are changes nothing, since
// the updates go element by element.
#ifndef TPO_LEARNER_OPTIMIZERS_TORCH_OPTIMIZER_H_
#define TPO_LEARNER_OPTIMIZERS_TORCH_OPTIMIZER_H_

#include <memory>
#include <vector>

#include "learner/optimizers/optimizer.h"

namespace tpo {

// REQUIRES: valid options, unique names (MakeOptimizer checks).
std::unique_ptr<Optimizer> MakeTorchAdam(const AdamSpec& spec,
                                         const std::vector<NamedParameter>& parameters);
std::unique_ptr<Optimizer> MakeTorchSgd(const SgdSpec& spec,
                                        const std::vector<NamedParameter>& parameters);

}  // namespace tpo

#endif  // TPO_LEARNER_OPTIMIZERS_TORCH_OPTIMIZER_H_
