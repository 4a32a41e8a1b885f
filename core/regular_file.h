// A regular file that is open for reading, with the size that it had when it was opened. Movable;
// closes its descriptor when it dies.
#ifndef TPO_CORE_REGULAR_FILE_H_
#define TPO_CORE_REGULAR_FILE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace tpo {

class RegularFile {
 public:
  // Errors name the path and the system's reason: NOT_FOUND, PERMISSION_DENIED, … A directory, a
  // pipe or a device is INVALID_ARGUMENT.
  static absl::StatusOr<RegularFile> Open(const std::string& path);
  RegularFile(RegularFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), size_bytes_(other.size_bytes_) {}
  RegularFile& operator=(RegularFile&&) = delete;
  ~RegularFile();

  int descriptor() const { return descriptor_; }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  RegularFile(int descriptor, uint64_t size_bytes)
      : descriptor_(descriptor), size_bytes_(size_bytes) {}

  int descriptor_;
  uint64_t size_bytes_;
};

}  // namespace tpo

#endif  // TPO_CORE_REGULAR_FILE_H_
