#include "policy/language_model/language_model.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/language_model/cpu_language_model.h"

namespace tpo {
namespace {

constexpr int kHalfPanel = kPanelColumns / 2;

// Packs the parameters of one model.
template <typename T>
class Packer {
 public:
  Packer(const LanguageModelConfig& config, const TensorSource& source)
      : config_(config), source_(source) {}

  std::unique_ptr<const LanguageModelWeights<T>> Pack() {
    auto weights = std::make_unique<LanguageModelWeights<T>>();
    weights->embedding = Matrix({"model.embed_tokens.weight"}, config_.hidden_size);
    if (!config_.tied_head) weights->own_head = Matrix({"lm_head.weight"}, config_.hidden_size);
    for (int layer = 0; layer < config_.layers; ++layer) {
      weights->layers.push_back(Layer(absl::StrCat("model.layers.", layer, ".")));
    }
    weights->final_norm = Vector("model.norm.weight");
    return weights;
  }

 private:
  LanguageModelLayer<T> Layer(const std::string& prefix) {
    const std::string attention = prefix + "self_attn.";
    LanguageModelLayer<T> layer;
    layer.attention_norm = Vector(prefix + "input_layernorm.weight");
    layer.query_key_value =
        Linear({attention + "q_proj", attention + "k_proj", attention + "v_proj"},
               config_.hidden_size, config_.query_key_value_bias);
    if (config_.query_key_norm) {
      layer.query_norm = Vector(attention + "q_norm.weight");
      layer.key_norm = Vector(attention + "k_norm.weight");
    }
    layer.attention_output =
        Linear({attention + "o_proj"}, config_.heads * config_.head_dim, config_.output_bias);
    layer.feed_forward_norm = Vector(prefix + "post_attention_layernorm.weight");
    layer.gate_up = GateUp(prefix + "mlp.gate_proj", prefix + "mlp.up_proj");
    layer.down =
        Linear({prefix + "mlp.down_proj"}, config_.intermediate_size, config_.feed_forward_bias);
    return layer;
  }

  std::vector<float> Vector(const std::string& name) {
    const SafetensorsView view = source_(name);
    std::vector<float> values(view.spec.shape[0]);
    ConvertElements(view, 0, values.size(), values.data());
    // As the trainer's and the published ones are.
    for (float& value : values) value = RoundedTo<T>(value);
    return values;
  }

  PackedMatrix<T> Matrix(const std::vector<std::string>& names, int depth) {
    std::vector<SafetensorsView> views;
    for (const std::string& name : names) views.push_back(source_(name));
    std::vector<MatrixRow> rows;
    for (const SafetensorsView& view : views) {
      for (int64_t row = 0; row < view.spec.shape[0]; ++row) rows.push_back({&view, row});
    }
    return PackedMatrix<T>(rows, depth);
  }

  PackedLinear<T> Linear(const std::vector<std::string>& names, int depth, bool bias) {
    std::vector<std::string> weights;
    for (const std::string& name : names) weights.push_back(name + ".weight");
    PackedLinear<T> linear;
    linear.matrix = Matrix(weights, depth);
    if (!bias) return linear;
    for (const std::string& name : names) {
      for (const float value : Vector(name + ".bias")) linear.bias.push_back(value);
    }
    linear.bias.resize(linear.matrix.columns());
    return linear;
  }

  PackedLinear<T> GateUp(const std::string& gate, const std::string& up) {
    const SafetensorsView views[2] = {source_(gate + ".weight"), source_(up + ".weight")};
    const int inner = config_.intermediate_size;
    std::vector<MatrixRow> rows;
    for (int first = 0; first < inner; first += kHalfPanel) {
      for (const SafetensorsView& view : views) {
        for (int i = first; i < first + kHalfPanel; ++i) {
          rows.push_back(i < inner ? MatrixRow{&view, i} : MatrixRow());
        }
      }
    }
    PackedLinear<T> linear;
    linear.matrix = PackedMatrix<T>(rows, config_.hidden_size);
    if (!config_.feed_forward_bias) return linear;
    linear.bias.resize(linear.matrix.columns());
    const std::vector<float> biases[2] = {Vector(gate + ".bias"), Vector(up + ".bias")};
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < inner; ++i) {
        linear.bias[i / kHalfPanel * kPanelColumns + half * kHalfPanel + i % kHalfPanel] =
            biases[half][i];
      }
    }
    return linear;
  }

  const LanguageModelConfig& config_;
  const TensorSource& source_;
};

template <typename T>
size_t BytesReadPerStep(const LanguageModelWeights<T>& weights) {
  size_t bytes = weights.head().size_bytes();
  for (const LanguageModelLayer<T>& layer : weights.layers) {
    bytes += layer.query_key_value.matrix.size_bytes() +
             layer.attention_output.matrix.size_bytes() + layer.gate_up.matrix.size_bytes() +
             layer.down.matrix.size_bytes();
  }
  return bytes;
}

}  // namespace

TensorSource BundleSource(const TensorBundle& bundle) {
  return [&bundle](const std::string& name) {
    const TensorSpec& spec = *bundle.Find(name);
    const absl::Span<const std::byte> bytes = bundle.bytes(spec);
    return SafetensorsView{spec, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
  };
}

absl::Status CheckModelBundle(const LanguageModelConfig& config, const TensorBundle& bundle) {
  for (const LanguageModelTensor& tensor : LanguageModelTensors(config)) {
    const TensorSpec* const spec = bundle.Find(tensor.name);
    if (spec == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", tensor.name, " is missing"));
    }
    const bool floating = spec->type == TensorType::kBfloat16 ||
                          spec->type == TensorType::kFloat16 || spec->type == TensorType::kFloat32;
    if (spec->shape != tensor.shape || !floating) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", tensor.name, " is of another shape or type than the model's"));
    }
  }
  return absl::OkStatus();
}

std::shared_ptr<const LanguageModel> LanguageModel::Create(const LanguageModelConfig& config,
                                                           const TensorSource& source,
                                                           bool bfloat16,
                                                           const LanguageLoops* loops) {
  return std::make_shared<const CpuLanguageModel>(config, source, bfloat16,
                                                  loops != nullptr ? *loops : BestLanguageLoops());
}

std::shared_ptr<const LanguageModel> LanguageModel::Create(const ModelDirectory& directory,
                                                           bool bfloat16,
                                                           const LanguageLoops* loops) {
  return Create(
      directory.config(), [&](const std::string& name) { return directory.tensor(name); }, bfloat16,
      loops);
}

CpuLanguageModel::CpuLanguageModel(const LanguageModelConfig& config, const TensorSource& source,
                                   bool bfloat16, const LanguageLoops& loops)
    : LanguageModel(config), loops_(loops) {
  if (bfloat16) {
    bfloat16_weights_ = Packer<uint16_t>(config, source).Pack();
  } else {
    float_weights_ = Packer<float>(config, source).Pack();
  }
}

std::string CpuLanguageModel::description() const {
  char millions[32];
  std::snprintf(millions, sizeof(millions), "%.1f",
                static_cast<double>(CountParameters(config())) * 1e-6);
  return absl::StrCat(config().model_type, " ", millions, " M parameters ",
                      bfloat16() ? "bfloat16" : "float32", " cpu ", loops_.name);
}

size_t CpuLanguageModel::weight_bytes() const {
  return bfloat16() ? BytesReadPerStep(*bfloat16_weights_) : BytesReadPerStep(*float_weights_);
}

std::unique_ptr<PagePool> CpuLanguageModel::NewCache(uint64_t bytes) const {
  const uint64_t pages = bytes / KeyValueCache::PageBytes(config(), bfloat16());
  return std::make_unique<KeyValueCache>(config(), bfloat16(),
                                         static_cast<int>(std::min<uint64_t>(pages, 1 << 30)));
}

}  // namespace tpo
