// A file tree of its own for one execution, in a mount namespace: the readable paths, read-only and
// at their usual places, four devices, and an empty work directory in memory, which is all that can
// be written. It vanishes with the namespace, so there is nothing to clean up.
#ifndef TPO_VERIFIER_SANDBOX_HELPER_PRIVATE_ROOT_H_
#define TPO_VERIFIER_SANDBOX_HELPER_PRIVATE_ROOT_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "verifier/sandbox/helper/options.h"
#include "verifier/sandbox/helper/step.h"

namespace tpo {

class PrivateRoot {
 public:
  // Takes hold of the readable paths, with the rights of the service: call before they are given
  // up. A path that doesn't exist is left out.
  StepFailure Open(const HelperOptions& options);

  // Makes the tree, with a work directory that belongs to `uid`, and enters it.
  // REQUIRES: Open() went well; the files that the caller makes have an owner in its user
  // namespace.
  StepFailure Enter(const HelperOptions& options, uid_t uid, gid_t gid);

 private:
  struct Entry {
    std::string path;
    std::string link_target;  // of a symbolic link, which is made again instead of mounted
    int tree = -1;            // a detached copy of the mount
    bool is_directory = false;
  };

  StepFailure OpenEntry(const std::string& path, uint64_t attributes);

  std::vector<Entry> entries_;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HELPER_PRIVATE_ROOT_H_
