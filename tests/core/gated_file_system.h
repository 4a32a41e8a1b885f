// A file system whose writes wait at a gate, or fail as long as they are told to, over the real
// one.
#ifndef TPO_TESTS_CORE_GATED_FILE_SYSTEM_H_
#define TPO_TESTS_CORE_GATED_FILE_SYSTEM_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/file_system.h"

namespace tpo {

// Thread-safe.
class GatedFileSystem : public FileSystem {
 public:
  // WriteFile waits from now on, until OpenGate.
  void CloseGate() {
    const absl::MutexLock lock(&mutex_);
    open_ = false;
  }
  void OpenGate() {
    const absl::MutexLock lock(&mutex_);
    open_ = true;
  }
  // Returns once a WriteFile waits at the gate.
  void WaitForWaiting() const {
    const absl::MutexLock lock(&mutex_);
    const auto any = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return waiting_ > 0; };
    mutex_.Await(absl::Condition(&any));
  }
  // What WriteFile fails with from now on; OK: it works again.
  void FailWith(absl::Status error) {
    const absl::MutexLock lock(&mutex_);
    error_ = std::move(error);
  }

  // Returns once so many WriteFiles have failed.
  void WaitForFailures(int count) const {
    const absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return failures_ >= count; };
    mutex_.Await(absl::Condition(&enough));
  }

  absl::Status WriteFile(const std::string& path,
                         absl::Span<const std::string_view> pieces) override {
    {
      const absl::MutexLock lock(&mutex_);
      ++waiting_;
      mutex_.Await(absl::Condition(&open_));
      --waiting_;
      if (!error_.ok()) {
        ++failures_;
        return error_;
      }
    }
    return real_->WriteFile(path, pieces);
  }
  absl::StatusOr<std::string> ReadFile(const std::string& path) override {
    return real_->ReadFile(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    return real_->List(directory);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return real_->Rename(from, to);
  }
  absl::Status RemoveFile(const std::string& path) override { return real_->RemoveFile(path); }
  absl::Status RemoveDirectory(const std::string& directory) override {
    return real_->RemoveDirectory(directory);
  }
  absl::Status CreateDirectory(const std::string& directory) override {
    return real_->CreateDirectory(directory);
  }
  absl::Status SyncDirectory(const std::string& directory) override {
    return real_->SyncDirectory(directory);
  }

 private:
  FileSystem* const real_ = FileSystem::Posix();
  mutable absl::Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = true;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_TESTS_CORE_GATED_FILE_SYSTEM_H_
