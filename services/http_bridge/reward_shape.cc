#include "services/http_bridge/reward_shape.h"

#include "absl/status/status.h"

namespace tpo {
namespace {

absl::Status Refused(const std::string& field, const std::string& only) {
  return absl::InvalidArgumentError(field + ": only for the shape " + only);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RewardShape>> MakeRewardShape(HttpRewardShape shape,
                                                             const RewardShapeOptions& options) {
  if (options.completions_per_request > 0 && shape != HttpRewardShape::kOpenRlhf)
    return Refused("completions_per_request", "openrlhf; the others take one a request");
  if (!options.json_metadata.empty() && shape != HttpRewardShape::kNemoGym)
    return Refused("json_metadata", "nemo_gym; the others send no metadata");
  switch (shape) {
    case HttpRewardShape::kOpenRlhf:
      return MakeOpenRlhfShape(options);
    case HttpRewardShape::kSlime:
      return MakeSlimeShape(options);
    case HttpRewardShape::kNemoGym:
      return MakeNemoGymShape(options);
  }
  return absl::InvalidArgumentError("shape: unknown");
}

}  // namespace tpo
