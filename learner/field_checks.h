// Checks of a spec's numbers that objectives and optimizers share.
#ifndef TPO_LEARNER_FIELD_CHECKS_H_
#define TPO_LEARNER_FIELD_CHECKS_H_

#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tpo {

// INVALID_ARGUMENT begins with `field`, e.g. "objective eta".
inline absl::Status CheckPositive(absl::string_view field, double value) {
  if (value > 0.0 && std::isfinite(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " must be a finite number above 0, not ", value));
}

inline absl::Status CheckNotNegative(absl::string_view field, double value) {
  if (value >= 0.0 && std::isfinite(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " must be a finite number of at least 0, not ", value));
}

}  // namespace tpo

#endif  // TPO_LEARNER_FIELD_CHECKS_H_
