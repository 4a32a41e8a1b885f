#include "verifier/sandbox/helper_reaper.h"

#include <sys/wait.h>

#include <cerrno>

#include "spdlog/spdlog.h"
#include "verifier/sandbox/helper_protocol.h"

namespace tpo {

void WaitForHelper(pid_t helper) {
  int wait_status = 0;
  while (waitpid(helper, &wait_status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == kExitOfRemainingFiles) {
    spdlog::warn("sandbox: files of a program could not be removed from its work directory");
  }
}

HelperReaper::HelperReaper(size_t capacity) : capacity_(capacity), thread_([this] { Loop(); }) {}

HelperReaper::~HelperReaper() {
  {
    const absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  thread_.join();
}

void HelperReaper::Adopt(pid_t helper) {
  const absl::MutexLock lock(&mutex_);
  const auto has_room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return helpers_.size() < capacity_;
  };
  mutex_.Await(absl::Condition(&has_room));
  helpers_.push_back(helper);
}

void HelperReaper::Loop() {
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ending_ || !helpers_.empty();
  };
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(&has_work));
    if (helpers_.empty()) return;
    // Counts until it is gone.
    const pid_t helper = helpers_.front();
    mutex_.Unlock();
    WaitForHelper(helper);
    mutex_.Lock();
    helpers_.pop_front();
  }
}

}  // namespace tpo
