// A rollout worker as a process that can die, with the behaviour of rollout/worker.cc and
// services/grpc/weight_watcher.cc in simulated time: it registers, keeps its weights current,
// answers leases, submits until it knows what became of them, and begins anew when the learner
// doesn't know it.
#ifndef TPO_TESTS_SIMULATION_SIMULATED_WORKER_H_
#define TPO_TESTS_SIMULATION_SIMULATED_WORKER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/learner_api.h"
#include "services/grpc/weight_assembler.h"
#include "tests/simulation/auditor.h"
#include "tests/simulation/event_loop.h"
#include "tests/simulation/network.h"
#include "tests/simulation/random.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/simulated_learner.h"

namespace tpo::simulation {

class SimulatedWorker {
 public:
  SimulatedWorker(const Scenario& scenario, int number, EventLoop* loop, Network* network,
                  SimulatedLearner* learner, Auditor* auditor, Random random);

  // REQUIRES: not running.
  void Start();
  // kill -9; comes back after a while.
  void Kill();
  // Says that it leaves, with its leases in hand, and ends.
  void Leave();
  // SIGSTOP for so long.
  void Stall(absl::Duration time);
  void Heal() { stalled_until_ = loop_->now(); }

 private:
  // One lease at a time.
  struct Loop {
    std::string worker_id;  // that its policy belongs to
    uint64_t life = 0;      // of the learner that gave the lease
    WeightVersion version = -1;
    uint64_t weights = 0;
    Lease lease;
    absl::Duration deadline;
    std::vector<Group> groups;
    Honesty honesty = Honesty::kHonest;
    int failures = 0;
    bool awaits_registration = false;
    bool has_groups = false;  // to submit once registered again
  };
  using LoopPointer = std::shared_ptr<Loop>;
  struct LeaseAnswer {
    LeaseResult result;
    uint64_t life = 0;
  };

  // Runs the event unless this process has died; later if it stands still.
  void Later(absl::Duration delay, std::function<void()> event);
  void Wake(uint64_t process, const std::function<void()>& event);
  absl::Duration Pause(int failures);

  void Register();
  void OnRegistered(const RunInfo& run);
  void OpenStream();
  void OnMessage(uint64_t stream, const StreamMessage& message);
  void OnStreamBroken(uint64_t stream, const absl::Status& status);
  WeightStream::Send StreamSender(uint64_t stream);

  void NextTurn(const LoopPointer& loop);
  void OnLeaseAnswer(const LoopPointer& loop, const absl::StatusOr<LeaseAnswer>& answer);
  void AwaitWeights(const LoopPointer& loop);
  void Load(Loop& loop);
  void Sample(const LoopPointer& loop);
  void MakeGroups(Loop& loop, WeightVersion later_version, uint64_t later_weights);
  void Verify(Loop& loop);
  void Lie(Group& group);
  void Alter(Loop& loop);
  void Submit(const LoopPointer& loop);
  absl::StatusOr<bool> SubmitAtLearner(const std::string& worker_id,
                                       const std::vector<Group>& groups, size_t arrive,
                                       Honesty honesty, uint64_t life);
  void OnSubmitted(const LoopPointer& loop, const absl::Status& status);
  void RegisterAgain(const LoopPointer& loop);

  const Scenario& scenario_;
  const int number_;
  EventLoop* const loop_;
  Network* const network_;
  SimulatedLearner* const learner_;
  Auditor* const auditor_;
  Random random_;

  uint64_t process_ = 0;  // counts starts
  bool running_ = false;
  absl::Duration stalled_until_;
  bool registering_ = false;
  std::string worker_id_;
  double clock_rate_ = 1.0;  // of this process' clock
  bool slow_subscriber_ = false;
  std::vector<LoopPointer> loops_;

  uint64_t stream_ = 0;  // the newest; streams of all workers have different numbers
  int stream_failures_ = 0;
  absl::Duration last_arrival_;
  WeightAssembler assembler_;
  std::shared_ptr<const WeightSnapshot> newest_;
};

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_SIMULATED_WORKER_H_
