// What a process does to itself before it becomes the untrusted program. None of it can be undone.
#ifndef TPO_VERIFIER_SANDBOX_HELPER_RESTRICT_H_
#define TPO_VERIFIER_SANDBOX_HELPER_RESTRICT_H_

#include <sys/types.h>

#include <string>

#include "verifier/sandbox/helper/options.h"
#include "verifier/sandbox/helper/step.h"

namespace tpo {

// Becomes user and group with no others. From then on the process has the capabilities that it had
// in its user namespace, or none.
StepFailure BecomeUser(uid_t uid, gid_t gid, bool in_user_namespace);

// Gives up all capabilities, for good.
StepFailure DropCapabilities();

StepFailure ApplyResourceLimits(const HelperOptions& options);

StepFailure ForbidNewPrivileges();

// Reads below the readable paths, reads and writes below `work_directory`, nothing else.
StepFailure ApplyLandlock(const HelperOptions& options, const std::string& work_directory);

// Loads the filter from kFilterDescriptor. REQUIRES: ForbidNewPrivileges().
StepFailure ApplySeccomp();

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HELPER_RESTRICT_H_
