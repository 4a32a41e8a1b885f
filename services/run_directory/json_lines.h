// Files of one JSON object a line. Thread-safe: functions without state.
#ifndef TPO_SERVICES_RUN_DIRECTORY_JSON_LINES_H_
#define TPO_SERVICES_RUN_DIRECTORY_JSON_LINES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace tpo {

// As text on one line, with its line end. Doubles read back to the same bits; NaN and infinities
// become null. Bytes that aren't UTF-8 (a completion may end within a character) become U+FFFD.
std::string JsonLine(const nlohmann::ordered_json& value);

struct JsonLinesRead {
  int64_t objects = 0;
  // Not a whole JSON object, or nested deeper than kMostJsonLevels; a torn last line is one.
  int64_t bad_lines = 0;
};

// Calls `visit` with every object and its text without the line end, in order. A file that is being
// written may end in a torn line: it is counted, not an error. NOT_FOUND when there is no such
// file.
absl::StatusOr<JsonLinesRead> ReadJsonLines(
    const std::string& path,
    const std::function<void(const nlohmann::json& object, std::string_view line)>& visit);

// Takes the records with a "step" at or after `step`, and lines that aren't records, out of the
// file. Atomic and durable; leaves a file without any alone. OK when there is no such file.
absl::Status CutJsonLinesFrom(const std::string& path, int64_t step);

// A member of an object; `fallback` when it is missing, null, or of another type.
double NumberOr(const nlohmann::json& object, const char* key, double fallback);
int64_t IntegerOr(const nlohmann::json& object, const char* key, int64_t fallback);
std::string StringOr(const nlohmann::json& object, const char* key, const std::string& fallback);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_JSON_LINES_H_
