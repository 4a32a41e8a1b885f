#include "services/engine/drain_on_signal.h"

#include <utility>

namespace tpo {

DrainOnSignal::DrainOnSignal() : waiter_([this](int) { OnSignal(); }) {}

void DrainOnSignal::SetDrain(std::function<void()> drain) {
  const absl::MutexLock lock(&mutex_);
  drain_ = std::move(drain);
  if (signalled_ && drain_) drain_();
}

void DrainOnSignal::OnSignal() {
  const absl::MutexLock lock(&mutex_);
  signalled_ = true;
  if (drain_) drain_();
}

}  // namespace tpo
