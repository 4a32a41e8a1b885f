// What stands in a checkpoint's JSON files (learner/checkpoint.h). Pure, thread-safe.
#ifndef TPO_LEARNER_CHECKPOINT_FORMAT_H_
#define TPO_LEARNER_CHECKPOINT_FORMAT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "learner/checkpoint.h"

namespace tpo {

inline constexpr char kModelFile[] = "model.safetensors";
inline constexpr char kOptimizerFile[] = "optimizer.safetensors";
inline constexpr char kStateFile[] = "state.json";
inline constexpr char kManifestFile[] = "manifest.json";

// By which a file is known to be the one that was written.
struct FileFacts {
  uint64_t size_bytes = 0;
  uint32_t crc32c = 0;

  friend bool operator==(const FileFacts&, const FileFacts&) = default;
};
// By name.
using CheckpointManifest = std::map<std::string, FileFacts>;

FileFacts FactsOf(absl::Span<const std::string_view> pieces);

std::string FormatManifest(const CheckpointManifest& manifest);
// INVALID_ARGUMENT: not a manifest, or one of another format version.
absl::StatusOr<CheckpointManifest> ParseManifest(const std::string& text);

// Everything but the tensors.
std::string FormatState(const CheckpointData& data);
// Leaves the tensors empty. INVALID_ARGUMENT names the field that is missing or wrong.
absl::StatusOr<CheckpointData> ParseState(const std::string& text);

}  // namespace tpo

#endif  // TPO_LEARNER_CHECKPOINT_FORMAT_H_
