// Small random language models, in memory and as Hugging Face directories.
#ifndef TPO_TESTS_POLICY_HUGGING_FACE_MODEL_FIXTURE_H_
#define TPO_TESTS_POLICY_HUGGING_FACE_MODEL_FIXTURE_H_

#include <cstdint>
#include <string>

#include "core/weight_snapshot.h"
#include "policy/hugging_face/model_config.h"

namespace tpo {

// A config.json: Qwen3 with two layers, a tied head, GQA; every size is odd in some way (head_dim
// 10, 50 inner units).
std::string SmallConfigJson();
LanguageModelConfig SmallConfig();

// Random weights for a config, a pure function of `seed`; norms near 1, matrices such that logits
// differ by some units.
TensorBundle RandomWeights(const LanguageModelConfig& config, uint64_t seed);

// The same with no number (NaN) in the last norm: all logits are none either.
TensorBundle DivergedWeights(const LanguageModelConfig& config, uint64_t seed);

// Writes a directory with a config and its weights in one file; returns `directory`. Ends the
// process on an error.
std::string WriteModel(const std::string& directory, const std::string& config_json,
                       const TensorBundle& weights);

}  // namespace tpo

#endif  // TPO_TESTS_POLICY_HUGGING_FACE_MODEL_FIXTURE_H_
