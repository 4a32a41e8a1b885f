// The learner as a process that can die: the real lease book, endpoint, weight store and checkpoint
// store, with the loop of learner/learner.cc around them and training that takes simulated time.
#ifndef TPO_TESTS_SIMULATION_SIMULATED_LEARNER_H_
#define TPO_TESTS_SIMULATION_SIMULATED_LEARNER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/lease_book.h"
#include "core/weight_store.h"
#include "learner/checkpoint.h"
#include "learner/learner_endpoint.h"
#include "tests/simulation/auditor.h"
#include "tests/simulation/event_loop.h"
#include "tests/simulation/memory_file_system.h"
#include "tests/simulation/random.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/weight_stream.h"

namespace tpo::simulation {

// Simulated time since some origin, which may jump forward.
class SimulatedClock : public Clock {
 public:
  SimulatedClock(const EventLoop* loop, absl::Duration origin) : loop_(loop), offset_(origin) {}
  absl::Duration Now() const override { return loop_->now() + offset_; }
  void Jump(absl::Duration by) { offset_ += by; }

 private:
  const EventLoop* const loop_;
  absl::Duration offset_;
};

// Prompts of nothing but a number, from a source that sometimes can't be read.
class SimulatedPrompts : public PromptSource {
 public:
  explicit SimulatedPrompts(Random random) : random_(random) {}
  void SetFailure(double probability) { failure_ = probability; }
  absl::StatusOr<Prompt> At(uint64_t index) override;

 private:
  Random random_;
  double failure_ = 0.0;
};

class SimulatedLearner {
 public:
  SimulatedLearner(const Scenario& scenario, EventLoop* loop, Auditor* auditor, Random random);
  ~SimulatedLearner();

  // Begins a life, from the newest checkpoint if there is one. REQUIRES: not running.
  void Start();
  // kill -9; comes back after a while. Does nothing when it isn't running.
  void Kill();
  // SIGTERM; comes back after a while.
  void Drain();
  // SIGSTOP for so long.
  void Stall(absl::Duration time);
  // The monotonic clock leaps, as after a suspended machine.
  void JumpClock(absl::Duration by);
  // No faults of the learner's own any more.
  void Heal();

  // A process is there.
  bool running() const { return life_ != nullptr; }
  // All steps are done and saved.
  bool finished() const { return finished_; }
  // Counts starts.
  uint64_t life() const { return lives_; }
  // What is left of a stall.
  absl::Duration stall() const;

  // The calls of LearnerApi, UNAVAILABLE while there is no process.
  absl::StatusOr<RunInfo> Register(const std::string& worker_name);
  absl::StatusOr<LeaseResult> LeasePrompts(const std::string& worker_id);
  absl::StatusOr<SubmitResult> Submit(const std::string& worker_id, const Group& group,
                                      Honesty honesty, uint64_t life);

  absl::Status Deregister(const std::string& worker_id);

  // Opens a stream that lives until CloseStream or the life's end. NOT_FOUND: no such worker.
  absl::Status OpenStream(uint64_t stream, const std::string& worker_id,
                          WeightStream::Options options, WeightStream::Send send,
                          WeightStream::OnEnd on_end);
  void CloseStream(uint64_t stream);

  // After every event.
  void Inspect();

 private:
  struct Life;
  struct SavedState;

  void Later(absl::Duration delay, std::function<void()> event);
  absl::Duration WallClock();
  void Publish();
  void CaptureLeases();
  void Tick();
  void TryStep();
  void FinishStep(const std::vector<ReadyGroup>& batch);
  void AfterCheckpoint();
  // Takes a copy of the state and writes it, now or in the background.
  void BeginCheckpoint();
  void WriteInBackground();
  // Whether it is durable; the process may be dead afterwards.
  absl::Status Write(const SavedState& state);
  void Finish();

  const Scenario& scenario_;
  EventLoop* const loop_;
  Auditor* const auditor_;
  Random random_;
  SimulatedPrompts prompts_;
  MemoryFileSystem files_;
  std::unique_ptr<Life> life_;
  uint64_t lives_ = 0;
  bool finished_ = false;
  bool healed_ = false;
  absl::Duration stalled_until_;
};

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_SIMULATED_LEARNER_H_
