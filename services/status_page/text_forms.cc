#include "services/status_page/text_forms.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tpo {

std::string AgeText(absl::Duration age) {
  const auto whole = [age](absl::Duration unit) { return absl::IDivDuration(age, unit, &unit); };
  if (age < absl::Minutes(2)) return absl::StrCat(whole(absl::Seconds(1)), " s");
  if (age < absl::Hours(2)) return absl::StrCat(whole(absl::Minutes(1)), " min");
  if (age < absl::Hours(48)) return absl::StrCat(whole(absl::Hours(1)), " h");
  return absl::StrCat(whole(absl::Hours(24)), " d");
}

std::string CheckpointText(const RunDetails& details) {
  if (!details.checkpoint_step.has_value()) return "none yet";
  return absl::StrCat("step ", *details.checkpoint_step, ", ", AgeText(details.checkpoint_age),
                      " ago");
}

const char* VerdictText(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::kScored:
      return "scored";
    case VerdictKind::kAbstained:
      return "abstained";
    case VerdictKind::kTimedOut:
      return "timed out";
    case VerdictKind::kFailed:
      return "failed";
    case VerdictKind::kUnspecified:
      break;
  }
  return "no verdict";
}

const char* HealthText(VerifierHealth health) {
  switch (health) {
    case VerifierHealth::kHealthy:
      return "healthy";
    case VerifierHealth::kOnProbation:
      return "on probation";
    case VerifierHealth::kLeftAlone:
      return "left alone";
    case VerifierHealth::kUnspecified:
      break;
  }
  return "unknown";
}

std::string RelayName(const RelayStatus& relay) {
  return relay.name.empty() ? "(unnamed)" : relay.name;
}

std::string RelayText(const RelayStatus& relay) {
  return absl::StrCat(relay.connected ? "connected for " : "gone for ", AgeText(relay.since));
}

double TokensPerSecond(const std::vector<StepFigures>& steps) {
  if (steps.size() < 2) return 0.0;
  const size_t last = steps.size() - 1;
  const size_t first = last - std::max<size_t>(1, last / 10);
  // Steps are thinned out: their mean duration stands for those that were left out.
  double seconds = 0.0;
  for (size_t i = first + 1; i <= last; ++i) seconds += steps[i].step_seconds;
  seconds *= (static_cast<double>(steps[last].step) - static_cast<double>(steps[first].step)) /
             static_cast<double>(last - first);
  const double tokens = static_cast<double>(steps[last].tokens_total) -
                        static_cast<double>(steps[first].tokens_total);
  return seconds > 0.0 ? std::max(tokens, 0.0) / seconds : 0.0;
}

}  // namespace tpo
