#include "policy/language_model/language_model_loader.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/file_system.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

uint32_t Extend(uint32_t crc, std::string_view bytes) {
  return ExtendCrc32c(
      crc, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
}

// The text of tokenizer.json; empty when there is none.
absl::StatusOr<std::string> ReadTokenizer(const ModelDirectory& directory) {
  const std::string path = JoinPath(directory.path(), "tokenizer.json");
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::string();
  return FileSystem::Posix()->ReadFile(path);
}

}  // namespace

LoraSpec ToLoraSpec(const LowRankAdapterSpec& spec, uint64_t seed) {
  LoraSpec lora;
  lora.rank = spec.rank;
  lora.alpha = spec.alpha;
  if (!spec.targets.empty()) lora.target_modules = spec.targets;
  lora.seed = seed;
  return lora;
}

absl::StatusOr<uint32_t> ModelChecksum(const ModelDirectory& directory) {
  TPO_ASSIGN_OR_RETURN(const std::string config,
                       FileSystem::Posix()->ReadFile(JoinPath(directory.path(), "config.json")));
  TPO_ASSIGN_OR_RETURN(const std::string tokenizer, ReadTokenizer(directory));
  uint32_t crc = Extend(Extend(0, config), tokenizer);
  for (const LanguageModelTensor& tensor : LanguageModelTensors(directory.config()))
    crc = Extend(crc, directory.tensor(tensor.name).bytes);
  return crc;
}

std::string ChecksumText(uint32_t crc) { return absl::StrFormat("crc32c %08x", crc); }

absl::StatusOr<LanguageModelInfo> DescribeLanguageModel(const ModelDirectory& directory,
                                                        const HuggingFaceModelSpec& spec) {
  LanguageModelInfo info;
  TPO_ASSIGN_OR_RETURN(info.config_json,
                       FileSystem::Posix()->ReadFile(JoinPath(directory.path(), "config.json")));
  TPO_ASSIGN_OR_RETURN(info.tokenizer_json, ReadTokenizer(directory));
  info.end_tokens = directory.end_tokens();
  info.vocab_size = directory.config().vocab_size;
  info.bfloat16 = spec.bfloat16;
  info.lora = spec.lora;
  info.composed = spec.composed;
  info.path = directory.path();
  TPO_ASSIGN_OR_RETURN(info.checksum, ModelChecksum(directory));
  return info;
}

absl::StatusOr<std::unique_ptr<LanguageModelLoader>> LanguageModelLoader::Create(
    const LanguageModelInfo& info, LanguageModelFactory factory) {
  absl::StatusOr<LanguageModelConfig> config = ParseLanguageModelConfig(info.config_json);
  if (!config.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the learner's model: ", std::string(config.status().message())));
  }
  std::unique_ptr<LanguageModelLoader> loader(
      new LanguageModelLoader(*std::move(config), info.bfloat16, std::move(factory)));
  if (!info.lora.has_value()) return loader;
  loader->lora_ = ToLoraSpec(*info.lora, 0);
  absl::StatusOr<std::unique_ptr<ModelDirectory>> base = ModelDirectory::Open(info.path);
  if (!base.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "adapters (model.hf.lora) need the learner's model under the same path on this machine: ",
        std::string(base.status().message())));
  }
  loader->base_ = *std::move(base);
  TPO_ASSIGN_OR_RETURN(const uint32_t checksum, ModelChecksum(*loader->base_));
  if (checksum != info.checksum) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s isn't the learner's model: its checksum is %08x, the learner's %08x",
                        info.path, checksum, info.checksum));
  }
  return loader;
}

std::shared_ptr<const LanguageModel> LanguageModelLoader::Make(const TensorBundle& weights) const {
  const TensorSource source = BundleSource(weights);
  return factory_ != nullptr ? factory_(config_, source, bfloat16_)
                             : LanguageModel::Create(config_, source, bfloat16_);
}

absl::StatusOr<std::shared_ptr<const LanguageModel>> LanguageModelLoader::Load(
    const TensorBundle& weights) const {
  if (base_ == nullptr) {
    TPO_RETURN_IF_ERROR(CheckModelBundle(config_, weights));
    return Make(weights);
  }
  TPO_ASSIGN_OR_RETURN(
      const TensorBundle merged,
      MergeLora(*base_, lora_, weights, bfloat16_ ? TensorType::kBfloat16 : TensorType::kFloat32));
  return Make(merged);
}

}  // namespace tpo
