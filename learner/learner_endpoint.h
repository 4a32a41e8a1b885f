// The learner as rollout workers see it, in memory: checks what comes in, then hands it to the
// lease book.
//
// It knows which workers are there. One that leaves says so (Deregister). One whose connection is
// lost (OnConnection), and which neither calls nor connects again within kReturnTime, counts as
// gone. The leases of either are given back without waiting until they expire; should a worker that
// counts as gone answer after all, its groups are late ones (core/lease_book.h). Workers that never
// had a connection to watch are there for kPresence after each call.
//
// Thread-safe. Owns the list of workers; lease book, weights and clock are borrowed and must
// outlive it.
#ifndef TPO_LEARNER_LEARNER_ENDPOINT_H_
#define TPO_LEARNER_LEARNER_ENDPOINT_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/admin_api.h"
#include "core/clock.h"
#include "core/learner_api.h"
#include "core/lease_book.h"
#include "core/weight_store.h"

namespace tpo {

class LearnerEndpoint : public LearnerApi {
 public:
  // Workers that are remembered. One more, and the one not heard of for the longest time has to
  // register again; while all of them are present, RESOURCE_EXHAUSTED.
  static constexpr size_t kMaxWorkers = 4096;
  // A worker that called within this time counts as present.
  static constexpr absl::Duration kPresence = absl::Minutes(1);
  // Within which a worker that lost its connection is back if it still lives: several of its
  // attempts.
  static constexpr absl::Duration kReturnTime = absl::Seconds(3);
  // Newest leases of a worker that are remembered, so that they can be given back.
  static constexpr size_t kMaxLeases = 1024;

  // `run`: what every worker is told; its worker_id is ignored.
  LearnerEndpoint(RunInfo run, LeaseBook* lease_book, WeightStore* weights, const Clock* clock);

  // Ids hold a random number of this endpoint, so that no worker of a former life of the learner is
  // taken for one of this.
  absl::StatusOr<RunInfo> Register(const std::string& worker_name) override;
  absl::StatusOr<LeaseResult> LeasePrompts(const std::string& worker_id) override;
  void ReportTimes(const std::string& worker_id, const WorkerTimes& times) override;
  absl::StatusOr<std::vector<SubmitResult>> SubmitGroups(const std::string& worker_id,
                                                         const std::vector<Group>& groups) override;
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForWeights(
      const std::string& worker_id, WeightVersion newer_than, absl::Duration timeout) override;
  absl::Status Deregister(const std::string& worker_id) override;

  // How a connection that a worker keeps open, its weight stream, begins and ends.
  enum class Connection {
    kOpened,
    kLost,    // the worker, or the network between, ended it
    kClosed,  // this side ended it
  };
  void OnConnection(const std::string& worker_id, Connection connection);

  // Workers that are there: called within the last minute, and didn't go since.
  uint32_t worker_count() const;

  // For RunStatus: those that called within kMemory, those that called last first, kMostShown at
  // most.
  std::vector<WorkerStatus> workers_seen() const;
  static constexpr absl::Duration kMemory = absl::Minutes(10);
  static constexpr size_t kMostShown = 64;

  // How the workers have spent their time since they first told, summed over all that were ever
  // here. Never falls.
  WorkerTimes worker_times() const;

  // Waits until every worker that is there was told that the run is over, or that the learner is
  // about to end, and has handed in what it holds: no prompt is under a lease any more. For a
  // server to go on serving until then. Gives back the leases of workers that are lost meanwhile.
  // False: that wasn't so within `timeout`, which is real time.
  bool WaitUntilDismissed(absl::Duration timeout);

 private:
  // NOT_FOUND when there is no such worker.
  absl::Status Touch(const std::string& worker_id);
  void ReturnLeasesOfLostWorkers();
  // Every worker that is there knows that there will be no lease.
  bool AllAreTold() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  SubmitResult SubmitGroup(const Group& group);
  void CountGroups(const std::string& worker_id, const std::vector<Group>& groups,
                   const std::vector<SubmitResult>& results);

  const RunInfo run_;
  LeaseBook* const lease_book_;
  WeightStore* const weights_;
  const Clock* const clock_;
  const std::string incarnation_;

  mutable absl::Mutex mutex_;
  struct Worker {
    absl::Duration last_call;
    bool dismissed = false;            // told that there will be no lease
    std::optional<WorkerTimes> times;  // as it reported last
    std::deque<uint64_t> leases;       // that it took, oldest first
    int connections = 0;               // that are open
    bool lost = false;                 // the last connection was lost
    absl::Duration lost_at;
    // For people.
    std::string name;
    uint64_t groups_accepted = 0;
    uint64_t groups_refused = 0;
    WeightVersion weight_version = -1;
  };
  bool IsGone(const Worker& worker) const {
    return worker.lost && clock_->Now() - std::max(worker.lost_at, worker.last_call) >= kReturnTime;
  }
  bool IsPresent(const Worker& worker) const {
    return clock_->Now() - worker.last_call < kPresence && !IsGone(worker);
  }
  std::map<std::string, Worker> workers_ ABSL_GUARDED_BY(mutex_);
  WorkerTimes worker_times_ ABSL_GUARDED_BY(mutex_);
  // Those whose connection is lost and whose leases weren't given back yet, by id.
  std::set<std::string> lost_workers_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_worker_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace tpo

#endif  // TPO_LEARNER_LEARNER_ENDPOINT_H_
