#include "verifier/routing/alarm.h"

#include <utility>

namespace tpo {

AlarmThread::AlarmThread(const Clock* clock, std::function<void()> on_ring)
    : clock_(clock), on_ring_(std::move(on_ring)), thread_([this] { Run(); }) {}

AlarmThread::~AlarmThread() {
  {
    const absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  thread_.join();
}

void AlarmThread::Set(absl::Duration at) {
  const absl::MutexLock lock(&mutex_);
  // A later time needs no waking: the thread finds it when it wakes for the earlier one.
  if (at < at_) earlier_ = true;
  at_ = at;
}

void AlarmThread::Run() {
  const auto disturbed = [this]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return earlier_ || ending_; };
  while (true) {
    {
      const absl::MutexLock lock(&mutex_);
      earlier_ = false;
      while (!ending_ && clock_->Now() < at_) {
        mutex_.AwaitWithTimeout(absl::Condition(&disturbed), at_ - clock_->Now());
        earlier_ = false;
      }
      if (ending_) return;
      at_ = absl::InfiniteDuration();
    }
    on_ring_();
  }
}

}  // namespace tpo
