// The few file operations that durable state needs, behind an interface so that tests can fail any
// of them (tests/core/faulty_file_system.h).
//
// Errors name the path and the system's reason: NOT_FOUND, RESOURCE_EXHAUSTED (no space left),
// PERMISSION_DENIED, or what errno says otherwise.
#ifndef TPO_CORE_FILE_SYSTEM_H_
#define TPO_CORE_FILE_SYSTEM_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace tpo {

// Thread-safe. Paths are the operating system's.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual absl::StatusOr<std::string> ReadFile(const std::string& path) = 0;

  // Creates or truncates the file, writes the pieces one after another and syncs the file's bytes
  // to the device. Its name is durable only after SyncDirectory of its folder. On an error the file
  // may be there in part.
  virtual absl::Status WriteFile(const std::string& path,
                                 absl::Span<const std::string_view> pieces) = 0;

  // Atomic. Replaces a file, or an empty folder by a folder.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;

  // Names within a folder, sorted, without "." and "..".
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& directory) = 0;

  virtual absl::Status RemoveFile(const std::string& path) = 0;
  // REQUIRES: it is empty.
  virtual absl::Status RemoveDirectory(const std::string& directory) = 0;
  // With its parents; what it creates is durable. OK when it is there already.
  virtual absl::Status CreateDirectory(const std::string& directory) = 0;
  // Makes creations, renames and removals within a folder durable.
  virtual absl::Status SyncDirectory(const std::string& directory) = 0;

  // The operating system's. Lives for ever.
  static FileSystem* Posix();
};

// Replaces the file by `content`: a reader sees the old bytes or the new ones, also after a crash,
// and OK means durable. Writes PATH.tmp on the way.
absl::Status WriteFileAtomically(FileSystem* file_system, const std::string& path,
                                 std::string_view content);

// Joins with one '/'.
std::string JoinPath(const std::string& directory, const std::string& name);

}  // namespace tpo

#endif  // TPO_CORE_FILE_SYSTEM_H_
