#include "core/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tpo {

absl::StatusOr<RegularFile> RegularFile::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("can't open ", path));
  struct stat status = {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    return absl::InvalidArgumentError(absl::StrCat(path, " isn't a file"));
  }
  return RegularFile(descriptor, static_cast<uint64_t>(status.st_size));
}

RegularFile::~RegularFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace tpo
