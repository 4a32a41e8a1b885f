// What operators ask of a learner, over a channel: `tpo status` and its like.
//
// Thread-safe. Every call has a deadline; a learner that can't be reached is UNAVAILABLE at once.
#ifndef TPO_SERVICES_GRPC_ADMIN_CLIENT_H_
#define TPO_SERVICES_GRPC_ADMIN_CLIENT_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/admin_api.h"
#include "core/run_board.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace tpo {

absl::StatusOr<RunStatus> GetRunStatus(const std::shared_ptr<grpc::Channel>& channel,
                                       absl::Duration deadline = absl::Seconds(10));

// The status with workers_seen, and what a learner of an older version leaves out as empty details.
struct DetailedRunStatus {
  RunStatus status;
  RunDetails details;
};
absl::StatusOr<DetailedRunStatus> GetDetailedRunStatus(
    const std::shared_ptr<grpc::Channel>& channel, absl::Duration deadline = absl::Seconds(10));

// Returns when the checkpoint is durable.
absl::StatusOr<CheckpointInfo> RequestCheckpoint(const std::shared_ptr<grpc::Channel>& channel,
                                                 absl::Duration deadline = absl::Minutes(10));

absl::Status RequestDrain(const std::shared_ptr<grpc::Channel>& channel,
                          absl::Duration deadline = absl::Seconds(10));

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_ADMIN_CLIENT_H_
