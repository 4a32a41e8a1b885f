// Simulated time: events in the order of their times, one after another, on one thread.
#ifndef TPO_TESTS_SIMULATION_EVENT_LOOP_H_
#define TPO_TESTS_SIMULATION_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace tpo::simulation {

class EventLoop {
 public:
  using Event = std::function<void()>;

  // With `trace`, what is said is kept.
  explicit EventLoop(bool trace) : tracing_(trace) {}

  // Since the beginning.
  absl::Duration now() const { return now_; }
  uint64_t events() const { return events_; }
  bool empty() const { return queue_.empty(); }

  // Events of the same time run in the order in which they were put in.
  void After(absl::Duration delay, Event event);

  // REQUIRES: not empty.
  void RunNext();

  // What happens, for people who look at a seed that failed.
  template <typename... Parts>
  void Say(const Parts&... parts) {
    if (tracing_) Keep(absl::StrCat(parts...));
  }
  const std::vector<std::string>& trace() const { return trace_; }

 private:
  struct Entry {
    absl::Duration time;
    uint64_t number;
    Event event;
  };
  static bool IsLater(const Entry& a, const Entry& b) {
    return std::pair(a.time, a.number) > std::pair(b.time, b.number);
  }
  void Keep(std::string line);

  const bool tracing_;
  absl::Duration now_;
  uint64_t events_ = 0;
  uint64_t next_number_ = 0;
  std::vector<Entry> queue_;  // a heap
  std::vector<std::string> trace_;
};

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_EVENT_LOOP_H_
