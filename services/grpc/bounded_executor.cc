#include "services/grpc/bounded_executor.h"

#include <utility>

namespace tpo {

BoundedExecutor::BoundedExecutor(int threads, size_t queue_capacity, OnLength on_length)
    : queue_capacity_(queue_capacity), on_length_(std::move(on_length)) {
  threads_.reserve(threads);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

BoundedExecutor::~BoundedExecutor() {
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    changed_.SignalAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

bool BoundedExecutor::TryRun(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  // What an idle thread is about to take doesn't wait.
  if (queue_.size() >= queue_capacity_ + idle_) return false;
  queue_.push_back(std::move(work));
  TellLength();
  changed_.Signal();
  return true;
}

void BoundedExecutor::TellLength() {
  if (on_length_) on_length_(queue_.size());
}

void BoundedExecutor::Work() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    ++idle_;
    while (queue_.empty() && !closed_) changed_.Wait(&mutex_);
    --idle_;
    if (queue_.empty()) return;
    std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    TellLength();
    mutex_.Unlock();
    work();
    work = nullptr;
    mutex_.Lock();
  }
}

}  // namespace tpo
