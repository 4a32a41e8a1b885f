#include "verifier/routing/circuit_breaker.h"

#include <algorithm>
#include <bit>

namespace tpo {

int CircuitBreaker::Gravity(State state) {
  switch (state) {
    case State::kClosed:
      return 0;
    case State::kHalfOpen:
      return 1;
    case State::kOpen:
      break;
  }
  return 2;
}

CircuitBreaker::State CircuitBreaker::StateAt(absl::Duration now) const {
  if (!open_) return State::kClosed;
  return now < probe_from_ ? State::kOpen : State::kHalfOpen;
}

bool CircuitBreaker::Admits(absl::Duration now) const { return now >= AdmitsFrom(); }

absl::Duration CircuitBreaker::AdmitsFrom() const {
  if (!open_) return -absl::InfiniteDuration();
  return probing_ ? absl::InfiniteDuration() : probe_from_;
}

CircuitBreaker::Ticket CircuitBreaker::OnStarted(absl::Duration) {
  if (open_) {
    probing_ = true;
    ++generation_;
  }
  return generation_;
}

void CircuitBreaker::OnSuccess(Ticket ticket) {
  if (ticket != generation_) return;
  failures_in_a_row_ = 0;
  if (!open_) {
    Record(/*failed=*/false);
    return;
  }
  open_ = false;
  probing_ = false;
  recent_attempts_ = 0;
  ++generation_;
}

void CircuitBreaker::OnFailure(Ticket ticket, absl::Duration now) {
  if (ticket != generation_) return;
  if (open_) {
    Open(now);
    return;
  }
  ++failures_in_a_row_;
  Record(/*failed=*/true);
  if (FailsTooOften()) Open(now);
}

void CircuitBreaker::OnNothingLearnt(Ticket ticket) {
  if (ticket == generation_) probing_ = false;
}

void CircuitBreaker::Record(bool failed) {
  recent_failures_ = (recent_failures_ << 1) | (failed ? 1 : 0);
  recent_attempts_ = std::min(recent_attempts_ + 1, kWindow);
}

bool CircuitBreaker::FailsTooOften() const {
  if (options_.failures > 0 && failures_in_a_row_ >= options_.failures) return true;
  if (options_.failure_ratio <= 0.0 || recent_attempts_ < kWindow) return false;
  const uint64_t window = (uint64_t{1} << kWindow) - 1;
  return std::popcount(recent_failures_ & window) >= options_.failure_ratio * kWindow;
}

void CircuitBreaker::Open(absl::Duration now) {
  open_ = true;
  probing_ = false;
  probe_from_ = now + options_.open_time;
  failures_in_a_row_ = 0;
  ++generation_;
}

}  // namespace tpo
