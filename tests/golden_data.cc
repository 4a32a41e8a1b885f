#include "tests/golden_data.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tpo {
namespace {

absl::Status Append(const nlohmann::json& json, size_t depth, GoldenArray& array) {
  if (!json.is_array()) {
    if (!json.is_number() || depth != array.shape.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("expected a number or lists of equal depth, found ", json.type_name()));
    }
    array.values.push_back(json.get<double>());
    return absl::OkStatus();
  }
  if (depth >= array.shape.size() || static_cast<int64_t>(json.size()) != array.shape[depth]) {
    return absl::InvalidArgumentError(
        absl::StrCat("lists at depth ", depth, " differ in length or depth"));
  }
  for (const nlohmann::json& element : json) {
    if (absl::Status status = Append(element, depth + 1, array); !status.ok()) return status;
  }
  return absl::OkStatus();
}

template <typename T>
T ValueOrDie(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::fprintf(stderr, "golden data: %s\n", value.status().ToString().c_str());
    std::abort();
  }
  return *std::move(value);
}

}  // namespace

absl::StatusOr<std::filesystem::path> GoldenDirectory() {
  std::vector<std::filesystem::path> candidates;
  if (const char* golden = std::getenv("TPO_GOLDEN_DIR"); golden != nullptr && *golden != '\0') {
    candidates.emplace_back(golden);
  } else {
    if (const char* source = std::getenv("TPO_SOURCE_DIR"); source != nullptr) {
      candidates.push_back(std::filesystem::path(source) / "tests" / "golden");
    }
    std::error_code error;
    std::filesystem::path directory = std::filesystem::current_path(error);
    while (!directory.empty()) {
      candidates.push_back(directory / "tests" / "golden");
      if (directory == directory.root_path()) break;
      directory = directory.parent_path();
    }
  }
  std::string searched;
  for (const std::filesystem::path& candidate : candidates) {
    std::error_code error;
    if (std::filesystem::is_directory(candidate, error)) return candidate;
    absl::StrAppend(&searched, " ", candidate.string());
  }
  return absl::NotFoundError(
      absl::StrCat("no golden data (set TPO_GOLDEN_DIR); looked in:", searched));
}

absl::StatusOr<nlohmann::json> LoadGoldenJson(const std::string& path) {
  absl::StatusOr<std::filesystem::path> directory = GoldenDirectory();
  if (!directory.ok()) return directory.status();
  const std::filesystem::path file = *directory / path;
  std::ifstream stream(file);
  if (!stream) return absl::NotFoundError(absl::StrCat("cannot open ", file.string()));
  nlohmann::json json = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::DataLossError(absl::StrCat(file.string(), " is not JSON"));
  return json;
}

absl::StatusOr<GoldenArray> ToGoldenArray(const nlohmann::json& json) {
  GoldenArray array;
  const nlohmann::json* level = &json;
  while (level->is_array()) {
    array.shape.push_back(static_cast<int64_t>(level->size()));
    if (level->empty()) break;
    level = &level->front();
  }
  if (absl::Status status = Append(json, 0, array); !status.ok()) return status;
  return array;
}

nlohmann::json GoldenJsonOrDie(const std::string& path) { return ValueOrDie(LoadGoldenJson(path)); }

GoldenArray GoldenArrayOrDie(const nlohmann::json& json) { return ValueOrDie(ToGoldenArray(json)); }

}  // namespace tpo
