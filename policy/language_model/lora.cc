#include "policy/language_model/lora.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/counter_random.h"
#include "core/status_macros.h"
#include "policy/language_model/language_loops.h"

namespace tpo {
namespace {

constexpr int kMaxRank = 1024;

// "q_proj" of "model.layers.0.self_attn.q_proj".
std::string LastPart(const std::string& module) { return module.substr(module.rfind('.') + 1); }

// The module of a matrix's name, "….q_proj.weight"; empty when it isn't one that may have adapters.
std::string ModuleOf(const LanguageModelTensor& tensor) {
  constexpr std::string_view kSuffix = "_proj.weight";
  if (tensor.shape.size() != 2 || tensor.name.size() < kSuffix.size() ||
      tensor.name.compare(tensor.name.size() - kSuffix.size(), kSuffix.size(), kSuffix) != 0) {
    return "";
  }
  return tensor.name.substr(0, tensor.name.rfind('.'));
}

absl::Status CheckAdapters(const std::vector<LoraModule>& modules, int rank,
                           const TensorBundle& adapters) {
  for (const LoraModule& module : modules) {
    const std::pair<std::string, std::vector<int64_t>> needed[] = {{module.a, {rank, module.in}},
                                                                   {module.b, {module.out, rank}}};
    for (const auto& [name, shape] : needed) {
      const TensorSpec* const spec = adapters.Find(name);
      if (spec == nullptr)
        return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is missing"));
      if (spec->shape != shape || spec->type != TensorType::kFloat32) {
        return absl::InvalidArgumentError(
            absl::StrCat("tensor ", name, " isn't float32 [", absl::StrJoin(shape, ", "), "]"));
      }
    }
  }
  if (adapters.tensors().size() != 2 * modules.size())
    return absl::InvalidArgumentError("the adapters hold tensors that the model has no use for");
  return absl::OkStatus();
}

const float* FloatsOf(const TensorBundle& bundle, const std::string& name) {
  return reinterpret_cast<const float*>(bundle.bytes(*bundle.Find(name)).data());
}

void StoreAs(const float* values, size_t count, TensorType type, std::byte* to) {
  SafetensorsView view;
  view.spec.type = TensorType::kFloat32;
  view.bytes = {reinterpret_cast<const char*>(values), count * sizeof(float)};
  if (type == TensorType::kBfloat16) {
    ConvertElements(view, 0, count, reinterpret_cast<uint16_t*>(to));
  } else {
    ConvertElements(view, 0, count, reinterpret_cast<float*>(to));
  }
}

}  // namespace

bool IsLoraTarget(const LoraSpec& spec, const std::string& module) {
  return std::find(spec.target_modules.begin(), spec.target_modules.end(), LastPart(module)) !=
         spec.target_modules.end();
}

std::string LoraAName(const std::string& module) {
  return absl::StrCat("base_model.model.", module, ".lora_A.weight");
}

std::string LoraBName(const std::string& module) {
  return absl::StrCat("base_model.model.", module, ".lora_B.weight");
}

absl::StatusOr<std::vector<LoraModule>> LoraModules(const LanguageModelConfig& config,
                                                    const LoraSpec& spec) {
  if (spec.rank < 1 || spec.rank > kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrCat("lora rank is ", spec.rank, ", expected 1 to ", kMaxRank));
  }
  if (!(spec.alpha > 0.0 && std::isfinite(spec.alpha))) {
    return absl::InvalidArgumentError(
        absl::StrCat("lora alpha is ", spec.alpha, ", expected a positive number"));
  }
  if (spec.target_modules.empty())
    return absl::InvalidArgumentError("lora target_modules is empty");
  std::vector<LoraModule> modules;
  std::set<std::string> known;
  for (const LanguageModelTensor& tensor : LanguageModelTensors(config)) {
    const std::string module = ModuleOf(tensor);
    if (module.empty()) continue;
    known.insert(LastPart(module));
    if (!IsLoraTarget(spec, module)) continue;
    modules.push_back(
        {tensor.name, LoraAName(module), LoraBName(module), tensor.shape[0], tensor.shape[1]});
  }
  for (const std::string& target : spec.target_modules) {
    if (known.count(target) > 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "lora target_modules has '", target, "'; the model has ", absl::StrJoin(known, ", ")));
  }
  return modules;
}

void InitialLoraA(const LoraSpec& spec, const LanguageModelConfig& config, const LoraModule& module,
                  float* a) {
  // The module's place among all parameters, so that other targets change nothing.
  uint64_t index = 0;
  for (const LanguageModelTensor& tensor : LanguageModelTensors(config)) {
    if (tensor.name == module.weight) break;
    ++index;
  }
  const double bound = 1.0 / std::sqrt(static_cast<double>(module.in));
  for (int r = 0; r < spec.rank; ++r) {
    for (int64_t i = 0; i < module.in; ++i) {
      const double uniform = UniformAt(spec.seed, RandomStream::kInitialization, index,
                                       static_cast<uint32_t>(r), static_cast<uint32_t>(i));
      a[r * module.in + i] = static_cast<float>((2.0 * uniform - 1.0) * bound);
    }
  }
}

void MergeLoraWeight(const float* weight, const float* a, const float* b, int64_t out, int64_t in,
                     int rank, float scale, float* merged) {
  const auto add_scaled = BestLanguageLoops().training.add_scaled;
  for (int64_t o = 0; o < out; ++o) {
    float* const row = merged + o * in;
    if (row != weight + o * in) std::memcpy(row, weight + o * in, in * sizeof(float));
    for (int r = 0; r < rank; ++r)
      add_scaled(a + r * in, static_cast<int>(in), b[o * rank + r] * scale, row);
  }
}

absl::StatusOr<TensorBundle> MergeLora(const ModelDirectory& directory, const LoraSpec& spec,
                                       const TensorBundle& adapters, TensorType type) {
  if (type != TensorType::kBfloat16 && type != TensorType::kFloat32)
    return absl::InvalidArgumentError("weights are merged as bfloat16 or float32");
  TPO_ASSIGN_OR_RETURN(const std::vector<LoraModule> modules,
                       LoraModules(directory.config(), spec));
  TPO_RETURN_IF_ERROR(CheckAdapters(modules, spec.rank, adapters));
  TPO_ASSIGN_OR_RETURN(TensorBundle bundle, directory.ReadTensors(type));
  std::vector<float> values;
  for (const LoraModule& module : modules) {
    const size_t count = static_cast<size_t>(module.out) * module.in;
    values.resize(std::max(values.size(), count));
    ConvertElements(directory.tensor(module.weight), 0, count, values.data());
    MergeLoraWeight(values.data(), FloatsOf(adapters, module.a), FloatsOf(adapters, module.b),
                    module.out, module.in, spec.rank, LoraScale(spec), values.data());
    StoreAs(values.data(), count, type, bundle.bytes(*bundle.Find(module.weight)).data());
  }
  return bundle;
}

}  // namespace tpo
