// A work directory on the machine's own files, for where there is no mount namespace.
#ifndef TPO_VERIFIER_SANDBOX_HELPER_WORK_DIRECTORY_H_
#define TPO_VERIFIER_SANDBOX_HELPER_WORK_DIRECTORY_H_

#include <sys/types.h>

#include <string>

namespace tpo {

// Makes an empty directory of a new name below `root` for the user alone; empty on failure, with
// errno.
std::string MakeWorkDirectory(const std::string& root, uid_t uid, gid_t gid);

// Removes `path` and what is below. Follows no symbolic link, needs two descriptors and no stack
// however deep the tree is, and opens directories that were made inaccessible. True when nothing is
// left.
// REQUIRES: nobody else changes the tree.
bool RemoveWorkDirectory(const std::string& path);

// Writes the source (kSourceDescriptor) as a file of that name into `directory`; false on failure,
// with errno.
bool WriteSource(const std::string& directory, const std::string& name);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HELPER_WORK_DIRECTORY_H_
