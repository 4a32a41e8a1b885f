// LoRA: instead of a weight matrix W [out, in], two small ones are trained, A [rank, in] and
// B [out, rank]; what computes is W + (alpha / rank) · B · A. W stays as it is in its directory.
//
// The adapters have PEFT's names, "base_model.model." + the module's name + ".lora_A.weight" or
// ".lora_B.weight", so that an adapter file is one that others load. No LibTorch. Stateless.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LORA_H_
#define TPO_POLICY_LANGUAGE_MODEL_LORA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/weight_snapshot.h"
#include "policy/hugging_face/model_config.h"
#include "policy/hugging_face/model_directory.h"

namespace tpo {

struct LoraSpec {
  int rank = 16;
  double alpha = 32.0;
  // Last parts of the modules' names, of every layer.
  std::vector<std::string> target_modules = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                             "gate_proj", "up_proj", "down_proj"};
  // Of the initial A; B begins as zero.
  uint64_t seed = 0;

  friend bool operator==(const LoraSpec&, const LoraSpec&) = default;
};

// A matrix of the model that has an adapter.
struct LoraModule {
  std::string weight;  // "model.layers.0.self_attn.q_proj.weight"
  std::string a;       // "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
  std::string b;
  int64_t out = 0;
  int64_t in = 0;
};

// Whether a module ("model.layers.0.self_attn.q_proj") is a target, and its adapters' names.
bool IsLoraTarget(const LoraSpec& spec, const std::string& module);
std::string LoraAName(const std::string& module);
std::string LoraBName(const std::string& module);

// All of them, in the model's order. INVALID_ARGUMENT: rank or alpha out of range, a target that no
// module has, none at all.
absl::StatusOr<std::vector<LoraModule>> LoraModules(const LanguageModelConfig& config,
                                                    const LoraSpec& spec);

// What B · A is multiplied with.
inline float LoraScale(const LoraSpec& spec) { return static_cast<float>(spec.alpha / spec.rank); }

// The A that training begins with, as PEFT's (Kaiming-uniform with √5): uniform within 1/√in, a
// pure function of the seed and of which matrix it is.
void InitialLoraA(const LoraSpec& spec, const LanguageModelConfig& config, const LoraModule& module,
                  float* a);

// merged [out, in] = weight + scale · b · a, each sum in one order. `merged` may be `weight`. The
// trainer and MergeLora make their weights with it.
void MergeLoraWeight(const float* weight, const float* a, const float* b, int64_t out, int64_t in,
                     int rank, float scale, float* merged);

// The weights of `directory` with the adapters merged, under Hugging Face names, as `type`
// (kBfloat16 or kFloat32): what a worker computes with and what is exported. INVALID_ARGUMENT: an
// adapter is missing, surplus, of another shape, or not float32.
absl::StatusOr<TensorBundle> MergeLora(const ModelDirectory& directory, const LoraSpec& spec,
                                       const TensorBundle& adapters, TensorType type);

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LORA_H_
