// Config and summary as rows of a table. Thread-safe: functions without state.
#ifndef TPO_SERVICES_RUN_DIRECTORY_REPORT_TABLES_H_
#define TPO_SERVICES_RUN_DIRECTORY_REPORT_TABLES_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "services/run_directory/report_page.h"

namespace tpo {

// One row a leaf, such as "learner.optimizer.muon.learning_rate". Text that isn't YAML is one row.
std::vector<KeyValue> ConfigRows(const std::string& yaml);

// The same for an object of JSON.
std::vector<KeyValue> JsonRows(const nlohmann::ordered_json& object);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_REPORT_TABLES_H_
