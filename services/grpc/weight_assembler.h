// Puts a weight stream's messages together to snapshots, believing nothing: the layout is
// validated, every frame must follow the one before, and a snapshot only comes out when the
// checksum of all its bytes holds. Keeps what it has when a stream breaks, so that the next one can
// go on there.
#ifndef TPO_SERVICES_GRPC_WEIGHT_ASSEMBLER_H_
#define TPO_SERVICES_GRPC_WEIGHT_ASSEMBLER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/weight_snapshot.h"
#include "services/grpc/convert.h"

namespace tpo {

// Not thread-safe. After an error, what was held is forgotten: begin again with another stream.
class WeightAssembler {
 public:
  // A version begins, or goes on when `manifest` equals that of the version held in part.
  // INVALID_ARGUMENT: the manifest isn't valid, or its version isn't above `newest`, the newest one
  // held complete.
  absl::Status Begin(WeightManifest manifest, WeightVersion newest);

  // The next bytes of the version. INVALID_ARGUMENT: another version, a gap, an overlap, or too
  // many bytes.
  absl::Status Add(WeightVersion version, uint64_t offset_bytes, absl::Span<const std::byte> data);

  // Whether all bytes of the version have come.
  bool complete() const { return manifest_.has_value() && held_bytes_ == manifest_->size_bytes; }

  // The complete version; holds nothing afterwards. DATA_LOSS: the checksum doesn't hold. REQUIRES:
  // complete().
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> Take();

  void Forget();

  // What to ask the next stream to go on with; version 0 and 0 bytes when nothing is held.
  WeightVersion held_version() const { return held_bytes_ == 0 ? 0 : manifest_->version; }
  uint64_t held_bytes() const { return held_bytes_; }

 private:
  absl::Status Refuse(absl::Status status);

  std::optional<WeightManifest> manifest_;
  TensorBundle weights_;
  uint64_t held_bytes_ = 0;
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_WEIGHT_ASSEMBLER_H_
