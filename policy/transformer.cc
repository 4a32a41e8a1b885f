#include "policy/transformer.h"

#include <cmath>
#include <sstream>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "core/counter_random.h"
#include "policy/kernels/kernels.h"
#include "policy/transformer_forward.h"
#include "policy/transformer_tensors.h"

namespace tpo {
namespace {

// Calls `function` with a pointer to the elements of a CPU tensor, float or double.
template <typename Function>
void WithData(const at::Tensor& tensor, const Function& function) {
  if (tensor.scalar_type() == at::kDouble) {
    function(tensor.data_ptr<double>());
  } else {
    function(tensor.data_ptr<float>());
  }
}

class TransformerPass : public TreePass {
 public:
  TransformerPass(const TransformerSpec& spec, const TransformerTensors* tensors,
                  const TransformerKernels* kernels)
      : spec_(spec), computation_(spec, tensors, kernels) {}

  absl::Span<const double> Forward(const PrefixTree& tree, double temperature) override {
    const c10::InferenceMode inference;
    tree_ = &tree;
    temperature_ = temperature;
    computation_.Reset(tree.nodes.size());
    log_probs_ = computation_.Forward(tree.nodes, 0, temperature).to(at::kCPU);
    scored_log_probs_.resize(tree.scored.size());
    WithData(log_probs_, [&](const auto* data) {
      for (size_t e = 0; e < tree.scored.size(); ++e) {
        scored_log_probs_[e] = data[Index(tree.scored[e])];
      }
    });
    return scored_log_probs_;
  }

  absl::Span<const double> Entropies() override {
    entropies_.resize(tree_->scored.size());
    WithData(log_probs_, [&](const auto* data) {
      std::vector<double> of_node(tree_->nodes.size(), -1.0);
      for (size_t e = 0; e < entropies_.size(); ++e) {
        const int node = tree_->scored[e].node;
        if (of_node[node] < 0.0) of_node[node] = Entropy(data + Index({node, 0}));
        entropies_[e] = of_node[node];
      }
    });
    return entropies_;
  }

  void Backward(absl::Span<const double> coefficients,
                std::vector<at::Tensor>& gradients) override {
    const c10::InferenceMode inference;
    // d Σ c_e log p_e / d logits[n, v] = (Σ_{e at n: token v} c_e - p[n, v] Σ_{e at n} c_e) /
    // temperature.
    at::Tensor d_logits = at::zeros_like(log_probs_);
    WithData(d_logits, [&](auto* gradient) {
      using T = std::remove_pointer_t<decltype(gradient)>;
      std::vector<double> totals(tree_->nodes.size(), 0.0);
      for (size_t e = 0; e < coefficients.size(); ++e) {
        const double coefficient = coefficients[e] / temperature_;
        gradient[Index(tree_->scored[e])] += static_cast<T>(coefficient);
        totals[tree_->scored[e].node] += coefficient;
      }
      const T* log_probs = log_probs_.data_ptr<T>();
      for (size_t n = 0; n < totals.size(); ++n) {
        for (int v = 0; v < spec_.vocab_size; ++v) {
          const size_t i = n * spec_.vocab_size + v;
          gradient[i] -= static_cast<T>(totals[n]) * std::exp(log_probs[i]);
        }
      }
    });
    TransformerTensors view = TransformerTensors::View(spec_, gradients);
    computation_.Backward(tree_->nodes, d_logits.to(view.token_embedding.device()), view);
  }

 private:
  size_t Index(const ScoredToken& scored) const {
    return static_cast<size_t>(scored.node) * spec_.vocab_size + scored.token;
  }

  template <typename T>
  double Entropy(const T* log_probs) const {
    double entropy = 0.0;
    for (int v = 0; v < spec_.vocab_size; ++v) entropy -= std::exp(log_probs[v]) * log_probs[v];
    return std::max(entropy, 0.0);
  }

  const TransformerSpec spec_;
  TransformerComputation computation_;
  const PrefixTree* tree_ = nullptr;
  double temperature_ = 1.0;
  at::Tensor log_probs_;  // [N, V] of the last Forward, on the CPU
  std::vector<double> scored_log_probs_;
  std::vector<double> entropies_;
};

class TransformerDecoder : public TreeDecoder {
 public:
  TransformerDecoder(const TransformerSpec& spec, const TransformerTensors* tensors,
                     const TransformerKernels* kernels)
      : computation_(spec, tensors, kernels) {}

  void Reset(int rows) override {
    const c10::InferenceMode inference;
    computation_.Reset(rows);
    rows_ = 0;
  }

  absl::Span<const float> Extend(const TreeNodes& nodes, double temperature) override {
    const c10::InferenceMode inference;
    log_probs_ = computation_.Forward(nodes, rows_, temperature).to(at::kCPU, at::kFloat);
    rows_ += nodes.size();
    return {log_probs_.data_ptr<float>(), static_cast<size_t>(log_probs_.numel())};
  }

  int rows() const override { return rows_; }

 private:
  TransformerComputation computation_;
  at::Tensor log_probs_;
  int rows_ = 0;
};

class Transformer : public TransformerPolicy {
 public:
  Transformer(const TransformerSpec& spec, const TransformerOptions& options)
      : spec_(spec),
        kernels_(options.device.is_cpu() && !options.composed_kernels ? FusedKernels()
                                                                      : ComposedKernels()) {
    std::vector<at::Tensor> tensors;
    for (const TransformerParameterSpec& parameter : TransformerParameters(spec)) {
      tensors.push_back(at::zeros(parameter.shape,
                                  at::TensorOptions().dtype(options.dtype).device(options.device)));
      parameters_.push_back({parameter.name, tensors.back()});
    }
    tensors_ = TransformerTensors::View(spec, tensors);
  }

  const std::vector<NamedParameter>& parameters() const override { return parameters_; }
  int vocabulary_size() const override { return spec_.vocab_size; }
  int max_positions() const override { return spec_.max_positions; }

  std::string description() const override {
    std::ostringstream text;
    const at::Tensor& tensor = parameters_.front().tensor;
    text << "transformer " << at::toString(tensor.scalar_type()) << " " << tensor.device() << " "
         << kernels_.name();
    return text.str();
  }

  std::unique_ptr<TreePass> NewPass() const override {
    return std::make_unique<TransformerPass>(spec_, &tensors_, &kernels_);
  }
  std::unique_ptr<TreeDecoder> NewDecoder() const override {
    return std::make_unique<TransformerDecoder>(spec_, &tensors_, &kernels_);
  }

  const TransformerSpec& spec() const { return spec_; }

 private:
  const TransformerSpec spec_;
  const TransformerKernels& kernels_;
  std::vector<NamedParameter> parameters_;
  TransformerTensors tensors_;
};

// Uniform numbers in [0, 1), a pure function of the seed and the parameter's index [elements].
at::Tensor UniformTensor(uint64_t seed, uint64_t parameter, int64_t elements) {
  at::Tensor uniform = at::empty({elements}, at::kDouble);
  double* data = uniform.data_ptr<double>();
  for (int64_t i = 0; i < elements; ++i) {
    data[i] =
        UniformAt(seed, RandomStream::kInitialization, parameter, 0, static_cast<uint32_t>(i));
  }
  return uniform;
}

// Standard normal numbers truncated to [-bound, bound], by the inverse of the distribution
// function.
at::Tensor TruncatedNormal(const at::Tensor& uniform, double bound) {
  const double limit = std::erf(bound / std::sqrt(2.0));
  return at::erfinv(uniform * (2.0 * limit) - limit) * std::sqrt(2.0);
}

at::Tensor InitialValues(uint64_t seed, uint64_t index, const TransformerParameterSpec& parameter,
                         int64_t elements) {
  // Standard deviation of a standard normal truncated at ±2.
  constexpr double kTruncatedDeviation = 0.87962566103423978;
  // Beyond this a double holds no more of the normal distribution's tail.
  constexpr double kUnbounded = 8.0;
  switch (parameter.initialization) {
    case Initialization::kZero:
      return at::zeros({elements}, at::kDouble);
    case Initialization::kOne:
      return at::ones({elements}, at::kDouble);
    case Initialization::kLecunKernel:
      return TruncatedNormal(UniformTensor(seed, index, elements), 2.0) /
             (std::sqrt(static_cast<double>(parameter.fan_in)) * kTruncatedDeviation);
    case Initialization::kTokenEmbedding:
      return TruncatedNormal(UniformTensor(seed, index, elements), kUnbounded) * 0.125;
    case Initialization::kPositionEmbedding:
      return TruncatedNormal(UniformTensor(seed, index, elements), kUnbounded) * 0.02;
  }
  return {};
}

absl::Status CheckSpec(const TransformerSpec& spec) {
  const std::pair<const char*, int> fields[] = {
      {"vocab_size", spec.vocab_size}, {"max_positions", spec.max_positions},
      {"d_model", spec.d_model},       {"layers", spec.layers},
      {"heads", spec.heads},           {"feed_forward", spec.feed_forward}};
  for (const auto& [name, value] : fields) {
    if (value < 1)
      return absl::InvalidArgumentError(
          absl::StrCat("transformer.", name, " is ", value, ", must be at least 1"));
  }
  if (spec.d_model % spec.heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("transformer.heads is ", spec.heads, ", must divide d_model, ", spec.d_model));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TransformerPolicy>> MakeTransformer(
    const TransformerSpec& spec, const TransformerOptions& options) {
  if (absl::Status status = CheckSpec(spec); !status.ok()) return status;
  if (options.dtype != at::kFloat && options.dtype != at::kDouble) {
    return absl::InvalidArgumentError("transformer: dtype must be float32 or float64");
  }
  try {
    return std::make_unique<Transformer>(spec, options);
  } catch (const std::exception& error) {
    return absl::ResourceExhaustedError(absl::StrCat("transformer: ", error.what()));
  }
}

void InitializeTransformer(uint64_t seed, Policy& policy) {
  const c10::InferenceMode inference;
  const auto& parameters = policy.parameters();
  const auto specs = TransformerParameters(dynamic_cast<Transformer&>(policy).spec());
  for (size_t i = 0; i < specs.size(); ++i) {
    at::Tensor tensor = parameters[i].tensor;
    tensor.copy_(InitialValues(seed, i, specs[i], tensor.numel()).view(tensor.sizes()));
  }
}

}  // namespace tpo
