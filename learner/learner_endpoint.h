// The learner as rollout workers see it, in memory: checks what comes in, then hands it to the
// lease book.
//
// Thread-safe. Owns the list of workers; lease book, weights and clock are borrowed and must
// outlive it.
#ifndef TPO_LEARNER_LEARNER_ENDPOINT_H_
#define TPO_LEARNER_LEARNER_ENDPOINT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/learner_api.h"
#include "core/lease_book.h"
#include "core/weight_store.h"

namespace tpo {

class LearnerEndpoint : public LearnerApi {
 public:
  // Workers that are remembered. One more, and the one not heard of for the longest time has to
  // register again.
  static constexpr size_t kMaxWorkers = 4096;
  // A worker that called within this time counts as present.
  static constexpr absl::Duration kPresence = absl::Minutes(1);

  // `run`: what every worker is told; its worker_id is ignored.
  LearnerEndpoint(RunInfo run, LeaseBook* lease_book, WeightStore* weights, const Clock* clock);

  // Ids hold a random number of this endpoint, so that no worker of a former life of the learner is
  // taken for one of this.
  absl::StatusOr<RunInfo> Register(const std::string& worker_name) override;
  absl::StatusOr<LeaseResult> LeasePrompts(const std::string& worker_id) override;
  absl::StatusOr<std::vector<SubmitResult>> SubmitGroups(const std::string& worker_id,
                                                         const std::vector<Group>& groups) override;
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForWeights(
      const std::string& worker_id, WeightVersion newer_than, absl::Duration timeout) override;

  // Workers that called within the last minute.
  uint32_t worker_count() const;

  // Waits until every worker that called within the last minute was told that the run is over, for
  // a server to go on serving until then. False: not all were told within `timeout`.
  bool WaitUntilDismissed(absl::Duration timeout) const;

 private:
  // NOT_FOUND when there is no such worker.
  absl::Status Touch(const std::string& worker_id);
  SubmitResult SubmitGroup(const Group& group);

  const RunInfo run_;
  LeaseBook* const lease_book_;
  WeightStore* const weights_;
  const Clock* const clock_;
  const std::string incarnation_;

  mutable absl::Mutex mutex_;
  struct Worker {
    absl::Duration last_call;
    bool dismissed = false;  // told that the run is over
  };
  bool IsPresent(const Worker& worker) const {
    return clock_->Now() - worker.last_call < kPresence;
  }
  std::map<std::string, Worker> workers_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_worker_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace tpo

#endif  // TPO_LEARNER_LEARNER_ENDPOINT_H_
