#include "policy/dataset/positioned_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {

absl::StatusOr<std::unique_ptr<PositionedFile>> PositionedFile::Open(const std::string& path) {
  TPO_ASSIGN_OR_RETURN(RegularFile file, RegularFile::Open(path));
  return std::unique_ptr<PositionedFile>(new PositionedFile(path, std::move(file)));
}

absl::Status PositionedFile::Append(uint64_t offset, size_t count, std::string* bytes) const {
  if (offset >= size()) return absl::OkStatus();
  size_t left = static_cast<size_t>(std::min<uint64_t>(count, size() - offset));
  size_t end = bytes->size();
  bytes->resize(end + left);
  while (left > 0) {
    const ssize_t read =
        pread(file_.descriptor(), bytes->data() + end, left, static_cast<off_t>(offset));
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
