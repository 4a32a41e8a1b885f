// A language model as the learner trains it: float32 masters under their Hugging Face names, and
// passes that forward and backpropagate prefix trees, in one of two forms (decision 12): with
// kernels of our own on the CPU, or composed of LibTorch's operators on any device
// (policy/composed/composed_policy.h).
//
//   ModelDirectory ──► LanguageModelPolicy ──► TreePass: log-probs, gradients
//                              │
//                              └── Snapshot() ──► worker: LanguageModel::Create(config,
//                                                 BundleSource(bundle), bfloat16)
//
// - parameters(): a LanguageModelTensors(config()) each, float32 [out, in], in that order; a tied
//   head isn't among them. With LoRA: the adapters only (policy/language_model/lora.h).
// - Computes in bfloat16 (sums in float32) or in float32. What passes compute with is a packed
//   copy; OnParametersChanged makes it anew, in the same memory.
// - Snapshot(): the parameters as workers compute with them, bfloat16 or float32; with LoRA the
//   adapters, float32, from which MergeLora makes the weights. Both forms give the same snapshot of
//   the same parameters, so a worker of either takes it. With kernels of our own on both sides a
//   LanguageModel made of it gives the log-probs of a TreePass to the last bit (the sums have one
//   order, whatever the batch); else they differ by rounding.
// - A pass works with all `threads`, so one at a time works (pass_uses_all_cores): passes of a
//   policy share its threads and its working memory, and each owns only what a backward pass needs
//   of the forward one: the inputs of the layers. With kernels of our own results don't depend on
//   the number of threads.
// - A pass may hold several groups, in any order; memory is proportional to the tree's nodes,
//   whatever K, and never to nodes × vocabulary.
//
// Thread rule: one caller at a time for the policy and all its passes. Errors of memory are
// std::bad_alloc, or c10::Error from LibTorch.
#ifndef TPO_POLICY_LANGUAGE_MODEL_POLICY_H_
#define TPO_POLICY_LANGUAGE_MODEL_POLICY_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>

#include <c10/core/Device.h>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policy/hugging_face/model_config.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/language_model/lora.h"
#include "policy/policy.h"

namespace tpo {

struct LanguageModelPolicyOptions {
  bool bfloat16 = true;  // the type of the computation, else float32
  int threads = 0;       // of a pass with kernels of our own; 0: one per core
  // Longest sequence, the stride of paths; 0: the model's.
  int max_positions = 0;
  // Trains adapters of the weights instead of the weights.
  std::optional<LoraSpec> lora = std::nullopt;
  // Other devices than the CPU have the composed form only.
  c10::Device device = c10::DeviceType::CPU;
  bool composed = false;
  // Rows whose logits exist at a time, in the composed form; 0: by the size of the vocabulary.
  int head_rows = 0;
};

class LanguageModelPolicy : public Policy {
 public:
  virtual const LanguageModelConfig& config() const = 0;
  virtual bool bfloat16() const = 0;
  // Bytes of the working memory that all passes share; it grows to what the largest tree so far
  // needed. 0 in the composed form, where LibTorch lends and reuses it.
  virtual size_t working_bytes() const = 0;
  // Bytes that one of this policy's passes keeps for its backward pass.
  virtual size_t kept_bytes(const TreePass& pass) const = 0;
};

// Reads the weights; the directory may go afterwards. INVALID_ARGUMENT: an option is out of range.
absl::StatusOr<std::unique_ptr<LanguageModelPolicy>> MakeLanguageModelPolicy(
    const ModelDirectory& directory, const LanguageModelPolicyOptions& options);

// Log-probs of each scored token of a tree under weights that don't change, until the next call:
// the reference of a KL penalty. One caller at a time.
using ReferenceLogProbs =
    std::function<absl::Span<const double>(const PrefixTree& tree, double temperature)>;

// That of the directory's weights, in the form and with the bits of the policy that would be made
// of the same options; the directory may go afterwards.
ReferenceLogProbs MakeReference(const ModelDirectory& directory,
                                const LanguageModelPolicyOptions& options);

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_POLICY_H_
