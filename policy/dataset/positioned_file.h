// A file that is read at offsets, as it was long when it was opened. Unlike a mapping
// (policy/mapped_file.h) it outlives that somebody shortens the file: reading says so then.
// Immutable and thread-safe.
#ifndef TPO_POLICY_DATASET_POSITIONED_FILE_H_
#define TPO_POLICY_DATASET_POSITIONED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/regular_file.h"

namespace tpo {

class PositionedFile {
 public:
  // Errors name the path and the system's reason: NOT_FOUND, PERMISSION_DENIED, …
  static absl::StatusOr<std::unique_ptr<PositionedFile>> Open(const std::string& path);

  uint64_t size() const { return file_.size_bytes(); }

  // Appends the bytes from `offset` to `bytes`: `count`, or those up to size().
  // FAILED_PRECONDITION: the file has become shorter.
  absl::Status Append(uint64_t offset, size_t count, std::string* bytes) const;

 private:
  PositionedFile(std::string path, RegularFile file)
      : path_(std::move(path)), file_(std::move(file)) {}

  const std::string path_;
  const RegularFile file_;
};

}  // namespace tpo

#endif  // TPO_POLICY_DATASET_POSITIONED_FILE_H_
