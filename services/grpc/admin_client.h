// What operators ask of a learner, over a channel: `tpo status` and its like.
//
// Thread-safe. Every call has a deadline; a learner that can't be reached is UNAVAILABLE at once.
// `caller` is the span that makes the call, where there is one.
#ifndef TPO_SERVICES_GRPC_ADMIN_CLIENT_H_
#define TPO_SERVICES_GRPC_ADMIN_CLIENT_H_

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/admin_api.h"
#include "core/run_board.h"
#include "core/trace.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace tpo {

absl::StatusOr<RunStatus> GetRunStatus(const std::shared_ptr<grpc::Channel>& channel,
                                       absl::Duration deadline = absl::Seconds(10),
                                       const std::optional<SpanContext>& caller = std::nullopt);

// The status with workers_seen, and what a learner of an older version leaves out as empty details.
struct DetailedRunStatus {
  RunStatus status;
  RunDetails details;
};
absl::StatusOr<DetailedRunStatus> GetDetailedRunStatus(
    const std::shared_ptr<grpc::Channel>& channel, absl::Duration deadline = absl::Seconds(10),
    const std::optional<SpanContext>& caller = std::nullopt);

// Returns when the checkpoint is durable.
absl::StatusOr<CheckpointInfo> RequestCheckpoint(
    const std::shared_ptr<grpc::Channel>& channel, absl::Duration deadline = absl::Minutes(10),
    const std::optional<SpanContext>& caller = std::nullopt);

absl::Status RequestDrain(const std::shared_ptr<grpc::Channel>& channel,
                          absl::Duration deadline = absl::Seconds(10),
                          const std::optional<SpanContext>& caller = std::nullopt);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_ADMIN_CLIENT_H_
