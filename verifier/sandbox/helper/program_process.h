// The last of the helper's three processes: restricts itself and becomes the untrusted program.
#ifndef TPO_VERIFIER_SANDBOX_HELPER_PROGRAM_PROCESS_H_
#define TPO_VERIFIER_SANDBOX_HELPER_PROGRAM_PROCESS_H_

#include <string>

#include "verifier/sandbox/helper/options.h"
#include "verifier/sandbox/helper/step.h"

namespace tpo {

// In a process of its own: applies limits, Landlock and seccomp, and becomes the program in
// `work_directory`. On failure writes a StepFailure to `failure_descriptor` and exits; where there
// is none, the descriptor closes with nothing written. Never returns.
[[noreturn]] void BecomeProgram(const HelperOptions& options, const std::string& work_directory,
                                int failure_descriptor);

// The same through bubblewrap, which starts this helper again inside with inner=1. That one first
// writes a StepFailure that isn't one.
[[noreturn]] void BecomeProgramInBubblewrap(const HelperOptions& options, int failure_descriptor);

// What bubblewrap starts inside: WriteSource(), then BecomeProgram().
[[noreturn]] void RunInner(const HelperOptions& options);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HELPER_PROGRAM_PROCESS_H_
