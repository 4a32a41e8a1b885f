// Reads groups.jsonl with its older part. Thread-safe: functions without state.
#ifndef TPO_SERVICES_RUN_DIRECTORY_GROUPS_READER_H_
#define TPO_SERVICES_RUN_DIRECTORY_GROUPS_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "services/run_directory/run_directory.h"

namespace tpo {

struct InspectedGroupLine {
  nlohmann::json group;  // an object; its members may be missing or of any type
  std::string line;      // as in the file
};

struct InspectedStep {
  int64_t step = 0;
  std::vector<InspectedGroupLine>
      groups;               // in the file's order; empty when there are none of that step
  std::set<int64_t> steps;  // every step that has groups
};

// The groups of `step`; unset: of the newest step that has any. NOT_FOUND: there are no groups
// files.
absl::StatusOr<InspectedStep> ReadInspectedStep(const RunPaths& paths, std::optional<int64_t> step);

// An object or array within an object; an empty object when it is missing or something else.
const nlohmann::json& MemberOrEmpty(const nlohmann::json& object, const char* key);

// The text of a prompt or completion, or its tokens where it has no text.
std::string TextOrTokens(const nlohmann::json& object, const char* text_key,
                         const char* tokens_key);

// `text` on one line and harmless to a terminal: control characters become escapes such as \n and
// \x1b. Cut to about `max_bytes`, between characters, with "..." for the rest.
std::string OneLine(const std::string& text, size_t max_bytes);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_GROUPS_READER_H_
