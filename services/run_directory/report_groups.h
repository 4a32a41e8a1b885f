// The inspected groups of a report: how the target q moves probability between completions.
// Thread-safe: functions without state.
#ifndef TPO_SERVICES_RUN_DIRECTORY_REPORT_GROUPS_H_
#define TPO_SERVICES_RUN_DIRECTORY_REPORT_GROUPS_H_

#include <string>

#include "services/run_directory/groups_reader.h"

namespace tpo {

// HTML of the first groups of the step; empty when there are none.
std::string RenderInspectedStep(const InspectedStep& inspected);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_REPORT_GROUPS_H_
