#include "policy/hugging_face/whole_directory.h"

#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

// An empty folder of that name, whatever an earlier attempt left there.
absl::Status MakeEmptyDirectory(FileSystem* files, const std::string& directory) {
  TPO_RETURN_IF_ERROR(files->CreateDirectory(directory));
  TPO_ASSIGN_OR_RETURN(const std::vector<std::string> names, files->List(directory));
  for (const std::string& name : names)
    TPO_RETURN_IF_ERROR(files->RemoveFile(JoinPath(directory, name)));
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteWholeDirectory(FileSystem* file_system, const std::string& directory,
                                 const std::function<absl::Status(const std::string&)>& write) {
  std::filesystem::path target = std::filesystem::path(directory).lexically_normal();
  if (target.filename().empty()) target = target.parent_path();  // a slash at its end
  std::error_code error;
  if (std::filesystem::exists(target, error)) {
    TPO_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system->List(target.string()));
    if (!names.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(directory, " is there and not empty"));
    }
  }
  const std::string partial = target.string() + ".partial";
  TPO_RETURN_IF_ERROR(MakeEmptyDirectory(file_system, partial));
  TPO_RETURN_IF_ERROR(write(partial));
  TPO_RETURN_IF_ERROR(file_system->SyncDirectory(partial));
  TPO_RETURN_IF_ERROR(file_system->Rename(partial, target.string()));
  const std::string parent = target.parent_path().string();
  return file_system->SyncDirectory(parent.empty() ? "." : parent);
}

}  // namespace tpo
