// The composed form of a LanguageModelPolicy (decisions 2 and 12): LibTorch's operators with its
// autograd, on any device. The same parameters under the same names, and the same snapshots, as the
// form with kernels of our own; log-probs differ from those by rounding. On a GPU LibTorch adds
// some gradients in no fixed order: a repeated run differs in its last bits there.
//
// Thread rule and errors are LanguageModelPolicy's, but that memory is LibTorch's: c10::Error.
#ifndef TPO_POLICY_COMPOSED_COMPOSED_POLICY_H_
#define TPO_POLICY_COMPOSED_COMPOSED_POLICY_H_

#include <memory>

#include "absl/status/statusor.h"
#include "policy/language_model_policy.h"

namespace tpo {

// Options have been checked; `directory` may go afterwards. INVALID_ARGUMENT: as LoraModules.
absl::StatusOr<std::unique_ptr<LanguageModelPolicy>> MakeComposedPolicy(
    const ModelDirectory& directory, const LanguageModelPolicyOptions& options);

// A pass over the directory's weights, frozen: Forward only.
std::unique_ptr<TreePass> MakeComposedReference(const ModelDirectory& directory,
                                                const LanguageModelPolicyOptions& options);

}  // namespace tpo

#endif  // TPO_POLICY_COMPOSED_COMPOSED_POLICY_H_
