// The network between the learner and its workers: late, lossy, repeating, reordering, cut.
#ifndef TPO_TESTS_SIMULATION_NETWORK_H_
#define TPO_TESTS_SIMULATION_NETWORK_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/simulation/event_loop.h"
#include "tests/simulation/random.h"
#include "tests/simulation/scenario.h"

namespace tpo::simulation {

class Network {
 public:
  Network(const Scenario& scenario, EventLoop* loop, Random random)
      : scenario_(scenario), loop_(loop), random_(random), cut_until_(scenario.workers) {}

  // Faults end: from now on messages arrive, once and soon.
  void Heal() { healed_ = true; }
  bool healed() const { return healed_; }

  // Nothing passes between this worker and the learner for so long.
  void Cut(int worker, absl::Duration time) { cut_until_[worker] = loop_->now() + time; }
  bool IsCut(int worker) const { return !healed_ && loop_->now() < cut_until_[worker]; }

  absl::Duration Latency() {
    const absl::Duration latency = random_.Between(scenario_.latency / 10, scenario_.latency);
    return !healed_ && random_.Chance(scenario_.reorder) ? latency * random_.Int(2, 10) : latency;
  }

  // Between this worker and the learner, either way.
  void Send(int worker, const EventLoop::Event& deliver) {
    if (!healed_ && (IsCut(worker) || random_.Chance(scenario_.loss))) return;
    if (!healed_ && random_.Chance(scenario_.duplicate)) loop_->After(Latency(), deliver);
    loop_->After(Latency(), deliver);
  }

  // A call: `serve` runs at the learner, never, once or twice; `done` at the worker exactly once,
  // with an answer or UNAVAILABLE, after `timeout` at the latest.
  template <typename Answer>
  void Call(int worker, absl::Duration timeout, std::function<absl::StatusOr<Answer>()> serve,
            std::function<void(absl::StatusOr<Answer>)> done) {
    auto once = std::make_shared<std::function<void(absl::StatusOr<Answer>)>>(std::move(done));
    const auto answer = [once](absl::StatusOr<Answer> result) {
      const auto told = std::exchange(*once, nullptr);
      if (told) told(std::move(result));
    };
    loop_->After(timeout, [answer] { answer(absl::UnavailableError("no answer in time")); });
    Send(worker, [this, worker, serve = std::move(serve), answer] {
      Send(worker, [answer, result = serve()] { answer(result); });
    });
  }

 private:
  const Scenario& scenario_;
  EventLoop* const loop_;
  Random random_;
  std::vector<absl::Duration> cut_until_;
  bool healed_ = false;
};

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_NETWORK_H_
