// The shape of a language model, from a Hugging Face config.json: Llama (with Llama 3's rope
// scaling), Qwen2 / Qwen2.5, Qwen3. One architecture with switches:
//
//   x += o_proj(attention(rope(qk_norm(q, k)), v))    of  RMSNorm(x)
//   x += down_proj(silu(gate_proj(h)) * up_proj(h))   of  h = RMSNorm(x)
//   logits = head(RMSNorm(x))
//
//              q, k, v biases        o bias            q/k norm   MLP bias
//   llama      attention_bias        attention_bias    no         mlp_bias
//   qwen2      always                no                no         no
//   qwen3      attention_bias        attention_bias    yes        no
//
// What would compute something else than this (another architecture, activation or kind of rope
// scaling, sliding windows) is refused by name. Pure; no LibTorch.
#ifndef TPO_POLICY_HUGGING_FACE_MODEL_CONFIG_H_
#define TPO_POLICY_HUGGING_FACE_MODEL_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/types.h"

namespace tpo {

// Llama 3's stretching of the low rotary frequencies.
struct RopeScaling {
  double factor = 1.0;
  double low_frequency_factor = 1.0;
  double high_frequency_factor = 1.0;
  double original_max_positions = 0.0;

  friend bool operator==(const RopeScaling&, const RopeScaling&) = default;
};

struct LanguageModelConfig {
  std::string model_type;  // "llama", "qwen2", "qwen3"
  int vocab_size = 0;
  int hidden_size = 0;
  int layers = 0;
  int heads = 0;
  int key_value_heads = 0;
  int head_dim = 0;
  int intermediate_size = 0;
  int max_positions = 0;
  double norm_epsilon = 0.0;
  double rope_theta = 0.0;
  std::optional<RopeScaling> rope_scaling;
  bool tied_head = false;  // the head is the embedding
  bool query_key_value_bias = false;
  bool output_bias = false;
  bool feed_forward_bias = false;
  bool query_key_norm = false;
  std::vector<TokenId> end_tokens;  // eos_token_id: none, one or several

  friend bool operator==(const LanguageModelConfig&, const LanguageModelConfig&) = default;
};

// Parses the text of a config.json. INVALID_ARGUMENT names the field that is missing, out of range,
// or asks for what isn't supported.
absl::StatusOr<LanguageModelConfig> ParseLanguageModelConfig(std::string_view json);

// The end tokens of a generation_config.json, which stand in place of the config's; none when it
// has no eos_token_id. INVALID_ARGUMENT: not JSON, or no token.
absl::StatusOr<std::vector<TokenId>> ParseEndTokens(std::string_view generation_config_json);

// The rotary frequencies of a head, radians per position [head_dim / 2], float32 as transformers
// computes them.
std::vector<float> RotaryFrequencies(const LanguageModelConfig& config);

// A parameter as a checkpoint has it.
struct LanguageModelTensor {
  std::string name;            // e.g. "model.layers.0.self_attn.q_proj.weight"
  std::vector<int64_t> shape;  // matrices [out, in]
};

// All parameters, in the order of the computation; a tied head isn't among them.
std::vector<LanguageModelTensor> LanguageModelTensors(const LanguageModelConfig& config);

// Number of parameters.
int64_t CountParameters(const LanguageModelConfig& config);

}  // namespace tpo

#endif  // TPO_POLICY_HUGGING_FACE_MODEL_CONFIG_H_
