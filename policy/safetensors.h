// Reads and writes safetensors files: how Hugging Face models and our checkpoints hold tensors.
// Pure, no LibTorch.
//
// The format: eight bytes with the header's length, little-endian; a JSON object that gives each
// tensor's dtype, shape and place; the tensors' bytes, little-endian, one after another without a
// gap. An entry "__metadata__" holds strings.
//
// Reading refuses what isn't exactly that, because a file comes from anywhere: INVALID_ARGUMENT
// says what is wrong and with which tensor. Nothing is allocated before the header has been checked
// against the file's size.
#ifndef TPO_POLICY_SAFETENSORS_H_
#define TPO_POLICY_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "core/weight_snapshot.h"

namespace tpo {

// Largest header that is read.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

// The tensors of a whole file's bytes, in the order of their bytes. Metadata is checked and left
// out. The dtypes are F32, F64, BF16, F16 and I64; others are refused.
absl::StatusOr<TensorBundle> ParseSafetensors(std::string_view file);

// A tensor within a file's bytes: the spec without its place in a bundle, and the bytes, which have
// no alignment to rely on.
struct SafetensorsView {
  TensorSpec spec;
  std::string_view bytes;
};

// The same without a copy: views into `file`, which must outlive them; for mapped files.
absl::StatusOr<std::vector<SafetensorsView>> ViewSafetensors(std::string_view file);

// A file in pieces, so that writing needs no second copy of the tensors. The pieces point into
// `header` and the bundle.
class SafetensorsPieces {
 public:
  // `metadata`: say {{"format", "pt"}} in a model that transformers should load. `bundle` must
  // outlive this.
  explicit SafetensorsPieces(const TensorBundle& bundle,
                             const std::map<std::string, std::string>& metadata = {});
  // The same of single tensors, whose bytes must outlive this; each name once.
  explicit SafetensorsPieces(const std::vector<SafetensorsView>& tensors,
                             const std::map<std::string, std::string>& metadata = {});
  SafetensorsPieces(const SafetensorsPieces&) = delete;
  SafetensorsPieces& operator=(const SafetensorsPieces&) = delete;

  const std::vector<std::string_view>& pieces() const { return pieces_; }

 private:
  std::string header_;  // with its length
  std::vector<std::string_view> pieces_;
};

// ParseSafetensors of a file; its errors name the file.
absl::StatusOr<TensorBundle> ReadSafetensors(FileSystem* file_system, const std::string& path);

// Writes the file in place (not atomically) and syncs it.
absl::Status WriteSafetensors(FileSystem* file_system, const std::string& path,
                              const TensorBundle& bundle,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace tpo

#endif  // TPO_POLICY_SAFETENSORS_H_
