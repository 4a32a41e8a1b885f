#include "policy/hugging_face/model_config.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/strict_json.h"

namespace tpo {
namespace {

using Json = nlohmann::json;

absl::Status Refuse(const std::string& field, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("config.json: ", field, " ", why));
}

// Reads fields and keeps the first error.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}

  const absl::Status& status() const { return status_; }

  bool Has(const std::string& field) const {
    const auto found = json_.find(field);
    return found != json_.end() && !found->is_null();
  }

  // `fallback` < 0: the field must be there.
  int Size(const std::string& field, int64_t fallback, int64_t most) {
    if (!Has(field)) {
      if (fallback < 0) Fail(field, "is missing");
      return static_cast<int>(fallback);
    }
    const Json& value = json_[field];
    const bool whole = value.is_number_unsigned();
    if (!whole || value.get<uint64_t>() < 1 ||
        value.get<uint64_t>() > static_cast<uint64_t>(most)) {
      Fail(field, absl::StrCat("is ", value.dump(), ", expected a whole number from 1 to ", most));
      return 0;
    }
    return value.get<int>();
  }

  double Positive(const std::string& field, double fallback) {
    if (!Has(field)) {
      if (fallback < 0) Fail(field, "is missing");
      return fallback;
    }
    const Json& value = json_[field];
    if (!value.is_number() || !(value.get<double>() > 0.0) || !std::isfinite(value.get<double>())) {
      Fail(field, absl::StrCat("is ", value.dump(), ", expected a positive number"));
      return 0.0;
    }
    return value.get<double>();
  }

  bool Flag(const std::string& field, bool fallback) {
    if (!Has(field)) return fallback;
    if (!json_[field].is_boolean()) {
      Fail(field, absl::StrCat("is ", json_[field].dump(), ", expected true or false"));
      return fallback;
    }
    return json_[field].get<bool>();
  }

  std::string Text(const std::string& field, const std::string& fallback) {
    if (!Has(field)) return fallback;
    if (!json_[field].is_string()) {
      Fail(field, absl::StrCat("is ", json_[field].dump(), ", expected a text"));
      return fallback;
    }
    return json_[field].get<std::string>();
  }

  void Fail(const std::string& field, const std::string& why) {
    if (status_.ok()) status_ = Refuse(field, why);
  }

 private:
  const Json& json_;
  absl::Status status_;
};

absl::StatusOr<std::vector<TokenId>> ToTokens(const Json& value) {
  std::vector<TokenId> tokens;
  for (const Json& token : value.is_array() ? value : Json::array({value})) {
    if (!token.is_number_unsigned() ||
        token.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<TokenId>::max())) {
      return absl::InvalidArgumentError(
          absl::StrCat("eos_token_id is ", value.dump(), ", expected a token or a list of tokens"));
    }
    tokens.push_back(token.get<TokenId>());
  }
  return tokens;
}

// transformers 5 has rope_parameters {rope_type, rope_theta, …}; before it were rope_theta and
// rope_scaling {rope_type or type, …}.
absl::Status ReadRope(const Json& json, LanguageModelConfig* config) {
  const bool current = json.contains("rope_parameters") && !json["rope_parameters"].is_null();
  const std::string name = current ? "rope_parameters" : "rope_scaling";
  Json scaling = json.value(name, Json(nullptr));
  if (scaling.is_null()) scaling = Json::object();
  if (!scaling.is_object()) return Refuse(name, "isn't a JSON object");
  Fields top(json);
  Fields fields(scaling);
  config->rope_theta = current && fields.Has("rope_theta") ? fields.Positive("rope_theta", -1)
                                                           : top.Positive("rope_theta", 10000.0);
  TPO_RETURN_IF_ERROR(top.status());
  const std::string type = fields.Text("rope_type", fields.Text("type", "default"));
  if (type == "llama3") {
    config->rope_scaling = RopeScaling{
        .factor = fields.Positive("factor", -1),
        .low_frequency_factor = fields.Positive("low_freq_factor", -1),
        .high_frequency_factor = fields.Positive("high_freq_factor", -1),
        .original_max_positions = fields.Positive("original_max_position_embeddings", -1)};
    if (config->rope_scaling->high_frequency_factor <= config->rope_scaling->low_frequency_factor) {
      fields.Fail("high_freq_factor", "isn't above low_freq_factor");
    }
  } else if (type != "default") {
    fields.Fail("rope_type", absl::StrCat("is '", type, "'; supported are default and llama3"));
  }
  const double rotated = current ? fields.Positive("partial_rotary_factor", 1.0)
                                 : top.Positive("partial_rotary_factor", 1.0);
  if (rotated != 1.0) fields.Fail("partial_rotary_factor", "other than 1 isn't supported");
  if (fields.status().ok()) return absl::OkStatus();
  return Refuse(name, absl::StrCat("of rope: ", std::string(fields.status().message())));
}

absl::Status ReadArchitecture(const Json& json, Fields* fields, LanguageModelConfig* config) {
  config->model_type = fields->Text("model_type", "");
  TPO_RETURN_IF_ERROR(fields->status());
  const std::string& type = config->model_type;
  if (type != "llama" && type != "qwen2" && type != "qwen3") {
    return Refuse("model_type", type.empty() ? std::string("is missing")
                                             : absl::StrCat("is '", type,
                                                            "'; supported are llama, qwen2 and "
                                                            "qwen3"));
  }
  const bool attention_bias = fields->Flag("attention_bias", false);
  config->query_key_value_bias = type == "qwen2" || attention_bias;
  config->output_bias = type != "qwen2" && attention_bias;
  config->feed_forward_bias = type == "llama" && fields->Flag("mlp_bias", false);
  config->query_key_norm = type == "qwen3";
  const std::string activation = fields->Text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") {
    return Refuse("hidden_act", absl::StrCat("is '", activation, "'; supported is silu"));
  }
  if (fields->Flag("use_sliding_window", false)) {
    return Refuse("use_sliding_window", "is true; sliding windows aren't supported");
  }
  for (const Json& layer : json.value("layer_types", Json::array())) {
    if (layer != "full_attention") {
      return Refuse("layer_types",
                    absl::StrCat("has ", layer.dump(), "; supported is full_attention"));
    }
  }
  return fields->status();
}

absl::Status CheckHeads(const LanguageModelConfig& config) {
  if (config.heads % config.key_value_heads != 0) {
    return Refuse("num_key_value_heads",
                  absl::StrCat("is ", config.key_value_heads, ", must divide num_attention_heads, ",
                               config.heads));
  }
  if (config.head_dim % 2 != 0) {
    return Refuse("head_dim", absl::StrCat("is ", config.head_dim, ", must be even"));
  }
  return absl::OkStatus();
}

constexpr int kMostUnits = 1 << 20;

absl::StatusOr<LanguageModelConfig> Read(const Json& json) {
  if (!json.is_object()) return absl::InvalidArgumentError("config.json isn't a JSON object");
  LanguageModelConfig config;
  Fields fields(json);
  TPO_RETURN_IF_ERROR(ReadArchitecture(json, &fields, &config));
  config.vocab_size = fields.Size("vocab_size", -1, 1 << 24);
  config.hidden_size = fields.Size("hidden_size", -1, kMostUnits);
  config.layers = fields.Size("num_hidden_layers", -1, 4096);
  config.heads = fields.Size("num_attention_heads", -1, 4096);
  TPO_RETURN_IF_ERROR(fields.status());
  config.key_value_heads = fields.Size("num_key_value_heads", config.heads, 4096);
  if (!fields.Has("head_dim") && config.hidden_size % config.heads != 0) {
    return Refuse("num_attention_heads", "doesn't divide hidden_size, and there is no head_dim");
  }
  const int default_head_dim =
      config.model_type == "qwen3" ? 128 : config.hidden_size / config.heads;
  config.head_dim = fields.Size("head_dim", default_head_dim, 4096);
  config.intermediate_size = fields.Size("intermediate_size", -1, kMostUnits);
  config.max_positions = fields.Size("max_position_embeddings", -1, 1 << 28);
  config.norm_epsilon = fields.Positive("rms_norm_eps", 1e-6);
  config.tied_head = fields.Flag("tie_word_embeddings", false);
  TPO_RETURN_IF_ERROR(fields.status());
  TPO_RETURN_IF_ERROR(CheckHeads(config));
  TPO_RETURN_IF_ERROR(ReadRope(json, &config));
  if (fields.Has("eos_token_id")) {
    TPO_ASSIGN_OR_RETURN(config.end_tokens, ToTokens(json["eos_token_id"]));
  }
  return config;
}

absl::StatusOr<Json> Parse(std::string_view text, const std::string& name) {
  absl::StatusOr<Json> json = ParseStrictJson<Json>(text);
  if (!json.ok())
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", json.status().message()));
  return json;
}

}  // namespace

absl::StatusOr<LanguageModelConfig> ParseLanguageModelConfig(std::string_view json) {
  TPO_ASSIGN_OR_RETURN(const Json parsed, Parse(json, "config.json"));
  try {
    return Read(parsed);
  } catch (const Json::exception& error) {  // a field of a type that nobody would expect
    return absl::InvalidArgumentError(absl::StrCat("config.json: ", error.what()));
  }
}

absl::StatusOr<std::vector<TokenId>> ParseEndTokens(std::string_view generation_config_json) {
  TPO_ASSIGN_OR_RETURN(const Json json, Parse(generation_config_json, "generation_config.json"));
  if (!json.is_object() || !json.contains("eos_token_id") || json["eos_token_id"].is_null()) {
    return std::vector<TokenId>();
  }
  return ToTokens(json["eos_token_id"]);
}

std::vector<float> RotaryFrequencies(const LanguageModelConfig& config) {
  const int half = config.head_dim / 2;
  std::vector<float> frequencies(half);
  for (int i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
    frequencies[i] = 1.0F / std::pow(static_cast<float>(config.rope_theta), exponent);
  }
  if (!config.rope_scaling.has_value()) return frequencies;
  const RopeScaling& scaling = *config.rope_scaling;
  const float longest =
      static_cast<float>(scaling.original_max_positions / scaling.low_frequency_factor);
  const float shortest =
      static_cast<float>(scaling.original_max_positions / scaling.high_frequency_factor);
  for (float& frequency : frequencies) {
    const float wavelength = static_cast<float>(2.0 * M_PI) / frequency;
    const float slow = frequency / static_cast<float>(scaling.factor);
    if (wavelength > longest) {
      frequency = slow;
    } else if (wavelength >= shortest) {
      const float part =
          (static_cast<float>(scaling.original_max_positions) / wavelength -
           static_cast<float>(scaling.low_frequency_factor)) /
          static_cast<float>(scaling.high_frequency_factor - scaling.low_frequency_factor);
      frequency = (1.0F - part) * slow + part * frequency;
    }
  }
  return frequencies;
}

std::vector<LanguageModelTensor> LanguageModelTensors(const LanguageModelConfig& config) {
  std::vector<LanguageModelTensor> tensors;
  const int64_t hidden = config.hidden_size;
  const int64_t queries = int64_t{config.heads} * config.head_dim;
  const int64_t keys = int64_t{config.key_value_heads} * config.head_dim;
  const int64_t inner = config.intermediate_size;
  const auto linear = [&](const std::string& name, int64_t out, int64_t in, bool bias) {
    tensors.push_back({name + ".weight", {out, in}});
    if (bias) tensors.push_back({name + ".bias", {out}});
  };
  const auto norm = [&](const std::string& name, int64_t size) {
    tensors.push_back({name + ".weight", {size}});
  };
  tensors.push_back({"model.embed_tokens.weight", {config.vocab_size, hidden}});
  for (int layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = absl::StrCat("model.layers.", layer, ".");
    norm(prefix + "input_layernorm", hidden);
    linear(prefix + "self_attn.q_proj", queries, hidden, config.query_key_value_bias);
    linear(prefix + "self_attn.k_proj", keys, hidden, config.query_key_value_bias);
    linear(prefix + "self_attn.v_proj", keys, hidden, config.query_key_value_bias);
    if (config.query_key_norm) {
      norm(prefix + "self_attn.q_norm", config.head_dim);
      norm(prefix + "self_attn.k_norm", config.head_dim);
    }
    linear(prefix + "self_attn.o_proj", hidden, queries, config.output_bias);
    norm(prefix + "post_attention_layernorm", hidden);
    linear(prefix + "mlp.gate_proj", inner, hidden, config.feed_forward_bias);
    linear(prefix + "mlp.up_proj", inner, hidden, config.feed_forward_bias);
    linear(prefix + "mlp.down_proj", hidden, inner, config.feed_forward_bias);
  }
  norm("model.norm", hidden);
  if (!config.tied_head) tensors.push_back({"lm_head.weight", {config.vocab_size, hidden}});
  return tensors;
}

int64_t CountParameters(const LanguageModelConfig& config) {
  int64_t count = 0;
  for (const LanguageModelTensor& tensor : LanguageModelTensors(config)) {
    int64_t elements = 1;
    for (const int64_t extent : tensor.shape) elements *= extent;
    count += elements;
  }
  return count;
}

}  // namespace tpo
