// Golden data for tests: reference numbers that independent implementations made
// (tests/golden/README.md).
//
// Found in $TPO_GOLDEN_DIR if that is set, else in tests/golden under $TPO_SOURCE_DIR, else under
// the nearest parent of the working directory that has it. Thread-safe: no state.
#ifndef TPO_TESTS_GOLDEN_DATA_H_
#define TPO_TESTS_GOLDEN_DATA_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

namespace tpo {

// NOT_FOUND says where it was looked for.
absl::StatusOr<std::filesystem::path> GoldenDirectory();

// Parses a file, `path` relative to the golden directory. NOT_FOUND; DATA_LOSS: not JSON.
absl::StatusOr<nlohmann::json> LoadGoldenJson(const std::string& path);

// Nested lists of numbers, flat in row-major order.
struct GoldenArray {
  std::vector<double> values;
  std::vector<int64_t> shape;  // empty for a single number
};

// INVALID_ARGUMENT: lists of unequal length or depth, or something that isn't a number.
absl::StatusOr<GoldenArray> ToGoldenArray(const nlohmann::json& json);

// The same for a test that cannot go on without: ends the process with the error.
nlohmann::json GoldenJsonOrDie(const std::string& path);
GoldenArray GoldenArrayOrDie(const nlohmann::json& json);

}  // namespace tpo

#endif  // TPO_TESTS_GOLDEN_DATA_H_
