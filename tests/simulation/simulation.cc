#include "tests/simulation/simulation.h"

#include <cmath>
#include <functional>
#include <memory>
#include <utility>

#include "tests/simulation/event_loop.h"
#include "tests/simulation/network.h"
#include "tests/simulation/random.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/simulated_learner.h"
#include "tests/simulation/simulated_worker.h"

namespace tpo::simulation {
namespace {

// How long the world goes on after the run, for what comes late.
constexpr absl::Duration kAfterwards = absl::Seconds(10);
// Far more than any run has.
constexpr uint64_t kMostEvents = 2'000'000;

class World {
 public:
  World(uint64_t seed, bool trace)
      : scenario_(MakeScenario(seed)),
        random_(Mix(seed, 2)),
        loop_(trace),
        auditor_(scenario_, &loop_),
        network_(scenario_, &loop_, random_.Fork()),
        learner_(scenario_, &loop_, &auditor_, random_.Fork()) {
    loop_.Say(scenario_.Describe());
    for (int i = 0; i < scenario_.workers; ++i) {
      workers_.push_back(std::make_unique<SimulatedWorker>(scenario_, i, &loop_, &network_,
                                                           &learner_, &auditor_, random_.Fork()));
    }
  }

  Result Run() {
    Begin();
    const absl::Duration deadline = scenario_.fault_time + scenario_.patience();
    absl::Duration end = absl::InfiniteDuration();
    while (auditor_.failure().empty() && !loop_.empty() && loop_.now() < end) {
      loop_.RunNext();
      learner_.Inspect();
      if (learner_.finished() && end == absl::InfiniteDuration()) {
        end = loop_.now() + kAfterwards;
      }
      auditor_.Require(learner_.finished() || loop_.now() < deadline,
                       "without further faults a run finishes");
      auditor_.Require(loop_.events() < kMostEvents, "a run doesn't go round in circles");
    }
    auditor_.Require(learner_.finished(), "a run finishes");
    return {auditor_.failure(), loop_.events(), auditor_.sightings(), loop_.trace()};
  }

 private:
  void Begin() {
    loop_.After(absl::ZeroDuration(), [this] { learner_.Start(); });
    for (const auto& worker : workers_) {
      loop_.After(random_.Between(absl::ZeroDuration(), absl::Seconds(2)),
                  [&worker = *worker] { worker.Start(); });
    }
    ScheduleFaults();
    loop_.After(scenario_.fault_time, [this] { Heal(); });
  }

  void ScheduleFaults() {
    Repeat(scenario_.between_worker_kills, [this] { AnyWorker().Kill(); });
    Repeat(scenario_.between_worker_exits, [this] { AnyWorker().Leave(); });
    Repeat(scenario_.between_worker_stalls, [this] { AnyWorker().Stall(AnyTime()); });
    Repeat(scenario_.between_partitions, [this] {
      const int worker = static_cast<int>(random_.Int(0, scenario_.workers - 1));
      const absl::Duration time = AnyTime();
      loop_.Say("network: worker ", worker, " is cut off for ", absl::FormatDuration(time));
      auditor_.Saw("partitions");
      network_.Cut(worker, time);
    });
    Repeat(scenario_.between_learner_kills, [this] { learner_.Kill(); });
    Repeat(scenario_.between_learner_drains, [this] { learner_.Drain(); });
    Repeat(scenario_.between_learner_stalls, [this] {
      if (random_.Chance(0.5)) {
        learner_.Stall(AnyTime());
      } else {
        learner_.JumpClock(AnyTime());
      }
    });
  }

  // Up to twice the time of a lease.
  absl::Duration AnyTime() {
    return random_.Between(absl::ZeroDuration(), 2 * scenario_.leases.lease_time_to_live);
  }

  SimulatedWorker& AnyWorker() {
    return *workers_[static_cast<size_t>(random_.Int(0, scenario_.workers - 1))];
  }

  // Again and again until the faults end.
  void Repeat(absl::Duration mean, const std::function<void()>& fault) {
    if (mean == absl::InfiniteDuration()) return;
    loop_.After(-std::log(1.0 - random_.Uniform()) * mean, [this, mean, fault] {
      if (loop_.now() >= scenario_.fault_time || learner_.finished()) return;
      fault();
      Repeat(mean, fault);
    });
  }

  void Heal() {
    loop_.Say("no faults from now on");
    network_.Heal();
    learner_.Heal();
    for (const auto& worker : workers_) worker->Heal();
  }

  const Scenario scenario_;
  Random random_;
  EventLoop loop_;
  Auditor auditor_;
  Network network_;
  SimulatedLearner learner_;
  std::vector<std::unique_ptr<SimulatedWorker>> workers_;
};

}  // namespace

Result Simulate(uint64_t seed, bool trace) { return World(seed, trace).Run(); }

}  // namespace tpo::simulation
