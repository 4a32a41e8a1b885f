#include "learner/objectives/importance.h"

#include <cmath>

namespace tpo {

ImportanceWeight TokenImportance(const ImportanceSpec& spec, double log_ratio) {
  const double ratio = std::exp(log_ratio);
  switch (spec.correction) {
    case ImportanceCorrection::kNone:
      break;
    case ImportanceCorrection::kTruncate:
      if (ratio > spec.cap) return {spec.cap, true};
      return {ratio, false};
    case ImportanceCorrection::kMask:
      if (ratio > spec.cap || ratio * spec.cap < 1.0) return {0.0, true};
      return {ratio, false};
  }
  return {};
}

}  // namespace tpo
