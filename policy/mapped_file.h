// A file's bytes as memory, without reading them first: pages come in as they are touched and
// belong to the system's cache. Immutable; the bytes are valid as long as the object lives. A file
// that somebody shortens meanwhile ends the process (SIGBUS), as with any mapping.
#ifndef TPO_POLICY_MAPPED_FILE_H_
#define TPO_POLICY_MAPPED_FILE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tpo {

class MappedFile {
 public:
  // Errors name the path and the system's reason: NOT_FOUND, PERMISSION_DENIED, …
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return {data_, size_}; }

 private:
  MappedFile(const char* data, size_t size) : data_(data), size_(size) {}

  const char* const data_;
  const size_t size_;
};

}  // namespace tpo

#endif  // TPO_POLICY_MAPPED_FILE_H_
