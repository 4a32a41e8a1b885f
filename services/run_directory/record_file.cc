#include "services/run_directory/record_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

absl::Status FileError(int error_number, const char* action, const std::string& path) {
  return absl::ErrnoToStatus(error_number, absl::StrCat("cannot ", action, " ", path));
}

}  // namespace

ssize_t WriteToDescriptor(int fd, const void* data, size_t size) { return ::write(fd, data, size); }

absl::StatusOr<std::unique_ptr<RecordFile>> RecordFile::Open(const std::string& path,
                                                             const RecordFileOptions& options) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return FileError(errno, "open", path);
  struct stat info;
  if (::fstat(fd, &info) != 0) {
    const int error_number = errno;
    ::close(fd);
    return FileError(error_number, "read the size of", path);
  }
  return std::unique_ptr<RecordFile>(new RecordFile(path, fd, info.st_size, options));
}

RecordFile::RecordFile(const std::string& path, int fd, int64_t size,
                       const RecordFileOptions& options)
    : path_(path), options_(options), fd_(fd), size_(size) {}

RecordFile::~RecordFile() { ::close(fd_); }

absl::Status RecordFile::Append(std::string_view record) {
  pending_.append(record);
  pending_sizes_.push_back(record.size());
  absl::Status status = WritePending();
  if (status.ok()) {
    pending_.clear();
    pending_sizes_.clear();
  } else {
    ForgetOldest();
  }
  return status;
}

absl::Status RecordFile::Sync() {
  if (::fdatasync(fd_) != 0) return FileError(errno, "flush", path_);
  return absl::OkStatus();
}

absl::Status RecordFile::WritePending() {
  TPO_RETURN_IF_ERROR(CutTornTail());
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const ssize_t written = options_.write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error_number = written < 0 ? errno : EIO;
      // Should this fail as well, the next write tries again first.
      CutTornTail().IgnoreError();
      return FileError(error_number, "write", path_);
    }
    torn_ = true;
    rest.remove_prefix(static_cast<size_t>(written));
  }
  torn_ = false;
  size_ += static_cast<int64_t>(pending_.size());
  return absl::OkStatus();
}

absl::Status RecordFile::CutTornTail() {
  if (!torn_) return absl::OkStatus();
  if (::ftruncate(fd_, size_) != 0) return FileError(errno, "cut a torn record off", path_);
  torn_ = false;
  return absl::OkStatus();
}

void RecordFile::ForgetOldest() {
  size_t bytes = 0;
  size_t records = 0;
  while (pending_.size() - bytes > options_.max_pending_bytes) bytes += pending_sizes_[records++];
  pending_.erase(0, bytes);
  pending_sizes_.erase(pending_sizes_.begin(), pending_sizes_.begin() + static_cast<long>(records));
  lost_records_ += static_cast<int64_t>(records);
}

}  // namespace tpo
