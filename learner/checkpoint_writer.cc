#include "learner/checkpoint_writer.h"

#include <cassert>
#include <utility>

#include "core/clock.h"

namespace tpo {

CheckpointWriter::CheckpointWriter(CheckpointStore* store)
    : store_(store), thread_([this] { Run(); }) {}

CheckpointWriter::~CheckpointWriter() {
  {
    const absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  thread_.join();
}

void CheckpointWriter::Begin(CheckpointData data, Copy copy,
                             std::function<void(const Result&)> on_end) {
  const absl::MutexLock lock(&mutex_);
  assert(!writing_.has_value());
  writing_ = data.step;
  copied_ = copy == nullptr;
  job_ = Job{std::move(data), std::move(copy), std::move(on_end), Clock::Monotonic().Now()};
}

void CheckpointWriter::WaitUntilCopied() const {
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&copied_));
}

bool CheckpointWriter::idle() const { return !writing().has_value(); }

std::optional<int64_t> CheckpointWriter::writing() const {
  const absl::MutexLock lock(&mutex_);
  return writing_;
}

std::optional<int64_t> CheckpointWriter::saved() const {
  const absl::MutexLock lock(&mutex_);
  return saved_;
}

bool CheckpointWriter::WaitUntilIdle(absl::Duration timeout) const {
  const absl::MutexLock lock(&mutex_);
  const auto idle = [this]()
                        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !writing_.has_value(); };
  return mutex_.AwaitWithTimeout(absl::Condition(&idle), timeout);
}

std::vector<CheckpointWriter::Result> CheckpointWriter::TakeResults() {
  const absl::MutexLock lock(&mutex_);
  return std::exchange(results_, {});
}

void CheckpointWriter::Run() {
  const auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ending_ || job_.has_value();
  };
  while (true) {
    std::optional<Job> job;
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&wanted));
      if (!job_.has_value()) return;
      job = std::exchange(job_, std::nullopt);
    }
    Result result;
    result.step = job->data.step;
    const absl::Status copied = job->copy ? job->copy(job->data) : absl::OkStatus();
    {
      const absl::MutexLock lock(&mutex_);
      copied_ = true;
    }
    const absl::StatusOr<std::string> path =
        copied.ok() ? store_->Save(job->data) : absl::StatusOr<std::string>(copied);
    if (path.ok()) {
      result.info = CheckpointInfo{*path, result.step};
    } else {
      result.info = path.status();
    }
    result.time = Clock::Monotonic().Now() - job->begin;
    const auto on_end = std::move(job->on_end);
    // The copy's memory is free before the next one is made.
    job.reset();
    {
      const absl::MutexLock lock(&mutex_);
      results_.push_back(result);
      if (result.info.ok()) saved_ = result.step;
      writing_.reset();
    }
    if (on_end) on_end(result);
  }
}

}  // namespace tpo
