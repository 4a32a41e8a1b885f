// How a step of the set-up says that it failed.
#ifndef TPO_VERIFIER_SANDBOX_HELPER_STEP_H_
#define TPO_VERIFIER_SANDBOX_HELPER_STEP_H_

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <type_traits>

namespace tpo {

// The layer to which the step belongs, errno and a name. layer 0 is part of every execution. Plain
// data: it goes through a pipe.
struct StepFailure {
  bool failed = false;
  uint32_t layer = 0;
  int32_t error_number = 0;
  char step[64] = {};
};
static_assert(std::is_trivially_copyable_v<StepFailure>);

inline StepFailure Failed(uint32_t layer, const char* step, const char* detail = "") {
  StepFailure failure;
  failure.failed = true;
  failure.layer = layer;
  failure.error_number = errno;
  std::snprintf(failure.step, sizeof(failure.step), "%s%s%s", step, *detail ? " " : "", detail);
  return failure;
}

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HELPER_STEP_H_
