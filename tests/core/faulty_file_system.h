// A file system whose n-th change fails or is the last one before the process dies, over the real
// one.
//
// A change is a WriteFile, Rename, RemoveFile, RemoveDirectory, CreateDirectory or SyncDirectory;
// they are counted from 1. Reading is free. A WriteFile that fails or is cut short by the crash
// leaves half of its bytes.
#ifndef TPO_TESTS_CORE_FAULTY_FILE_SYSTEM_H_
#define TPO_TESTS_CORE_FAULTY_FILE_SYSTEM_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file_system.h"

namespace tpo {

// Not thread-safe.
class FaultyFileSystem : public FileSystem {
 public:
  // Change number `change` fails with `error`; those before and after it succeed.
  static FaultyFileSystem FailingAt(int change, absl::Status error) {
    return FaultyFileSystem(change, std::move(error), /*crash=*/false);
  }
  // `changes` changes take place, then none any more, as after kill -9; the next WriteFile is cut
  // short.
  static FaultyFileSystem CrashingAfter(int changes) {
    return FaultyFileSystem(changes + 1, absl::AbortedError("crashed"), /*crash=*/true);
  }
  static FaultyFileSystem Sound() { return FailingAt(0, absl::OkStatus()); }

  // Changes asked for up to now.
  int changes() const { return changes_; }
  // Whether the fault took place.
  bool faulted() const { return fault_at_ > 0 && changes_ >= fault_at_; }

  absl::StatusOr<std::string> ReadFile(const std::string& path) override {
    return real_->ReadFile(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    return real_->List(directory);
  }
  absl::Status WriteFile(const std::string& path,
                         absl::Span<const std::string_view> pieces) override {
    const bool first_fault = changes_ + 1 == fault_at_;
    return Change([&] { return real_->WriteFile(path, pieces); },
                  [&] {
                    if (first_fault) WriteHalf(path, pieces);
                  });
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return Change([&] { return real_->Rename(from, to); });
  }
  absl::Status RemoveFile(const std::string& path) override {
    return Change([&] { return real_->RemoveFile(path); });
  }
  absl::Status RemoveDirectory(const std::string& directory) override {
    return Change([&] { return real_->RemoveDirectory(directory); });
  }
  absl::Status CreateDirectory(const std::string& directory) override {
    return Change([&] { return real_->CreateDirectory(directory); });
  }
  absl::Status SyncDirectory(const std::string& directory) override {
    return Change([&] { return real_->SyncDirectory(directory); });
  }

 private:
  FaultyFileSystem(int fault_at, absl::Status error, bool crash)
      : fault_at_(fault_at), error_(std::move(error)), crash_(crash) {}

  absl::Status Change(
      const std::function<absl::Status()>& change, const std::function<void()>& on_fault = [] {}) {
    ++changes_;
    if (fault_at_ > 0 && (changes_ == fault_at_ || (crash_ && changes_ > fault_at_))) {
      on_fault();
      return error_;
    }
    return change();
  }

  void WriteHalf(const std::string& path, absl::Span<const std::string_view> pieces) {
    std::string content;
    for (const std::string_view piece : pieces) content.append(piece);
    content.resize(content.size() / 2);
    real_->WriteFile(path, {content}).IgnoreError();
  }

  FileSystem* const real_ = FileSystem::Posix();
  const int fault_at_;  // 0: never
  const absl::Status error_;
  const bool crash_;
  int changes_ = 0;
};

}  // namespace tpo

#endif  // TPO_TESTS_CORE_FAULTY_FILE_SYSTEM_H_
