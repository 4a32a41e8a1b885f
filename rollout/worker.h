// A rollout worker: leases prompts, samples a group for each, has it verified, submits it; until the learner says that
// the run is over. It keeps nothing that matters: when it dies, its leases expire and others answer them with the
// same sampling keys.
//
// Owns its threads: one per lease that it answers at the same time, each with a policy of its own. The learner's
// interface is borrowed and thread-safe.
#ifndef TPO_ROLLOUT_WORKER_H_
#define TPO_ROLLOUT_WORKER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "core/learner_api.h"
#include "core/verifier_api.h"

namespace tpo {

class RolloutWorker {
 public:
  struct Options {
    std::string name = "worker";
    // Leases answered at the same time; 0: one per core.
    int parallel_leases = 0;
    // Gives up when the learner couldn't be reached for so long.
    absl::Duration give_up_after = absl::Minutes(10);
    // Called with what went wrong whenever a call fails and is tried again, from the worker's threads; may be empty.
    std::function<void(const std::string&)> on_warning;
  };

  // What the worker did so far; thread-safe to read through statistics().
  struct Statistics {
    uint64_t leases = 0;
    uint64_t groups = 0;
    uint64_t tokens = 0;
    uint64_t rejected = 0;  // groups whose submission wasn't accepted
  };

  // Makes the verifier that a run's config asks for, once the worker knows it.
  using VerifierFactory = std::function<absl::StatusOr<std::unique_ptr<VerifierApi>>(const RunInfo&)>;

  // `learner` must outlive the worker.
  RolloutWorker(Options options, LearnerApi* learner, VerifierFactory verifier_factory);
  ~RolloutWorker();

  // Works until the run is over (OK), Stop (OK), or it can't go on: the learner stays unreachable (UNAVAILABLE), or sends what this
  // worker can't do (INVALID_ARGUMENT). Call once.
  absl::Status Run();

  // Finishes the leases in hand and ends Run. Thread-safe, from any thread, any number of times.
  void Stop();

  Statistics statistics() const;

 private:
  class LeaseLoop;

  absl::StatusOr<RunInfo> RegisterFirst();
  // Registers anew unless another thread has done so since `stale` was obtained.
  absl::StatusOr<RunInfo> RegisterAgain(const RunInfo& stale);
  // Waits a while, longer the more calls failed in a row; ends early on Stop.
  void Pause(int failures) const;
  void Warn(const std::string& warning) const;

  const Options options_;
  LearnerApi* const learner_;
  const VerifierFactory verifier_factory_;
  std::unique_ptr<VerifierApi> verifier_;  // made by Run before its threads start
  absl::Notification stopped_;
  absl::Mutex stop_mutex_;
  mutable absl::Mutex mutex_;
  RunInfo run_ ABSL_GUARDED_BY(mutex_);
  Statistics statistics_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_ROLLOUT_WORKER_H_
