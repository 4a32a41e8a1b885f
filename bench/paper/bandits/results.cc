#include "bench/paper/bandits/results.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/file_system.h"
#include "core/status_macros.h"
#include "core/version.h"
#include "core/weight_snapshot.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kLevels[] = {0.5, 0.2, 0.1, 0.05, 0.01, 0.001};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

absl::StatusOr<Json> ReadJson(const std::string& path) {
  TPO_ASSIGN_OR_RETURN(const std::string text, FileSystem::Posix()->ReadFile(path));
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) {
    return absl::DataLossError(absl::StrCat(path, " is not a JSON object; remove it to go on"));
  }
  return json;
}

std::string TextOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string ProgramName(const std::string& commit, const std::string& program) {
  return absl::StrCat("commit ", commit, program.empty() ? "" : ", program ", program);
}

// Refuses a result that another program wrote. What isn't a result is nobody's business.
absl::Status CheckResult(const std::string& path, const Provenance& provenance) {
  TPO_ASSIGN_OR_RETURN(const Json json, ReadJson(path));
  if (!json.contains("format") || !json.contains("study") || !json.contains("commit")) {
    return absl::OkStatus();
  }
  if (json["format"] != kBanditResultsFormat) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " has another format than this program writes; choose another --out, or remove it"));
  }
  if (TextOf(json, "commit") != provenance.commit ||
      TextOf(json, "program") != provenance.program) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " was written by ", ProgramName(TextOf(json, "commit"), TextOf(json, "program")),
        ", and this is ", ProgramName(provenance.commit, provenance.program),
        "; choose another --out, or remove the old results"));
  }
  return absl::OkStatus();
}

absl::Status CheckFolder(const std::string& path, const Provenance& provenance) {
  TPO_ASSIGN_OR_RETURN(const std::vector<std::string> names, FileSystem::Posix()->List(path));
  for (const std::string& name : names) {
    if (!absl::EndsWith(name, ".json")) continue;
    TPO_RETURN_IF_ERROR(CheckResult(JoinPath(path, name), provenance));
  }
  return absl::OkStatus();
}

std::vector<int> KeptPoints(size_t count) {
  const size_t stride = std::max<size_t>(1, (count + kMostCurvePoints - 1) / kMostCurvePoints);
  std::vector<int> kept;
  for (size_t i = 0; i < count; ++i) {
    if ((count - 1 - i) % stride == 0) kept.push_back(static_cast<int>(i));
  }
  return kept;
}

}  // namespace

double Rounded(double value) {
  if (value == 0.0 || !std::isfinite(value)) return value;
  const double scale = std::pow(10.0, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

CurveSummary SummarizeCurves(const std::vector<std::vector<double>>& by_seed) {
  CurveSummary summary;
  const auto seeds = static_cast<double>(by_seed.size());
  std::vector<double> values(by_seed.size());
  for (size_t point = 0; point < by_seed.front().size(); ++point) {
    double sum = 0.0;
    for (size_t seed = 0; seed < by_seed.size(); ++seed) {
      values[seed] = by_seed[seed][point];
      sum += values[seed];
    }
    const double mean = sum / seeds;
    double squares = 0.0;
    for (const double value : values) squares += (value - mean) * (value - mean);
    summary.mean.push_back(mean);
    summary.standard_error.push_back(
        by_seed.size() < 2 ? 0.0 : std::sqrt(squares / (seeds - 1.0) / seeds));
    summary.median.push_back(Median(values));
  }
  return summary;
}

Json CurveJson(const std::vector<int>& steps, const CurveSummary& summary) {
  Json json = {{"steps", Json::array()},
               {"mean", Json::array()},
               {"standard_error", Json::array()},
               {"median", Json::array()}};
  for (const int point : KeptPoints(steps.size())) {
    json["steps"].push_back(steps[point]);
    json["mean"].push_back(Rounded(summary.mean[point]));
    json["standard_error"].push_back(Rounded(summary.standard_error[point]));
    json["median"].push_back(Rounded(summary.median[point]));
  }
  return json;
}

Json FinalJson(const CurveSummary& summary) {
  return {{"mean", Rounded(summary.mean.back())},
          {"standard_error", Rounded(summary.standard_error.back())},
          {"median", Rounded(summary.median.back())}};
}

Json StepsToJson(const std::vector<int>& steps, const std::vector<double>& mean) {
  Json json = Json::object();
  for (const double level : kLevels) {
    const auto found =
        std::find_if(mean.begin(), mean.end(), [&](double value) { return value < level; });
    Json& entry = json[absl::StrFormat("%g", level)];
    if (found != mean.end()) entry = steps[static_cast<size_t>(found - mean.begin())];
  }
  return json;
}

absl::StatusOr<Provenance> CurrentProvenance(int argc, const char* const* argv) {
  Provenance provenance;
  provenance.commit = std::string(Commit());
  if (absl::EndsWith(provenance.commit, "-dirty") || provenance.commit == "unknown") {
    TPO_ASSIGN_OR_RETURN(const std::string program,
                         FileSystem::Posix()->ReadFile("/proc/self/exe"));
    provenance.program = absl::StrFormat("%08x", Crc32c(std::as_bytes(std::span(program))));
  }
  provenance.command = std::filesystem::path(argv[0]).filename().string();
  for (int i = 1; i < argc; ++i) absl::StrAppend(&provenance.command, " ", argv[i]);
  return provenance;
}

void AddProvenance(const Provenance& provenance, Json& json) {
  json["commit"] = provenance.commit;
  if (!provenance.program.empty()) json["program"] = provenance.program;
  json["command"] = provenance.command;
}

absl::StatusOr<ResultsDirectory> ResultsDirectory::Open(const std::string& path,
                                                        const Provenance& provenance) {
  TPO_RETURN_IF_ERROR(FileSystem::Posix()->CreateDirectory(path));
  TPO_RETURN_IF_ERROR(CheckFolder(path, provenance));
  return ResultsDirectory(path);
}

std::string ResultsDirectory::PathOf(const std::string& name) const {
  return JoinPath(path_, name + ".json");
}

absl::Status ResultsDirectory::Write(const std::string& name, const Json& json) const {
  return WriteFileAtomically(FileSystem::Posix(), PathOf(name), json.dump() + "\n");
}

absl::StatusOr<Json> ResultsDirectory::Read(const std::string& name) const {
  return ReadJson(PathOf(name));
}

}  // namespace tpo
