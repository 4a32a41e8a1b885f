// A published version of a language model's weights to a LanguageModel, on the worker's side.
//
// Without adapters a version holds all tensors, and nothing is read from disk. With adapters it
// holds them alone, and they are merged into the weights of the model's directory.
//
// Thread-safe. No LibTorch. Errors of memory are std::bad_alloc, or what the models' factory
// throws.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_LOADER_H_
#define TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_LOADER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "core/learner_api.h"
#include "core/run_spec.h"
#include "core/weight_snapshot.h"
#include "policy/hugging_face/model_config.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/language_model/language_model.h"
#include "policy/language_model/lora.h"

namespace tpo {

// `seed`: the run's.
LoraSpec ToLoraSpec(const LowRankAdapterSpec& spec, uint64_t seed);

// CRC-32C over config.json, tokenizer.json (where there is one) and all weights: whether a
// directory is still the one that it was.
absl::StatusOr<uint32_t> ModelChecksum(const ModelDirectory& directory);
// A checksum as checkpoints have it.
std::string ChecksumText(uint32_t crc);

// What workers are told of the model in `directory`.
absl::StatusOr<LanguageModelInfo> DescribeLanguageModel(const ModelDirectory& directory,
                                                        const HuggingFaceModelSpec& spec);

class LanguageModelLoader {
 public:
  // INVALID_ARGUMENT: the config is none that is supported. FAILED_PRECONDITION: with adapters, the
  // directory isn't there or not the learner's; the message says what to do.
  // `factory`: makes the models; none: with kernels of the CPU.
  static absl::StatusOr<std::unique_ptr<LanguageModelLoader>> Create(
      const LanguageModelInfo& info, LanguageModelFactory factory = nullptr);

  const LanguageModelConfig& config() const { return config_; }

  // INVALID_ARGUMENT names the tensor that is missing, or of another shape or type than the
  // model's.
  absl::StatusOr<std::shared_ptr<const LanguageModel>> Load(const TensorBundle& weights) const;

 private:
  LanguageModelLoader(LanguageModelConfig config, bool bfloat16, LanguageModelFactory factory)
      : config_(std::move(config)), bfloat16_(bfloat16), factory_(std::move(factory)) {}

  std::shared_ptr<const LanguageModel> Make(const TensorBundle& weights) const;

  const LanguageModelConfig config_;
  const bool bfloat16_;
  const LanguageModelFactory factory_;
  // With adapters only.
  LoraSpec lora_;
  std::unique_ptr<ModelDirectory> base_;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_LOADER_H_
