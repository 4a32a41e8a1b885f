// The kinds of verdicts as values of the label `kind`.
#ifndef TPO_SERVICES_METRICS_VERDICT_KIND_H_
#define TPO_SERVICES_METRICS_VERDICT_KIND_H_

#include "core/types.h"

namespace tpo {

// "scored", "abstained", "timed_out" or, for all else, "failed".
inline const char* VerdictKindName(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::kScored:
      return "scored";
    case VerdictKind::kAbstained:
      return "abstained";
    case VerdictKind::kTimedOut:
      return "timed_out";
    default:
      return "failed";
  }
}

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_VERDICT_KIND_H_
