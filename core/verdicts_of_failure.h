// What becomes of a group whose verification failed as a whole.
#ifndef TPO_CORE_VERDICTS_OF_FAILURE_H_
#define TPO_CORE_VERDICTS_OF_FAILURE_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "core/types.h"

namespace tpo {

// One verdict for each completion that isn't a score, with the reason.
inline std::vector<Verdict> VerdictsOfFailure(const absl::Status& failure, size_t completions) {
  const VerdictKind kind = failure.code() == absl::StatusCode::kDeadlineExceeded
                               ? VerdictKind::kTimedOut
                               : VerdictKind::kFailed;
  return std::vector<Verdict>(completions, Verdict::Unscored(kind, failure.ToString()));
}

}  // namespace tpo

#endif  // TPO_CORE_VERDICTS_OF_FAILURE_H_
