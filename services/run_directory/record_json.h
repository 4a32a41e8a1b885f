// StepRecord and InspectedGroup as JSON, with the field names of docs/metrics.md.
// Thread-safe: functions without state.
#ifndef TPO_SERVICES_RUN_DIRECTORY_RECORD_JSON_H_
#define TPO_SERVICES_RUN_DIRECTORY_RECORD_JSON_H_

#include <optional>

#include "core/step_record.h"
#include "nlohmann/json.hpp"
#include "services/run_directory/run_usage.h"

namespace tpo {

template <typename T>
nlohmann::ordered_json OrNull(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

// Everything that a run with the same config computes again bit by bit comes first, from "step" to
// "forward_tokens"; what depends on the machine and its clock comes behind it. What
// the task or the objective doesn't define is null.
nlohmann::ordered_json StepRecordToJson(const StepRecord& record, const ResourceUsage& usage);

nlohmann::ordered_json LedgerToJson(const Ledger& ledger);

nlohmann::ordered_json InspectedGroupToJson(const InspectedGroup& group);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_RECORD_JSON_H_
