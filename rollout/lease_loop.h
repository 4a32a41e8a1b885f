// One thread of a rollout worker. Internal to worker.cc.
#ifndef TPO_ROLLOUT_LEASE_LOOP_H_
#define TPO_ROLLOUT_LEASE_LOOP_H_

#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/learner_api.h"
#include "core/types.h"
#include "core/worker_statistics.h"
#include "rollout/sampling_slots.h"
#include "rollout/worker.h"

namespace tpo {

// Holds a sampling slot from the question for a lease until its groups are sampled, and lets the
// next lease have it while they are judged.
class RolloutWorker::LeaseLoop {
 public:
  // Both are borrowed.
  LeaseLoop(RolloutWorker* worker, SamplingSlots* slots) : worker_(*worker), slots_(*slots) {}
  ~LeaseLoop() { GiveSlotBack(); }

  // Answers leases of `run`, and of registrations that follow it, until the worker is stopped, the
  // run is over (OK), or it can't go on (RolloutWorker::Run). INTERNAL: LibTorch failed.
  absl::Status Run(RunInfo run);

 private:
  // What came of asking for a lease.
  enum class Turn { kAnswered, kNothingToDo, kFinished };

  absl::Status Work();
  // Errors are those of a call to the learner, or AnswerLease's.
  absl::StatusOr<Turn> TakeTurn();
  absl::Status AnswerLease(const Lease& lease);

  void GiveSlotBack() {
    if (slot_ != nullptr) slots_.GiveBack(std::exchange(slot_, nullptr));
  }
  // Counts the time since the last call, or since the turn began.
  void Spent(absl::Duration WorkerTimes::*what);
  template <typename Function>
  std::invoke_result_t<const Function&> Timed(absl::Duration WorkerTimes::*what,
                                              const Function& function) {
    auto result = function();
    Spent(what);
    return result;
  }

  // Nothing to lease, or no weights yet: waits for a new version, which is when there may be
  // something.
  absl::StatusOr<Turn> WaitForChange(absl::Duration timeout);
  // Takes the newest weights at hand, and waits for newer ones while those held are too old for the
  // lease.
  absl::Status RefreshWeights(const Lease& lease);
  // The newest weights at hand, without waiting.
  absl::StatusOr<WeightVersion> SwapInFlight();
  absl::Status Load(const WeightSnapshot& snapshot);

  // Submits until it is known what became of the groups, or for as long as a lease lasts, or until
  // the grace of a worker that was told to end is over: submitting is idempotent, and the groups
  // are worth more than the calls. A lease that is over doesn't end it: its groups are taken all
  // the same if they are the first.
  absl::StatusOr<std::vector<SubmitResult>> Submit(const Lease& lease,
                                                   const std::vector<Group>& groups);
  // When nothing of the lease could be used, the cause is probably still there: goes on slowly.
  void PauseAfterUselessLease(const std::vector<Group>& groups,
                              const std::vector<SubmitResult>& results);

  absl::StatusOr<std::vector<std::vector<Completion>>> Sample(const std::vector<Prompt>& prompts);
  absl::StatusOr<std::vector<Group>> SampleGroups(const Lease& lease);
  void Verify(const Lease& lease, std::vector<Group>& groups);
  void Count(const std::vector<Group>& groups, const std::vector<SubmitResult>& results);

  // After a failed call: registers again where that helps, pauses, or gives up.
  absl::Status Recover(const absl::Status& failure, absl::Duration failing_since, int failures);

  RolloutWorker& worker_;
  // A lease's time is its duration, whatever happens to the wall clock.
  const Clock& clock_ = Clock::Monotonic();
  RunInfo run_;
  SamplingSlots& slots_;
  SamplingSlot* slot_ = nullptr;  // null while it has none
  int unanswered_leases_ = 0;     // in a row, for a fault of this worker
  int useless_leases_ = 0;        // in a row, of which nothing was scored or nothing was valid
  absl::Duration since_;          // when what is done now began
};

}  // namespace tpo

#endif  // TPO_ROLLOUT_LEASE_LOOP_H_
