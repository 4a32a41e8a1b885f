#include "policy/dataset/positioned_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace tpo {

absl::StatusOr<std::unique_ptr<PositionedFile>> PositionedFile::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("can't open ", path));
  struct stat status = {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    return absl::InvalidArgumentError(absl::StrCat(path, " isn't a file"));
  }
  return std::unique_ptr<PositionedFile>(
      new PositionedFile(path, descriptor, static_cast<uint64_t>(status.st_size)));
}

PositionedFile::~PositionedFile() { close(descriptor_); }

absl::Status PositionedFile::Append(uint64_t offset, size_t count, std::string* bytes) const {
  if (offset >= size_) return absl::OkStatus();
  size_t left = static_cast<size_t>(std::min<uint64_t>(count, size_ - offset));
  size_t end = bytes->size();
  bytes->resize(end + left);
  while (left > 0) {
    const ssize_t read = pread(descriptor_, bytes->data() + end, left, static_cast<off_t>(offset));
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return absl::ErrnoToStatus(errno, absl::StrCat("can't read ", path_));
    if (read == 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(path_, " has become shorter since it was opened"));
    }
    end += static_cast<size_t>(read);
    offset += static_cast<uint64_t>(read);
    left -= static_cast<size_t>(read);
  }
  return absl::OkStatus();
}

}  // namespace tpo
