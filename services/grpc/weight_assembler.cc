#include "services/grpc/weight_assembler.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tpo {

absl::Status WeightAssembler::Begin(WeightManifest manifest, WeightVersion newest) {
  if (manifest.version <= newest) {
    return Refuse(absl::InvalidArgumentError(absl::StrCat(
        "weight_version: ", manifest.version, " isn't above the version held, ", newest)));
  }
  if (manifest_ == manifest) return absl::OkStatus();
  Forget();
  absl::StatusOr<TensorBundle> weights =
      TensorBundle::CreateWithLayout(manifest.tensors, manifest.size_bytes);
  if (!weights.ok()) return weights.status();
  weights_ = *std::move(weights);
  manifest_ = std::move(manifest);
  return absl::OkStatus();
}

absl::Status WeightAssembler::Add(WeightVersion version, uint64_t offset_bytes,
                                  absl::Span<const std::byte> data) {
  if (!manifest_.has_value())
    return absl::InvalidArgumentError("a weight frame came before any manifest");
  if (version != manifest_->version) {
    return Refuse(absl::InvalidArgumentError(absl::StrCat(
        "weight_version: a frame of ", version, " came within version ", manifest_->version)));
  }
  if (offset_bytes != held_bytes_) {
    return Refuse(absl::InvalidArgumentError(absl::StrCat(
        "offset_bytes: ", offset_bytes, ", expected ", held_bytes_, " of version ", version)));
  }
  if (data.size() > manifest_->size_bytes - held_bytes_) {
    return Refuse(absl::InvalidArgumentError(
        absl::StrCat("data: ", data.size(), " bytes at ", offset_bytes,
                     " exceed the size of version ", version, ", ", manifest_->size_bytes)));
  }
  if (!data.empty()) std::memcpy(weights_.bytes().data() + offset_bytes, data.data(), data.size());
  held_bytes_ += data.size();
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WeightAssembler::Take() {
  auto snapshot = std::make_shared<WeightSnapshot>();
  snapshot->version = manifest_->version;
  snapshot->weights = std::move(weights_);
  snapshot->crc32c = manifest_->crc32c;
  Forget();
  if (Crc32c(std::as_const(snapshot->weights).bytes()) != snapshot->crc32c) {
    return absl::DataLossError(absl::StrCat("the bytes of weight version ", snapshot->version,
                                            " don't match their crc32c"));
  }
  return std::shared_ptr<const WeightSnapshot>(std::move(snapshot));
}

void WeightAssembler::Forget() {
  manifest_.reset();
  weights_ = TensorBundle();
  held_bytes_ = 0;
}

absl::Status WeightAssembler::Refuse(absl::Status status) {
  Forget();
  return status;
}

}  // namespace tpo
