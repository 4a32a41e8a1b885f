#include "tests/simulation/event_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace tpo::simulation {

void EventLoop::After(absl::Duration delay, Event event) {
  queue_.push_back({now_ + delay, next_number_++, std::move(event)});
  std::push_heap(queue_.begin(), queue_.end(), IsLater);
}

void EventLoop::RunNext() {
  std::pop_heap(queue_.begin(), queue_.end(), IsLater);
  Entry next = std::move(queue_.back());
  queue_.pop_back();
  now_ = next.time;
  ++events_;
  next.event();
}

void EventLoop::Keep(std::string line) {
  trace_.push_back(absl::StrFormat("%10.4f  %s", absl::ToDoubleSeconds(now_), line));
}

}  // namespace tpo::simulation
