// The run as its operators see it: what `tpo status` shows and what an operator may ask of a
// learner.
//
// Implementation: the learner's main loop. services/grpc/learner_service.h serves it over gRPC.
// Thread-safe.
#ifndef TPO_CORE_ADMIN_API_H_
#define TPO_CORE_ADMIN_API_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/types.h"

namespace tpo {

// Where a checkpoint is.
struct CheckpointInfo {
  std::string path;  // on the learner's machine
  int64_t step = 0;  // that it holds

  friend bool operator==(const CheckpointInfo&, const CheckpointInfo&) = default;
};

// A rollout worker as the learner sees it.
struct WorkerStatus {
  std::string name;     // as it calls itself
  absl::Duration idle;  // since its last call
  uint64_t groups_accepted = 0;
  uint64_t groups_refused = 0;
  WeightVersion weight_version = -1;  // oldest of its last group; -1 before the first

  friend bool operator==(const WorkerStatus&, const WorkerStatus&) = default;
};

// A snapshot of the run.
struct RunStatus {
  std::string run_id;
  int64_t step = 0;  // steps done
  int64_t total_steps = 0;
  WeightVersion weight_version = 0;  // newest published
  double reward_mean = 0.0;          // of the last step
  double error = 0.0;                // of the last step, where the task defines one
  Ledger ledger;
  uint32_t workers = 0;  // that called within the last minute
  bool draining = false;
  std::string version;              // of the binary
  uint64_t groups_leased = 0;       // prompts under a lease
  uint64_t groups_ready = 0;        // groups that wait to be trained on
  uint64_t groups_leasable = 0;     // prompts that could be leased now and that nobody has taken
  absl::Duration oldest_lease_age;  // zero when there is none
  // Those that called within the last ten minutes, those that called last first; at most 64.
  std::vector<WorkerStatus> workers_seen;

  friend bool operator==(const RunStatus&, const RunStatus&) = default;
};

class AdminApi {
 public:
  virtual ~AdminApi() = default;

  // Writes a checkpoint of the last finished step and returns when it is durable. May take long.
  // Idempotent.
  virtual absl::StatusOr<CheckpointInfo> Checkpoint() = 0;

  // Asks the run to end: after the step that is being trained, it writes a checkpoint. Groups that
  // are still being collected are given back; a resume leases their prompts again. Returns at once.
  // Idempotent.
  virtual void Drain() = 0;

  // Returns at once.
  virtual RunStatus GetStatus() = 0;
};

}  // namespace tpo

#endif  // TPO_CORE_ADMIN_API_H_
