// The first of the helper's processes, outside of the sandbox: makes the namespaces, holds the wall
// limit, kills everything when the service closes the control descriptor, cleans up and reports.
#ifndef TPO_VERIFIER_SANDBOX_HELPER_SUPERVISOR_H_
#define TPO_VERIFIER_SANDBOX_HELPER_SUPERVISOR_H_

#include "verifier/sandbox/helper/options.h"

namespace tpo {

// Runs one execution and writes a HelperReport to kControlDescriptor. The exit status of the
// helper.
int Supervise(const HelperOptions& options);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HELPER_SUPERVISOR_H_
