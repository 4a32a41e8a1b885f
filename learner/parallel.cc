#include "learner/parallel.h"

#include <algorithm>
#include <utility>

namespace tpo {
namespace {

// Phases of an epoch follow each other within microseconds, and to sleep and be woken takes tens of
// them: a thread looks this often before it sleeps, about 50 µs.
constexpr int kLooksBeforeSleep = 1000;

void LookBeforeSleep(const std::atomic<bool>& hint) {
  for (int i = 0; i < kLooksBeforeSleep && !hint.load(std::memory_order_relaxed); ++i) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

}  // namespace

ParallelTasks::ParallelTasks(int threads, std::function<void()> on_thread_start) {
  if (threads == 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (int thread = 1; thread < threads; ++thread) {
    threads_.emplace_back([this, thread, on_thread_start] {
      if (on_thread_start) on_thread_start();
      ThreadLoop(thread);
    });
  }
}

ParallelTasks::~ParallelTasks() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

void ParallelTasks::Run(int count, const Task& task) {
  std::exception_ptr failure;
  {
    const absl::MutexLock lock(&mutex_);
    task_ = &task;
    count_ = count;
    next_ = 0;
    all_done_.store(false, std::memory_order_relaxed);
    has_work_.store(true, std::memory_order_relaxed);
    WorkOff(0);
    if (running_ > 0) {
      mutex_.Unlock();
      LookBeforeSleep(all_done_);
      mutex_.Lock();
    }
    const auto all_done = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_ == 0; };
    mutex_.Await(absl::Condition(&all_done));
    task_ = nullptr;
    failure = std::exchange(failure_, nullptr);
  }
  if (failure) std::rethrow_exception(failure);
}

void ParallelTasks::ThreadLoop(int thread) {
  const absl::MutexLock lock(&mutex_);
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || (task_ != nullptr && next_ < count_);
  };
  while (true) {
    mutex_.Unlock();
    LookBeforeSleep(has_work_);
    mutex_.Lock();
    mutex_.Await(absl::Condition(&has_work));
    if (stopping_) return;
    WorkOff(thread);
  }
}

void ParallelTasks::WorkOff(int thread) {
  while (task_ != nullptr && next_ < count_) {
    const int index = next_++;
    if (next_ == count_) has_work_.store(false, std::memory_order_relaxed);
    const Task& task = *task_;
    ++running_;
    mutex_.Unlock();
    std::exception_ptr failure;
    try {
      task(index, thread);
    } catch (...) {
      failure = std::current_exception();
    }
    mutex_.Lock();
    --running_;
    if (running_ == 0 && next_ == count_) all_done_.store(true, std::memory_order_relaxed);
    if (failure && !failure_) failure_ = failure;
  }
}

void Turnstile::WaitForTurn(int index) {
  const absl::MutexLock lock(&mutex_);
  const auto is_turn = [this, index]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return next_ == index; };
  mutex_.Await(absl::Condition(&is_turn));
}

void Turnstile::Pass() {
  const absl::MutexLock lock(&mutex_);
  ++next_;
}

}  // namespace tpo
