#include "policy/language_model/lora_weights.h"

#include <cstring>
#include <set>
#include <utility>

#include "core/status_macros.h"

namespace tpo {
namespace {

// "q_proj.weight" of "model.layers.0.self_attn.q_proj.weight".
std::string KindOf(const std::string& name) {
  const size_t last = name.rfind('.');
  const size_t before = name.rfind('.', last - 1);
  return name.substr(before + 1);
}

// The weights of all products of which a module has adapters.
std::set<std::string> AdaptedWeights(const LanguageModelConfig& config, const LoraSpec& spec) {
  std::set<std::string> names;
  for (int index = 0; index < config.layers; ++index) {
    const LayerShape layer = ShapeOfLayer(config, index);
    for (const LinearShape* const shape :
         {&layer.query_key_value, &layer.attention_output, &layer.gate_up, &layer.down}) {
      bool adapted = false;
      for (const LinearModule& module : shape->modules)
        adapted = adapted || IsLoraTarget(spec, module.name);
      if (!adapted) continue;
      for (const LinearModule& module : shape->modules) names.insert(module.name + ".weight");
    }
  }
  return names;
}

}  // namespace

absl::StatusOr<LoraWeights> LoraWeights::Create(const ModelDirectory& directory,
                                                const LoraSpec& spec) {
  LoraWeights weights;
  weights.spec_ = spec;
  TPO_ASSIGN_OR_RETURN(weights.modules_, LoraModules(directory.config(), spec));
  std::vector<TensorSpec> specs;
  for (const std::string& name : AdaptedWeights(directory.config(), spec)) {
    TensorSpec tensor;
    tensor.name = name;
    tensor.type = directory.tensor(name).spec.type;
    tensor.shape = directory.tensor(name).spec.shape;
    specs.push_back(std::move(tensor));
  }
  TPO_ASSIGN_OR_RETURN(weights.base_, TensorBundle::Create(std::move(specs)));
  for (const TensorSpec& tensor : weights.base_.tensors()) {
    const std::string_view bytes = directory.tensor(tensor.name).bytes;
    std::memcpy(weights.base_.bytes(tensor).data(), bytes.data(), bytes.size());
  }
  for (const LoraModule& module : weights.modules_) weights.module_of_[module.weight] = &module;
  return weights;
}

ParameterSource LoraWeights::Source(const ParameterSource& adapters,
                                    const ModelDirectory* directory, ThreadTeam* team) {
  return [this, &adapters, directory, team](const std::string& name) -> const float* {
    if (const float* const adapter = adapters(name); adapter != nullptr) return adapter;
    if (const TensorSpec* const base = base_.Find(name); base != nullptr)
      return Merged(*base, adapters, team);
    if (directory == nullptr) return nullptr;
    const SafetensorsView& view = directory->tensor(name);
    std::vector<float>& values = values_[KindOf(name)];
    values.resize(view.bytes.size() / ElementSizeBytes(view.spec.type));
    ConvertElements(view, 0, values.size(), values.data());
    return values.data();
  };
}

const float* LoraWeights::Merged(const TensorSpec& base, const ParameterSource& adapters,
                                 ThreadTeam* team) {
  const int64_t out = base.shape[0];
  const int64_t in = base.shape[1];
  std::vector<float>& values = values_[KindOf(base.name)];
  values.resize(static_cast<size_t>(out * in));
  const absl::Span<const std::byte> bytes = base_.bytes(base);
  const SafetensorsView view = {base, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
  const auto found = module_of_.find(base.name);
  const LoraModule* const module = found == module_of_.end() ? nullptr : found->second;
  const float* const a = module == nullptr ? nullptr : adapters(module->a);
  const float* const b = module == nullptr ? nullptr : adapters(module->b);
  team->Run([&](int thread) {
    const auto [first, last] = team->Part(thread, static_cast<int>(out));
    float* const rows = values.data() + first * in;
    ConvertElements(view, first * in, (last - first) * in, rows);
    if (module == nullptr) return;
    MergeLoraWeight(rows, a, b + int64_t{first} * spec_.rank, last - first, in, spec_.rank,
                    LoraScale(spec_), rows);
  });
  return values.data();
}

}  // namespace tpo
