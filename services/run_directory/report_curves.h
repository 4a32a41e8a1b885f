// The curves of a report, from metrics.jsonl. Thread-safe: functions without state.
#ifndef TPO_SERVICES_RUN_DIRECTORY_REPORT_CURVES_H_
#define TPO_SERVICES_RUN_DIRECTORY_REPORT_CURVES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tpo {

struct MetricsColumns {
  std::vector<double> steps;
  // By field name, as long as `steps`; NaN where a record lacks the field.
  std::map<std::string, std::vector<double>> columns;
};

// NOT_FOUND: there is no such file.
absl::StatusOr<MetricsColumns> ReadMetricsColumns(const std::string& path);

// HTML; a chart without any value other than 0 is left out. REQUIRES: there is a step.
std::string RenderCurves(const MetricsColumns& metrics);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_REPORT_CURVES_H_
