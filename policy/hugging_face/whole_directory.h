// A directory of files that appears complete or not at all. Internal to policy/.
#ifndef TPO_POLICY_HUGGING_FACE_WHOLE_DIRECTORY_H_
#define TPO_POLICY_HUGGING_FACE_WHOLE_DIRECTORY_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "core/file_system.h"

namespace tpo {

// Makes an empty directory beside `directory`, lets `write` fill it, and gives it its name when
// that was fine. FAILED_PRECONDITION: `directory` is there and not empty.
absl::Status WriteWholeDirectory(FileSystem* file_system, const std::string& directory,
                                 const std::function<absl::Status(const std::string&)>& write);

}  // namespace tpo

#endif  // TPO_POLICY_HUGGING_FACE_WHOLE_DIRECTORY_H_
