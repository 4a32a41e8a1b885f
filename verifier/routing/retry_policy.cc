#include "verifier/routing/retry_policy.h"

#include <algorithm>
#include <cmath>

namespace tpo {

AttemptEnd EndOf(const absl::Status& status, bool reached) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return AttemptEnd::kAnswered;
    case absl::StatusCode::kInvalidArgument:
      return AttemptEnd::kRefused;
    case absl::StatusCode::kResourceExhausted:
      return AttemptEnd::kNotTaken;
    case absl::StatusCode::kUnavailable:
      return reached ? AttemptEnd::kMayHelpToRetry : AttemptEnd::kNotTaken;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
      return AttemptEnd::kMayHelpToRetry;
    default:
      return AttemptEnd::kFailed;
  }
}

absl::Duration PauseAfter(int failures, const BackoffOptions& options, double jitter) {
  // Beyond 2^40 the cap holds whatever the first pause is.
  const double factor = std::ldexp(1.0, std::clamp(failures - 1, 0, 40));
  return std::min(options.first * factor, options.longest) * jitter;
}

}  // namespace tpo
