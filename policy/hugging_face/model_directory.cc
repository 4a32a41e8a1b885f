#include "policy/hugging_face/model_directory.h"

#include <bit>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/file_system.h"
#include "core/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/strict_json.h"

namespace tpo {
namespace {

using Json = nlohmann::json;

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";

bool IsThere(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// Half precision to single, exact.
float FromFloat16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1F;
  const uint32_t fraction = bits & 0x3FF;
  if (exponent == 0) {  // zero or subnormal: fraction · 2⁻²⁴
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t single = exponent == 0x1F ? 0xFFU : exponent + 112;
  return std::bit_cast<float>(sign | (single << 23) | (fraction << 13));
}

template <typename T>
T Load(const char* bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
  return value;
}

template <typename Store>
void Convert(const SafetensorsView& view, size_t first, size_t count, const Store& store) {
  const char* const bytes = view.bytes.data();
  switch (view.spec.type) {
    case TensorType::kBfloat16:
      for (size_t i = 0; i < count; ++i) store(i, FromBfloat16(Load<uint16_t>(bytes, first + i)));
      break;
    case TensorType::kFloat16:
      for (size_t i = 0; i < count; ++i) store(i, FromFloat16(Load<uint16_t>(bytes, first + i)));
      break;
    default:
      for (size_t i = 0; i < count; ++i) store(i, Load<float>(bytes, first + i));
  }
}

absl::Status InFile(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", std::string(status.message())));
}

// A name within the directory, never a way out of it.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

bool IsFloating(TensorType type) {
  return type == TensorType::kFloat32 || type == TensorType::kBfloat16 ||
         type == TensorType::kFloat16;
}

// Buffers that old versions of transformers saved, which the config determines.
bool IsDerived(const std::string& name) { return name.ends_with(".rotary_emb.inv_freq"); }

}  // namespace

uint16_t ToBfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>((bits >> 16) | 0x40);  // NaN
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

float FromBfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

void ConvertElements(const SafetensorsView& view, size_t first, size_t count, float* out) {
  Convert(view, first, count, [&](size_t i, float value) { out[i] = value; });
}

void ConvertElements(const SafetensorsView& view, size_t first, size_t count, uint16_t* out) {
  Convert(view, first, count, [&](size_t i, float value) { out[i] = ToBfloat16(value); });
}

bool IsModelDirectory(const std::string& path) {
  absl::StatusOr<std::string> text = FileSystem::Posix()->ReadFile(JoinPath(path, "config.json"));
  if (!text.ok()) return false;
  const absl::StatusOr<Json> json = ParseStrictJson<Json>(*text);
  return json.ok() && json->is_object() && json->contains("model_type");
}

absl::StatusOr<std::map<std::string, std::string>> ParseTensorIndex(std::string_view text) {
  TPO_ASSIGN_OR_RETURN(const Json json, ParseStrictJson<Json>(text));
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    return absl::InvalidArgumentError("it isn't a JSON object with a weight_map");
  }
  std::map<std::string, std::string> file_of;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string() || !IsPlainName(file.get<std::string>())) {
      return absl::InvalidArgumentError(absl::StrCat("weight_map: tensor ", tensor, " is in ",
                                                     file.dump(), ", which is no file's name"));
    }
    file_of[tensor] = file.get<std::string>();
  }
  return file_of;
}

absl::StatusOr<std::unique_ptr<ModelDirectory>> ModelDirectory::Open(const std::string& path) {
  std::unique_ptr<ModelDirectory> model(new ModelDirectory);
  model->path_ = path;
  FileSystem* const files = FileSystem::Posix();
  TPO_ASSIGN_OR_RETURN(const std::string text, files->ReadFile(JoinPath(path, "config.json")));
  absl::StatusOr<LanguageModelConfig> config = ParseLanguageModelConfig(text);
  if (!config.ok()) return InFile(path, config.status());
  model->config_ = *std::move(config);
  model->end_tokens_ = model->config_.end_tokens;
  const std::string generation = JoinPath(path, "generation_config.json");
  if (IsThere(generation)) {
    TPO_ASSIGN_OR_RETURN(const std::string generation_text, files->ReadFile(generation));
    absl::StatusOr<std::vector<TokenId>> tokens = ParseEndTokens(generation_text);
    if (!tokens.ok()) return InFile(path, tokens.status());
    if (!tokens->empty()) model->end_tokens_ = *std::move(tokens);
  }
  TPO_RETURN_IF_ERROR(model->OpenTensors());
  if (absl::Status status = model->CheckTensors(); !status.ok()) return InFile(path, status);
  return model;
}

absl::Status ModelDirectory::OpenTensors() {
  const std::string index = JoinPath(path_, kIndexFile);
  if (IsThere(JoinPath(path_, kSingleFile))) return AddFile(kSingleFile, nullptr);
  if (!IsThere(index)) {
    return absl::NotFoundError(
        absl::StrCat(path_, " holds neither ", kSingleFile, " nor ", kIndexFile));
  }
  TPO_ASSIGN_OR_RETURN(const std::string text, FileSystem::Posix()->ReadFile(index));
  absl::StatusOr<std::map<std::string, std::string>> file_of = ParseTensorIndex(text);
  if (!file_of.ok()) return InFile(index, file_of.status());
  std::set<std::string> names;
  for (const auto& [tensor, file] : *file_of) names.insert(file);
  for (const std::string& name : names) TPO_RETURN_IF_ERROR(AddFile(name, &*file_of));
  for (const auto& [tensor, file] : *file_of) {
    if (!tensors_.contains(tensor)) {
      return absl::InvalidArgumentError(
          absl::StrCat(index, ": tensor ", tensor, " is not in ", file));
    }
  }
  return absl::OkStatus();
}

absl::Status ModelDirectory::AddFile(const std::string& name,
                                     std::map<std::string, std::string>* file_of) {
  const std::string path = JoinPath(path_, name);
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file, MappedFile::Open(path));
  absl::StatusOr<std::vector<SafetensorsView>> views = ViewSafetensors(file->bytes());
  if (!views.ok()) return InFile(path, views.status());
  for (SafetensorsView& view : *views) {
    const std::string tensor = view.spec.name;
    if (file_of != nullptr) {
      const auto expected = file_of->find(tensor);
      if (expected == file_of->end() || expected->second != name) {
        return absl::InvalidArgumentError(absl::StrCat(
            path, ": tensor ", tensor, " is not one that ", kIndexFile, " places in this file"));
      }
    }
    tensors_.emplace(tensor, std::move(view));
  }
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

absl::Status ModelDirectory::CheckTensors() {
  std::set<std::string> needed;
  for (const LanguageModelTensor& tensor : LanguageModelTensors(config_)) {
    const auto found = tensors_.find(tensor.name);
    if (found == tensors_.end()) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", tensor.name, " is missing"));
    }
    const TensorSpec& spec = found->second.spec;
    if (spec.shape != tensor.shape) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", tensor.name, " has the shape ",
                                                     ShapeText(spec.shape), ", config.json needs ",
                                                     ShapeText(tensor.shape)));
    }
    if (!IsFloating(spec.type)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", tensor.name, " is neither BF16, F16 nor F32"));
    }
    needed.insert(tensor.name);
  }
  for (const auto& [name, view] : tensors_) {
    if (needed.contains(name) || IsDerived(name)) continue;
    // Some save the tied head a second time.
    if (config_.tied_head && name == "lm_head.weight" &&
        view.bytes == tensors_.at("model.embed_tokens.weight").bytes) {
      continue;
    }
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, " is surplus: config.json has no use for it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<TensorBundle> ModelDirectory::ReadTensors(TensorType type) const {
  std::vector<TensorSpec> specs;
  for (const LanguageModelTensor& tensor : LanguageModelTensors(config_)) {
    TensorSpec spec;
    spec.name = tensor.name;
    spec.type = type;
    spec.shape = tensor.shape;
    specs.push_back(std::move(spec));
  }
  TPO_ASSIGN_OR_RETURN(TensorBundle bundle, TensorBundle::Create(std::move(specs)));
  for (const TensorSpec& spec : bundle.tensors()) {
    const size_t count = spec.size_bytes / ElementSizeBytes(type);
    std::byte* const target = bundle.bytes(spec).data();
    if (type == TensorType::kBfloat16) {
      ConvertElements(tensor(spec.name), 0, count, reinterpret_cast<uint16_t*>(target));
    } else if (type == TensorType::kFloat32) {
      ConvertElements(tensor(spec.name), 0, count, reinterpret_cast<float*>(target));
    } else {
      return absl::InvalidArgumentError("tensors are read as float32 or bfloat16");
    }
  }
  return bundle;
}

}  // namespace tpo
