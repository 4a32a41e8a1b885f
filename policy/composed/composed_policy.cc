#include "policy/composed/composed_policy.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "policy/composed/composed_tree_pass.h"
#include "policy/composed/composed_weights.h"

namespace tpo {
namespace {

at::TensorOptions FloatOn(at::Device device) {
  return at::TensorOptions().dtype(at::kFloat).device(device);
}

// What both kinds have in common; they differ in their parameters.
class ComposedPolicy : public LanguageModelPolicy {
 public:
  ComposedPolicy(const LanguageModelConfig& config, const LanguageModelPolicyOptions& options)
      : config_(config), options_(options) {}

  const std::vector<NamedParameter>& parameters() const override { return parameters_; }
  int vocabulary_size() const override { return config_.vocab_size; }
  int max_positions() const override {
    return options_.max_positions > 0 ? options_.max_positions : config_.max_positions;
  }
  std::string description() const override {
    return DescribeComposed(config_, bfloat16(), options_.device);
  }

  std::unique_ptr<TreePass> NewPass() const override {
    return std::make_unique<ComposedTreePass>(&config_, &weights_, &leaves_, options_.head_rows);
  }
  bool pass_uses_all_cores() const override { return true; }

  void OnParametersChanged() override {
    // The learner is in inference mode, whose tensors autograd wouldn't take.
    const c10::InferenceMode normal(false);
    const at::NoGradGuard no_graph;
    Update();
  }

  const LanguageModelConfig& config() const override { return config_; }
  bool bfloat16() const override { return options_.bfloat16; }
  size_t working_bytes() const override { return 0; }
  size_t kept_bytes(const TreePass& pass) const override {
    return static_cast<const ComposedTreePass&>(pass).kept_bytes();
  }

 protected:
  // Takes up changed parameters.
  virtual void Update() = 0;

  at::Device device() const { return options_.device; }

  // `leaf`: as which the computation reads it.
  void AddParameter(const std::string& name, at::Tensor values, at::Tensor leaf) {
    parameters_.push_back({.name = name, .tensor = std::move(values), .fan_in_dimension = 1});
    leaves_.leaves.push_back(std::move(leaf));
  }

  // Once all parameters are there. `others`: tensors that aren't trained.
  void Compose(const std::map<std::string, at::Tensor>& others, double lora_scale) {
    std::map<std::string, at::Tensor> tensors = others;
    leaves_.of_layer.resize(config_.layers);
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const std::string& name = parameters_[i].name;
      tensors[name] = leaves_.leaves[i];
      const int index = static_cast<int>(i);
      if (name == "model.embed_tokens.weight") leaves_.embedding = index;
      if (name == "lm_head.weight") leaves_.head = index;
      if (name == "model.norm.weight") leaves_.final_norm = index;
      for (int layer = 0; layer < config_.layers; ++layer) {
        if (absl::StrContains(name, absl::StrCat("model.layers.", layer, ".")))
          leaves_.of_layer[layer].push_back(index);
      }
    }
    if (config_.tied_head) leaves_.head = leaves_.embedding;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      // The gradients of these two are taken without autograd.
      const int index = static_cast<int>(i);
      leaves_.leaves[i].requires_grad_(index != leaves_.embedding && index != leaves_.head);
    }
    weights_ = MakeComposedWeights(config_, [&](const std::string& name) {
      const auto found = tensors.find(name);
      return found == tensors.end() ? at::Tensor() : found->second;
    });
    weights_.lora_scale = lora_scale;
  }

  std::vector<at::Tensor>& leaves() { return leaves_.leaves; }

 private:
  const LanguageModelConfig config_;
  const LanguageModelPolicyOptions options_;
  std::vector<NamedParameter> parameters_;
  ComposedLeaves leaves_;
  ComposedWeights weights_;
};

class ComposedFullPolicy : public ComposedPolicy {
 public:
  ComposedFullPolicy(const ModelDirectory& directory, const LanguageModelPolicyOptions& options)
      : ComposedPolicy(directory.config(), options) {
    for (const LanguageModelTensor& tensor : LanguageModelTensors(config())) {
      const at::Tensor values =
          CopyToDevice(directory.tensor(tensor.name), device()).to(at::kFloat);
      // In float32 the parameters compute themselves.
      AddParameter(tensor.name, values,
                   bfloat16() ? NewRounded(tensor, true, device()) : values.detach());
    }
    Compose({}, 0.0);
    ComposedFullPolicy::OnParametersChanged();
  }

  absl::StatusOr<TensorBundle> Snapshot() const override {
    return BundleTensors(parameters(), bfloat16() ? at::kBFloat16 : at::kFloat);
  }

 protected:
  void Update() override {
    if (!bfloat16()) return;
    for (size_t i = 0; i < parameters().size(); ++i)
      StoreRounded(parameters()[i].tensor, true, leaves()[i]);
  }
};

class ComposedLoraPolicy : public ComposedPolicy {
 public:
  ComposedLoraPolicy(const ModelDirectory& directory, const LanguageModelPolicyOptions& options,
                     const std::vector<LoraModule>& modules)
      : ComposedPolicy(directory.config(), options), spec_(*options.lora) {
    std::map<std::string, at::Tensor> weights;
    for (const LanguageModelTensor& tensor : LanguageModelTensors(config())) {
      at::Tensor& weight = weights[tensor.name];
      weight = NewRounded(tensor, bfloat16(), device());
      StoreRounded(CopyToDevice(directory.tensor(tensor.name), device()), bfloat16(), weight);
    }
    for (const LoraModule& module : modules) {
      at::Tensor a = at::empty({spec_.rank, module.in}, at::kFloat);
      InitialLoraA(spec_, config(), module, a.mutable_data_ptr<float>());
      a = a.to(device());
      const at::Tensor b = at::zeros({module.out, spec_.rank}, FloatOn(device()));
      AddParameter(module.a, a, a.detach());
      AddParameter(module.b, b, b.detach());
      adapted_.push_back({a, b, CopyToDevice(directory.tensor(module.weight), device()),
                          weights.at(module.weight)});
    }
    Compose(weights, LoraScale(spec_));
    ComposedLoraPolicy::OnParametersChanged();
  }

  std::string description() const override {
    return absl::StrCat(ComposedPolicy::description(), ", LoRA rank ", spec_.rank, " of ",
                        adapted_.size(), " matrices");
  }

 protected:
  void Update() override {
    for (Adapted& adapted : adapted_) {
      StoreRounded(
          at::addmm(adapted.base.to(at::kFloat), adapted.b, adapted.a, 1.0, LoraScale(spec_)),
          bfloat16(), adapted.merged);
    }
  }

 private:
  struct Adapted {
    at::Tensor a;
    at::Tensor b;
    at::Tensor base;  // in the directory's type
    at::Tensor merged;
  };

  const LoraSpec spec_;
  std::vector<Adapted> adapted_;
};

class ComposedReference : public TreePass {
 public:
  ComposedReference(const ModelDirectory& directory, const LanguageModelPolicyOptions& options)
      : config_(directory.config()),
        weights_(LoadComposedWeights(
            config_, [&](const std::string& name) { return directory.tensor(name); },
            options.bfloat16, options.device)),
        pass_(&config_, &weights_, nullptr, options.head_rows) {}

  absl::Span<const double> Forward(const PrefixTree& tree, double temperature) override {
    return pass_.Forward(tree, temperature);
  }
  absl::Span<const double> Entropies() override { return pass_.Entropies(); }
  void Backward(absl::Span<const double>, std::vector<at::Tensor>&) override {
    TORCH_CHECK(false, "the reference is frozen");
  }

 private:
  const LanguageModelConfig config_;
  const ComposedWeights weights_;
  ComposedTreePass pass_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LanguageModelPolicy>> MakeComposedPolicy(
    const ModelDirectory& directory, const LanguageModelPolicyOptions& options) {
  if (!options.lora.has_value()) return std::make_unique<ComposedFullPolicy>(directory, options);
  TPO_ASSIGN_OR_RETURN(const std::vector<LoraModule> modules,
                       LoraModules(directory.config(), *options.lora));
  return std::make_unique<ComposedLoraPolicy>(directory, options, modules);
}

std::unique_ptr<TreePass> MakeComposedReference(const ModelDirectory& directory,
                                                const LanguageModelPolicyOptions& options) {
  return std::make_unique<ComposedReference>(directory, options);
}

}  // namespace tpo
