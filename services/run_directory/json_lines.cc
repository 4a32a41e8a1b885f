#include "services/run_directory/json_lines.h"

#include <fstream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/file_system.h"
#include "core/json_depth.h"
#include "core/status_macros.h"
#include "spdlog/spdlog.h"

namespace tpo {

std::string JsonLine(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

absl::StatusOr<JsonLinesRead> ReadJsonLines(
    const std::string& path,
    const std::function<void(const nlohmann::json& object, std::string_view line)>& visit) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  JsonLinesRead result;
  std::string line;
  while (std::getline(file, line)) {
    // A line that the end of the file cut short may parse by chance, so it needs its line end.
    const bool whole = !file.eof() && JsonDepth(line) <= kMostJsonLevels;
    const nlohmann::json object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (whole && object.is_object()) {
      ++result.objects;
      visit(object, line);
    } else {
      ++result.bad_lines;
    }
  }
  if (file.bad()) return absl::DataLossError(absl::StrCat("cannot read ", path, " to its end"));
  return result;
}

absl::Status CutJsonLinesFrom(const std::string& path, int64_t step) {
  std::string kept;
  int64_t cut = 0;
  absl::StatusOr<JsonLinesRead> read =
      ReadJsonLines(path, [&](const nlohmann::json& object, std::string_view line) {
        if (IntegerOr(object, "step", std::numeric_limits<int64_t>::max()) >= step) {
          ++cut;
          return;
        }
        kept.append(line).append("\n");
      });
  if (absl::IsNotFound(read.status())) return absl::OkStatus();
  TPO_RETURN_IF_ERROR(read.status());
  if (cut == 0 && read->bad_lines == 0) return absl::OkStatus();
  TPO_RETURN_IF_ERROR(WriteFileAtomically(FileSystem::Posix(), path, kept));
  spdlog::info("{}: cut {} records from step {} on and {} torn lines", path, cut, step,
               read->bad_lines);
  return absl::OkStatus();
}

double NumberOr(const nlohmann::json& object, const char* key, double fallback) {
  const auto member = object.find(key);
  return member != object.end() && member->is_number() ? member->get<double>() : fallback;
}

int64_t IntegerOr(const nlohmann::json& object, const char* key, int64_t fallback) {
  const auto member = object.find(key);
  return member != object.end() && member->is_number_integer() ? member->get<int64_t>() : fallback;
}

std::string StringOr(const nlohmann::json& object, const char* key, const std::string& fallback) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : fallback;
}

}  // namespace tpo
