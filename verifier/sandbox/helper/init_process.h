// The second of the helper's processes, between the supervisor and the program: sets up user and
// file tree, starts the program, reaps, and reports how it ended. In a PID namespace it is process
// 1: when it ends, by itself or killed by the supervisor, the kernel kills all others in there.
#ifndef TPO_VERIFIER_SANDBOX_HELPER_INIT_PROCESS_H_
#define TPO_VERIFIER_SANDBOX_HELPER_INIT_PROCESS_H_

#include <cstdint>
#include <string>
#include <type_traits>

#include "verifier/sandbox/helper/options.h"
#include "verifier/sandbox/helper/step.h"

namespace tpo {

// What it tells the supervisor, once, through a pipe.
struct InitReport {
  StepFailure failure;  // of the set-up
  int32_t wait_status = 0;
  int64_t cpu_microseconds = 0;
};
static_assert(std::is_trivially_copyable_v<InitReport>);

// Waits until `go` can be read (the user namespace is ready), runs the program and writes an
// InitReport to `status`. `work_directory` is used without a mount namespace. Ends when the
// supervisor, which holds the other end of `go`, does.
[[noreturn]] void RunInit(const HelperOptions& options, const std::string& work_directory, int go,
                          int status);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HELPER_INIT_PROCESS_H_
