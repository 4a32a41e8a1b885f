#include "core/weight_snapshot.h"

#include <algorithm>
#include <cstdint>
#include <new>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

constexpr uint64_t kAlignment = 64;
// Larger than any machine's memory, small enough that sums of two never overflow.
constexpr uint64_t kMaxSizeBytes = uint64_t{1} << 62;

uint64_t AlignUp(uint64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

absl::Status CheckUniqueName(const TensorSpec& tensor, std::set<std::string>* names) {
  if (tensor.name.empty()) return absl::InvalidArgumentError("a tensor has an empty name");
  if (!names->insert(tensor.name).second) {
    return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.name, "' occurs twice"));
  }
  return absl::OkStatus();
}

}  // namespace

size_t ElementSizeBytes(TensorType type) {
  switch (type) {
    case TensorType::kFloat32:
      return 4;
    case TensorType::kFloat64:
    case TensorType::kInt64:
      return 8;
    case TensorType::kBfloat16:
    case TensorType::kFloat16:
      return 2;
    case TensorType::kUnspecified:
      break;
  }
  return 0;
}

absl::StatusOr<uint64_t> TensorSizeBytes(const TensorSpec& tensor) {
  uint64_t size = ElementSizeBytes(tensor.type);
  if (size == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor '", tensor.name, "' has an unspecified type"));
  }
  bool empty = false;
  for (const int64_t extent : tensor.shape) {
    if (extent < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", tensor.name, "' has the negative extent ", extent));
    }
    if (extent == 0) {
      empty = true;
    } else if (size > kMaxSizeBytes / static_cast<uint64_t>(extent)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", tensor.name, "' is larger than any memory"));
    } else {
      size *= static_cast<uint64_t>(extent);
    }
  }
  return empty ? 0 : size;
}

absl::Status ValidateManifest(absl::Span<const TensorSpec> tensors, uint64_t size_bytes) {
  if (size_bytes > kMaxSizeBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the size of ", size_bytes, " bytes is larger than any memory"));
  }
  std::set<std::string> names;
  uint64_t end = 0;
  for (const TensorSpec& tensor : tensors) {
    TPO_RETURN_IF_ERROR(CheckUniqueName(tensor, &names));
    TPO_ASSIGN_OR_RETURN(const uint64_t expected, TensorSizeBytes(tensor));
    if (tensor.size_bytes != expected) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.name, "' has ",
                                                     tensor.size_bytes, " bytes, its shape needs ",
                                                     expected));
    }
    if (tensor.offset_bytes != AlignUp(end)) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.name, "' is at offset ",
                                                     tensor.offset_bytes, ", expected ",
                                                     AlignUp(end)));
    }
    end = tensor.offset_bytes + tensor.size_bytes;
    if (end > size_bytes) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.name, "' ends at ", end,
                                                     ", past the size of ", size_bytes, " bytes"));
    }
  }
  if (size_bytes != AlignUp(end)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the size is ", size_bytes, " bytes, the tensors take ", AlignUp(end)));
  }
  return absl::OkStatus();
}

absl::StatusOr<TensorBundle> TensorBundle::Create(std::vector<TensorSpec> tensors) {
  std::set<std::string> names;
  uint64_t end = 0;
  for (TensorSpec& tensor : tensors) {
    TPO_RETURN_IF_ERROR(CheckUniqueName(tensor, &names));
    TPO_ASSIGN_OR_RETURN(tensor.size_bytes, TensorSizeBytes(tensor));
    tensor.offset_bytes = end;
    tensor.crc32c = 0;
    end = AlignUp(end + tensor.size_bytes);
    if (end > kMaxSizeBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensors up to '", tensor.name, "' are together larger than any memory"));
    }
  }
  return CreateWithLayout(std::move(tensors), end);
}

absl::StatusOr<TensorBundle> TensorBundle::CreateWithLayout(std::vector<TensorSpec> tensors,
                                                            uint64_t size_bytes) {
  TPO_RETURN_IF_ERROR(ValidateManifest(tensors, size_bytes));
  try {
    return TensorBundle(std::move(tensors), AlignedMemory<std::byte>(size_bytes));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for tensors of ", size_bytes, " bytes"));
  }
}

const TensorSpec* TensorBundle::Find(std::string_view name) const {
  for (const TensorSpec& tensor : tensors_) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

absl::Span<std::byte> TensorBundle::bytes(const TensorSpec& tensor) {
  return bytes().subspan(tensor.offset_bytes, tensor.size_bytes);
}

absl::Span<const std::byte> TensorBundle::bytes(const TensorSpec& tensor) const {
  return bytes().subspan(tensor.offset_bytes, tensor.size_bytes);
}

absl::Span<std::byte> TensorBundle::bytes() { return absl::MakeSpan(data_.data(), data_.size()); }

absl::Span<const std::byte> TensorBundle::bytes() const {
  return absl::MakeConstSpan(data_.data(), data_.size());
}

uint32_t TensorBundle::Seal() {
  const absl::Span<const std::byte> all = std::as_const(*this).bytes();
  uint32_t crc = 0;
  uint64_t end = 0;
  // Reads the bytes once: they may be gigabytes, and those who wait for them wait here.
  for (TensorSpec& tensor : tensors_) {
    crc = ExtendCrc32c(crc, all.subspan(end, tensor.offset_bytes - end));  // padding
    tensor.crc32c = Crc32c(all.subspan(tensor.offset_bytes, tensor.size_bytes));
    crc = CombineCrc32c(crc, tensor.crc32c, tensor.size_bytes);
    end = tensor.offset_bytes + tensor.size_bytes;
  }
  return ExtendCrc32c(crc, all.subspan(end));
}

absl::Status TensorBundle::VerifyChecksums() const {
  for (const TensorSpec& tensor : tensors_) {
    if (Crc32c(bytes(tensor)) != tensor.crc32c) {
      return absl::DataLossError(
          absl::StrCat("the bytes of tensor '", tensor.name, "' don't match their crc32c"));
    }
  }
  return absl::OkStatus();
}

std::shared_ptr<const WeightSnapshot> WeightSnapshot::Create(WeightVersion version,
                                                             TensorBundle weights) {
  auto snapshot = std::make_shared<WeightSnapshot>();
  snapshot->version = version;
  snapshot->weights = std::move(weights);
  snapshot->crc32c = snapshot->weights.Seal();
  return snapshot;
}

}  // namespace tpo
