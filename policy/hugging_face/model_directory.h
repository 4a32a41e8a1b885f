// A Hugging Face model directory, opened: its config and its tensors, mapped into memory.
//
//   config.json                        required
//   model.safetensors                  all tensors, or
//   model.safetensors.index.json       {"weight_map": {tensor: file}} and the files that it names
//   generation_config.json             end tokens, when there is one
//
// Everything is checked before a weight is read: the config (model_config.h), each file's header
// (policy/safetensors.h), and that the tensors are exactly those that the config needs, with their
// shapes, as BF16, F16 or F32. Errors name the file and the tensor. Immutable and thread-safe.
#ifndef TPO_POLICY_HUGGING_FACE_MODEL_DIRECTORY_H_
#define TPO_POLICY_HUGGING_FACE_MODEL_DIRECTORY_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/status/statusor.h"
#include "core/weight_snapshot.h"
#include "policy/hugging_face/model_config.h"
#include "policy/mapped_file.h"
#include "policy/safetensors.h"

namespace tpo {

class ModelDirectory {
 public:
  // INVALID_ARGUMENT: what is in it isn't a model that is supported; NOT_FOUND: there is no such
  // directory or one of its files is missing.
  static absl::StatusOr<std::unique_ptr<ModelDirectory>> Open(const std::string& path);

  const std::string& path() const { return path_; }
  const LanguageModelConfig& config() const { return config_; }
  // The tokens that end a completion: the generation config's, else the config's.
  const std::vector<TokenId>& end_tokens() const { return end_tokens_; }

  // A tensor of LanguageModelTensors(config()). The bytes have no alignment to rely on.
  const SafetensorsView& tensor(const std::string& name) const { return tensors_.at(name); }

  // A copy of all tensors in the order of LanguageModelTensors, each as `type` (kFloat32 or
  // kBfloat16).
  absl::StatusOr<TensorBundle> ReadTensors(TensorType type) const;

 private:
  ModelDirectory() = default;

  absl::Status AddFile(const std::string& name, std::map<std::string, std::string>* file_of);
  absl::Status OpenTensors();
  absl::Status CheckTensors();

  std::string path_;
  LanguageModelConfig config_;
  std::vector<TokenId> end_tokens_;
  std::vector<std::unique_ptr<MappedFile>> files_;
  std::map<std::string, SafetensorsView> tensors_;
};

// The file that holds each tensor, from the text of a model.safetensors.index.json. Each is a plain
// name, never a way out of the directory. INVALID_ARGUMENT says what is wrong.
absl::StatusOr<std::map<std::string, std::string>> ParseTensorIndex(std::string_view text);

// Whether `path` looks like one: a folder that holds a config.json with a model_type of its own.
bool IsModelDirectory(const std::string& path);

// Copies a tensor's elements as float32 or bfloat16 (rounded to nearest even). REQUIRES: the view
// is BF16, F16 or F32, and `count` elements follow from element `first`.
void ConvertElements(const SafetensorsView& view, size_t first, size_t count, float* out);
void ConvertElements(const SafetensorsView& view, size_t first, size_t count, uint16_t* out);

// The bits of the nearest bfloat16, ties to even.
uint16_t ToBfloat16(float value);
float FromBfloat16(uint16_t bits);

// A value as a computation in T holds it: float, or the bits of a bfloat16 (uint16_t).
template <typename T>
float RoundedTo(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return FromBfloat16(ToBfloat16(value));
  }
}

}  // namespace tpo

#endif  // TPO_POLICY_HUGGING_FACE_MODEL_DIRECTORY_H_
