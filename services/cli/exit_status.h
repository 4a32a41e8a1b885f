// Exit status of every program: 0 done, 2 the input was refused (config, flags, an address that
// isn't free, a path, run directory or checkpoint that isn't what was named), 1 any other failure.
#ifndef TPO_SERVICES_CLI_EXIT_STATUS_H_
#define TPO_SERVICES_CLI_EXIT_STATUS_H_

#include "absl/status/status.h"

namespace tpo {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitRefused = 2;

// For the status that a program ends with.
inline int ExitStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kDataLoss:
      return kExitRefused;
    default:
      return kExitFailed;
  }
}

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_EXIT_STATUS_H_
