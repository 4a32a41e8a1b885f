#include "policy/language_model_policy.h"

#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "policy/composed/composed_policy.h"
#include "policy/language_model/lora_weights.h"
#include "policy/language_model/reference_scorer.h"
#include "policy/language_model/trainable_language_model.h"
#include "policy/language_model_passes.h"

namespace tpo {
namespace {

// What both kinds have in common; they differ in their parameters.
class PolicyOnCpu : public LanguageModelPolicy {
 public:
  PolicyOnCpu(const LanguageModelConfig& config, const LanguageModelPolicyOptions& options)
      : config_(config),
        bfloat16_(options.bfloat16),
        max_positions_(options.max_positions > 0 ? options.max_positions : config.max_positions),
        model_(TrainableLanguageModel::Create(config_, bfloat16_, options.threads, options.lora)) {}

  const std::vector<NamedParameter>& parameters() const override { return parameters_; }
  int vocabulary_size() const override { return config_.vocab_size; }
  int max_positions() const override { return max_positions_; }
  std::string description() const override {
    char millions[32];
    std::snprintf(millions, sizeof(millions), "%.1f",
                  static_cast<double>(CountParameters(config_)) * 1e-6);
    return absl::StrCat(config_.model_type, " ", millions, " M parameters ",
                        bfloat16_ ? "bfloat16" : "float32", " cpu ", model_->loops().name);
  }

  std::unique_ptr<TreePass> NewPass() const override {
    std::vector<std::string> names;
    for (const NamedParameter& parameter : parameters_) names.push_back(parameter.name);
    return NewLanguageModelTreePass(model_.get(), std::move(names));
  }
  bool pass_uses_all_cores() const override { return true; }

  const LanguageModelConfig& config() const override { return config_; }
  bool bfloat16() const override { return bfloat16_; }
  size_t working_bytes() const override { return model_->working_bytes(); }
  size_t kept_bytes(const TreePass& pass) const override { return KeptBytes(pass); }

 protected:
  TrainableLanguageModel& model() const { return *model_; }
  float* AddParameter(const std::string& name, const std::vector<int64_t>& shape) {
    parameters_.push_back(
        {.name = name, .tensor = at::zeros(shape, at::kFloat), .fan_in_dimension = 1});
    return parameters_.back().tensor.mutable_data_ptr<float>();
  }
  // The parameters' values; nullptr for other names.
  ParameterSource Values() const {
    std::map<std::string, const float*> values;
    for (const NamedParameter& parameter : parameters_)
      values[parameter.name] = parameter.tensor.const_data_ptr<float>();
    return [values](const std::string& name) -> const float* {
      const auto found = values.find(name);
      return found == values.end() ? nullptr : found->second;
    };
  }

 private:
  const LanguageModelConfig config_;
  const bool bfloat16_;
  const int max_positions_;
  const std::unique_ptr<TrainableLanguageModel> model_;
  std::vector<NamedParameter> parameters_;
};

class FullPolicy : public PolicyOnCpu {
 public:
  FullPolicy(const ModelDirectory& directory, const LanguageModelPolicyOptions& options)
      : PolicyOnCpu(directory.config(), options) {
    for (const LanguageModelTensor& tensor : LanguageModelTensors(config())) {
      float* const values = AddParameter(tensor.name, tensor.shape);
      const at::Tensor& parameter = parameters().back().tensor;
      ConvertElements(directory.tensor(tensor.name), 0, parameter.numel(), values);
    }
    FullPolicy::OnParametersChanged();
  }

  void OnParametersChanged() override { model().SetParameters(Values()); }

  absl::StatusOr<TensorBundle> Snapshot() const override {
    if (!bfloat16()) return BundleTensors(parameters());
    std::vector<TensorSpec> specs;
    for (const NamedParameter& parameter : parameters()) {
      TensorSpec spec;
      spec.name = parameter.name;
      spec.type = TensorType::kBfloat16;
      spec.shape = parameter.tensor.sizes().vec();
      specs.push_back(std::move(spec));
    }
    TPO_ASSIGN_OR_RETURN(TensorBundle bundle, TensorBundle::Create(std::move(specs)));
    ThreadTeam& team = model().team();
    team.Run([&](int thread) { RoundInto(bundle, thread, team); });
    return bundle;
  }

 private:
  // A thread's rows of each parameter.
  void RoundInto(TensorBundle& bundle, int thread, const ThreadTeam& team) const {
    const auto round = model().loops().typed<uint16_t>().training.round;
    for (size_t i = 0; i < parameters().size(); ++i) {
      const at::Tensor& tensor = parameters()[i].tensor;
      const auto [first, last] = team.Part(thread, static_cast<int>(tensor.size(0)));
      const int64_t columns = tensor.numel() / tensor.size(0);
      uint16_t* const to = reinterpret_cast<uint16_t*>(bundle.bytes(bundle.tensors()[i]).data());
      for (int row = first; row < last; ++row) {
        round(tensor.const_data_ptr<float>() + row * columns, static_cast<int>(columns),
              to + row * columns);
      }
    }
  }
};

class LoraPolicy : public PolicyOnCpu {
 public:
  LoraPolicy(const ModelDirectory& directory, const LanguageModelPolicyOptions& options,
             LoraWeights weights)
      : PolicyOnCpu(directory.config(), options),
        spec_(*options.lora),
        weights_(std::move(weights)) {
    for (const LoraModule& module : weights_.modules()) {
      InitialLoraA(spec_, config(), module, AddParameter(module.a, {spec_.rank, module.in}));
      AddParameter(module.b, {module.out, spec_.rank});
    }
    Pack(&directory);
    weights_.Clear();
  }

  void OnParametersChanged() override { Pack(nullptr); }

  std::string description() const override {
    return absl::StrCat(PolicyOnCpu::description(), ", LoRA rank ", spec_.rank, " of ",
                        weights_.modules().size(), " matrices");
  }

 private:
  void Pack(const ModelDirectory* directory) {
    const ParameterSource adapters = Values();
    model().SetParameters(weights_.Source(adapters, directory, &model().team()));
  }

  const LoraSpec spec_;
  LoraWeights weights_;
};

bool IsComposed(const LanguageModelPolicyOptions& options) {
  return options.composed || !options.device.is_cpu();
}

absl::Status CheckOptions(const LanguageModelConfig& config,
                          const LanguageModelPolicyOptions& options) {
  if (options.max_positions < 0 || options.max_positions > config.max_positions) {
    return absl::InvalidArgumentError(absl::StrCat("max_positions is ", options.max_positions,
                                                   ", the model has ", config.max_positions));
  }
  if (options.threads < 0) {
    return absl::InvalidArgumentError(absl::StrCat("threads is ", options.threads));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LanguageModelPolicy>> MakeLanguageModelPolicy(
    const ModelDirectory& directory, const LanguageModelPolicyOptions& options) {
  TPO_RETURN_IF_ERROR(CheckOptions(directory.config(), options));
  if (IsComposed(options)) return MakeComposedPolicy(directory, options);
  if (!options.lora.has_value()) return std::make_unique<FullPolicy>(directory, options);
  TPO_ASSIGN_OR_RETURN(LoraWeights weights, LoraWeights::Create(directory, *options.lora));
  return std::make_unique<LoraPolicy>(directory, options, std::move(weights));
}

ReferenceLogProbs MakeReference(const ModelDirectory& directory,
                                const LanguageModelPolicyOptions& options) {
  if (IsComposed(options)) {
    const std::shared_ptr<TreePass> pass = MakeComposedReference(directory, options);
    return [pass](const PrefixTree& tree, double temperature) {
      return pass->Forward(tree, temperature);
    };
  }
  const auto scorer = std::make_shared<ReferenceScorer>(
      LanguageModel::Create(directory, options.bfloat16), options.threads);
  return [scorer](const PrefixTree& tree, double temperature) {
    return scorer->LogProbs(tree, temperature);
  };
}

}  // namespace tpo
