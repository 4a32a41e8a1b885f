// A named set of tensors as flat bytes, and a published version of the policy's weights.
//
// A TensorBundle is how tensors leave LibTorch: over the wire, into a checkpoint, out to a file.
// All its tensors lie in one buffer, each at a multiple of 64 bytes. A WeightSnapshot is a bundle
// with a version and a checksum; it is immutable and shared by pointer between the learner, every
// subscriber's stream and every worker.
#ifndef TPO_CORE_WEIGHT_SNAPSHOT_H_
#define TPO_CORE_WEIGHT_SNAPSHOT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/aligned_memory.h"
#include "core/types.h"

namespace tpo {

enum class TensorType {
  kUnspecified = 0,
  kFloat32 = 1,
  kFloat64 = 2,
  kBfloat16 = 3,
  kFloat16 = 4,
  kInt64 = 5
};

// Bytes of one element; 0 for kUnspecified.
size_t ElementSizeBytes(TensorType type);

// Where one tensor lies in a bundle's buffer.
struct TensorSpec {
  std::string name;
  TensorType type = TensorType::kUnspecified;
  std::vector<int64_t> shape;
  uint64_t offset_bytes = 0;  // a multiple of 64
  uint64_t size_bytes = 0;
  uint32_t crc32c = 0;  // of the tensor's bytes; 0 until sealed

  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

// Bytes that a tensor's type and shape need. INVALID_ARGUMENT names the tensor: an unspecified
// type, a negative or overflowing extent.
absl::StatusOr<uint64_t> TensorSizeBytes(const TensorSpec& tensor);

// Checks a manifest that came from outside: known types, unique names, sizes that equal the shapes
// (without overflow), laid out in order with no more padding than the alignment of 64 bytes needs,
// `size_bytes` in all (padded likewise). INVALID_ARGUMENT names the tensor at fault.
absl::Status ValidateManifest(absl::Span<const TensorSpec> tensors, uint64_t size_bytes);

// Owns the bytes of several named tensors. Movable, not copyable. Not thread-safe while it is
// filled.
class TensorBundle {
 public:
  TensorBundle() = default;
  TensorBundle(TensorBundle&&) = default;
  TensorBundle& operator=(TensorBundle&&) = default;

  // Lays out tensors (names, types and shapes are read; offsets and sizes are set) and zeroes the
  // bytes. INVALID_ARGUMENT: a duplicate name, an unspecified type, a negative or overflowing
  // extent. RESOURCE_EXHAUSTED: there is no memory for it.
  static absl::StatusOr<TensorBundle> Create(std::vector<TensorSpec> tensors);

  // Takes a manifest from outside with its layout as it is (ValidateManifest) and zeroes the bytes.
  // It may say what it likes: what is large takes memory only as it is written.
  static absl::StatusOr<TensorBundle> CreateWithLayout(std::vector<TensorSpec> tensors,
                                                       uint64_t size_bytes);

  const std::vector<TensorSpec>& tensors() const { return tensors_; }
  // nullptr when there is no such tensor.
  const TensorSpec* Find(std::string_view name) const;

  // Bytes of one tensor of this bundle.
  absl::Span<std::byte> bytes(const TensorSpec& tensor);
  absl::Span<const std::byte> bytes(const TensorSpec& tensor) const;
  // All bytes, padding included (zero).
  absl::Span<std::byte> bytes();
  absl::Span<const std::byte> bytes() const;

  // Computes every tensor's crc32c, and returns that of all bytes.
  uint32_t Seal();
  // DATA_LOSS naming the first tensor whose bytes don't match its crc32c.
  absl::Status VerifyChecksums() const;

 private:
  TensorBundle(std::vector<TensorSpec> tensors, AlignedMemory<std::byte> data)
      : tensors_(std::move(tensors)), data_(std::move(data)) {}

  std::vector<TensorSpec> tensors_;
  AlignedMemory<std::byte> data_;
};

// One published version. Immutable once made: share it as std::shared_ptr<const WeightSnapshot>.
struct WeightSnapshot {
  WeightVersion version = 0;
  TensorBundle weights;
  uint32_t crc32c = 0;  // of all bytes

  // Seals the bundle and computes the checksum.
  static std::shared_ptr<const WeightSnapshot> Create(WeightVersion version, TensorBundle weights);
};

// CRC-32C (RFC 3720).
uint32_t Crc32c(absl::Span<const std::byte> bytes);
// The checksum of what `crc` is the checksum of, followed by `bytes`; 0 is that of nothing.
uint32_t ExtendCrc32c(uint32_t crc, absl::Span<const std::byte> bytes);
// The checksum of two pieces one after the other, from those of the pieces. Takes no longer for
// long ones. `second_bytes`: how long the second is.
uint32_t CombineCrc32c(uint32_t first, uint32_t second, uint64_t second_bytes);

}  // namespace tpo

#endif  // TPO_CORE_WEIGHT_SNAPSHOT_H_
