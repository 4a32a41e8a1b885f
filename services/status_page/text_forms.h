// How the two forms of a run's status put things. For the sources of this folder.
#ifndef TPO_SERVICES_STATUS_PAGE_TEXT_FORMS_H_
#define TPO_SERVICES_STATUS_PAGE_TEXT_FORMS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/run_board.h"
#include "core/types.h"

namespace tpo {

// "12 s", "3 min", "5 h", "2 d".
std::string AgeText(absl::Duration age);

// "step 100, 12 s ago", or "none yet".
std::string CheckpointText(const RunDetails& details);

// "scored", "abstained", "timed out", "failed" or "no verdict".
const char* VerdictText(VerdictKind kind);

// "healthy", "on probation", "left alone" or "unknown".
const char* HealthText(VerifierHealth health);

// What an unnamed relay is called.
std::string RelayName(const RelayStatus& relay);

// "connected for 3 min" or "gone for 12 s".
std::string RelayText(const RelayStatus& relay);

// Tokens trained on per second of steps, over what is left of the last tenth of the curve; 0: not
// known.
double TokensPerSecond(const std::vector<StepFigures>& steps);

}  // namespace tpo

#endif  // TPO_SERVICES_STATUS_PAGE_TEXT_FORMS_H_
