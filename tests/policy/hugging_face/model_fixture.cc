#include "tests/policy/hugging_face/model_fixture.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "core/file_system.h"
#include "policy/safetensors.h"

namespace tpo {
namespace {

void DieUnless(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "model fixture: %s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace

std::string SmallConfigJson() {
  return R"({
    "model_type": "qwen3", "vocab_size": 77, "hidden_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 10, "intermediate_size": 50,
    "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
    "tie_word_embeddings": true, "eos_token_id": 2, "hidden_act": "silu", "torch_dtype": "float32"
  })";
}

LanguageModelConfig SmallConfig() { return *ParseLanguageModelConfig(SmallConfigJson()); }

TensorBundle RandomWeights(const LanguageModelConfig& config, uint64_t seed) {
  std::vector<TensorSpec> specs;
  for (const LanguageModelTensor& tensor : LanguageModelTensors(config)) {
    TensorSpec spec;
    spec.name = tensor.name;
    spec.type = TensorType::kFloat32;
    spec.shape = tensor.shape;
    specs.push_back(std::move(spec));
  }
  TensorBundle bundle = *TensorBundle::Create(std::move(specs));
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (const TensorSpec& spec : bundle.tensors()) {
    float* const values = reinterpret_cast<float*>(bundle.bytes(spec).data());
    const bool matrix = spec.shape.size() == 2;
    const float scale = matrix ? 1.5F / std::sqrt(static_cast<float>(spec.shape[1])) : 0.1F;
    const bool norm = spec.name.find("norm") != std::string::npos;
    for (size_t i = 0; i < spec.size_bytes / sizeof(float); ++i) {
      values[i] = normal(random) * scale + (norm ? 1.0F : 0.0F);
    }
  }
  return bundle;
}

TensorBundle DivergedWeights(const LanguageModelConfig& config, uint64_t seed) {
  TensorBundle bundle = RandomWeights(config, seed);
  const TensorSpec& norm = *bundle.Find("model.norm.weight");
  float* const values = reinterpret_cast<float*>(bundle.bytes(norm).data());
  std::fill_n(values, norm.size_bytes / sizeof(float), std::numeric_limits<float>::quiet_NaN());
  return bundle;
}

std::string WriteModel(const std::string& directory, const std::string& config_json,
                       const TensorBundle& weights) {
  FileSystem* const files = FileSystem::Posix();
  DieUnless(files->CreateDirectory(directory));
  DieUnless(WriteFileAtomically(files, JoinPath(directory, "config.json"), config_json));
  DieUnless(WriteSafetensors(files, JoinPath(directory, "model.safetensors"), weights,
                             {{"format", "pt"}}));
  return directory;
}

}  // namespace tpo
