#include "learner/checkpoint_writer.h"

#include <cassert>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/clock.h"
#include "core/status_macros.h"

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

std::optional<CheckpointInfo> CheckpointWriter::saved() const {
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

absl::StatusOr<CheckpointInfo> CheckpointWriter::Write(Job& job) {
  try {
    const absl::Status copied = job.copy ? job.copy(job.data) : absl::OkStatus();
    NoteCopied();
    TPO_RETURN_IF_ERROR(copied);
    TPO_ASSIGN_OR_RETURN(std::string path, store_->Save(job.data));
    return CheckpointInfo{std::move(path), job.data.step};
  } catch (const std::exception& error) {
    NoteCopied();
    return absl::ResourceExhaustedError(
        absl::StrCat("writing the checkpoint failed: ", error.what()));
  }
}

void CheckpointWriter::NoteCopied() {
  const absl::MutexLock lock(&mutex_);
  copied_ = true;
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
    result.info = Write(*job);
    result.time = Clock::Monotonic().Now() - job->begin;
    const auto on_end = std::move(job->on_end);
    // The copy's memory is free before the next one is made.
    job.reset();
    {
      const absl::MutexLock lock(&mutex_);
      results_.push_back(result);
      if (result.info.ok()) saved_ = *result.info;
      writing_.reset();
    }
    if (on_end) on_end(result);
  }
}

}  // namespace tpo
