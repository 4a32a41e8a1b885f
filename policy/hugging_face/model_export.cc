#include "policy/hugging_face/model_export.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/hugging_face/model_config.h"
#include "policy/hugging_face/whole_directory.h"
#include "policy/safetensors.h"
#include "policy/strict_json.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

// Files of a model that say nothing about its weights.
constexpr std::array<const char*, 12> kCopiedFiles = {"generation_config.json",
                                                      "tokenizer.json",
                                                      "tokenizer_config.json",
                                                      "tokenizer.model",
                                                      "added_tokens.json",
                                                      "special_tokens_map.json",
                                                      "vocab.json",
                                                      "merges.txt",
                                                      "chat_template.jinja",
                                                      "chat_template.json",
                                                      "LICENSE",
                                                      "NOTICE"};

bool IsThere(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

const char* DtypeName(TensorType type) {
  switch (type) {
    case TensorType::kBfloat16:
      return "bfloat16";
    case TensorType::kFloat16:
      return "float16";
    default:
      return "float32";
  }
}

absl::Status CheckWeights(const LanguageModelConfig& config, const TensorBundle& weights) {
  const std::vector<LanguageModelTensor> needed = LanguageModelTensors(config);
  for (const LanguageModelTensor& tensor : needed) {
    const TensorSpec* const spec = weights.Find(tensor.name);
    if (spec == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", tensor.name, " is missing"));
    }
    if (spec->shape != tensor.shape || spec->type != weights.tensors().front().type) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", tensor.name, " is of another shape or type than the model's"));
    }
  }
  if (needed.size() != weights.tensors().size()) {
    return absl::InvalidArgumentError("the weights hold tensors that the model doesn't have");
  }
  return absl::OkStatus();
}

// Splits the tensors, in order, into files of bounded size.
std::vector<std::vector<SafetensorsView>> Split(const TensorBundle& weights, uint64_t max_bytes) {
  std::vector<std::vector<SafetensorsView>> files(1);
  uint64_t size = 0;
  for (const TensorSpec& tensor : weights.tensors()) {
    const absl::Span<const std::byte> bytes = weights.bytes(tensor);
    if (!files.back().empty() && size + bytes.size() > max_bytes) {
      files.emplace_back();
      size = 0;
    }
    size += bytes.size();
    files.back().push_back({tensor, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
  }
  return files;
}

std::string FileName(size_t file, size_t count) {
  if (count == 1) return "model.safetensors";
  char name[64];
  std::snprintf(name, sizeof(name), "model-%05zu-of-%05zu.safetensors", file + 1, count);
  return name;
}

absl::Status WriteWeights(FileSystem* files, const TensorBundle& weights,
                          const std::string& directory, uint64_t max_bytes) {
  const std::vector<std::vector<SafetensorsView>> parts = Split(weights, max_bytes);
  Json map = Json::object();
  uint64_t total = 0;
  for (size_t part = 0; part < parts.size(); ++part) {
    const std::string name = FileName(part, parts.size());
    const SafetensorsPieces pieces(parts[part], {{"format", "pt"}});
    TPO_RETURN_IF_ERROR(files->WriteFile(JoinPath(directory, name), pieces.pieces()));
    for (const SafetensorsView& view : parts[part]) {
      map[view.spec.name] = name;
      total += view.bytes.size();
    }
  }
  if (parts.size() == 1) return absl::OkStatus();
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
  const std::string text = index.dump(2) + "\n";
  return files->WriteFile(JoinPath(directory, "model.safetensors.index.json"), {text});
}

absl::Status WriteOtherFiles(FileSystem* files, const std::string& source,
                             const std::string& config_text, TensorType type,
                             const std::string& directory) {
  TPO_ASSIGN_OR_RETURN(Json config, ParseStrictJson<Json>(config_text));
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = DtypeName(type);
  const std::string text = config.dump(2) + "\n";
  TPO_RETURN_IF_ERROR(files->WriteFile(JoinPath(directory, "config.json"), {text}));
  for (const char* const name : kCopiedFiles) {
    if (!IsThere(JoinPath(source, name))) continue;
    TPO_ASSIGN_OR_RETURN(const std::string content, files->ReadFile(JoinPath(source, name)));
    TPO_RETURN_IF_ERROR(files->WriteFile(JoinPath(directory, name), {content}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ExportModel(FileSystem* file_system, const std::string& source,
                         const TensorBundle& weights, const std::string& directory,
                         const ModelExportOptions& options) {
  TPO_ASSIGN_OR_RETURN(const std::string config_text,
                       file_system->ReadFile(JoinPath(source, "config.json")));
  TPO_ASSIGN_OR_RETURN(const LanguageModelConfig config, ParseLanguageModelConfig(config_text));
  TPO_RETURN_IF_ERROR(CheckWeights(config, weights));

  return WriteWholeDirectory(file_system, directory, [&](const std::string& partial) {
    TPO_RETURN_IF_ERROR(WriteWeights(file_system, weights, partial, options.max_file_bytes));
    return WriteOtherFiles(file_system, source, config_text, weights.tensors().front().type,
                           partial);
  });
}

}  // namespace tpo
