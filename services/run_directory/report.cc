#include "services/run_directory/report.h"

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/file_system.h"
#include "core/json_depth.h"
#include "core/status_macros.h"
#include "nlohmann/json.hpp"
#include "services/run_directory/error_trend.h"
#include "services/run_directory/groups_reader.h"
#include "services/run_directory/json_lines.h"
#include "services/run_directory/progress_reporter.h"
#include "services/run_directory/report_curves.h"
#include "services/run_directory/report_groups.h"
#include "services/run_directory/report_page.h"
#include "services/run_directory/report_tables.h"
#include "services/run_directory/run_directory.h"
#include "services/run_directory/summary_writer.h"

namespace tpo {
namespace {

// Empty when there is no such file: a run that goes on has no summary yet.
std::string ContentOr(const std::string& path) {
  return FileSystem::Posix()->ReadFile(path).value_or("");
}

std::string Percent(std::optional<double> fraction) {
  return fraction ? absl::StrFormat("%.2f %%", 100.0 * *fraction) : "-";
}

// Every record of metrics.jsonl carries what a summary says of resources, so this works while the
// run goes on.
std::vector<KeyValue> Tiles(const RunHistory& history) {
  const nlohmann::json& last = history.last_record;
  const ErrorTrend& trend = history.error_trend;
  std::vector<KeyValue> tiles = {{"steps", ShortNumber(NumberOr(last, "step", -1.0) + 1.0)}};
  if (trend.final_mean()) {
    tiles.emplace_back("error, last step", Percent(NumberOr(last, "error", 0.0)));
    tiles.emplace_back("error, mean of last 50", Percent(trend.final_mean()));
    tiles.emplace_back("steps to 1 % error",
                       trend.steps_to_level(2)
                           ? ShortNumber(static_cast<double>(*trend.steps_to_level(2)))
                           : "not yet");
  }
  tiles.emplace_back("reward", ShortNumber(NumberOr(last, "reward_mean", 0.0)));
  tiles.emplace_back("tokens", ShortCount(NumberOr(last, "tokens_total", 0.0)));
  tiles.emplace_back("wall time",
                     ShortDuration(absl::Seconds(NumberOr(last, "wall_seconds", 0.0))));
  tiles.emplace_back("CPU time", ShortDuration(absl::Seconds(NumberOr(last, "cpu_seconds", 0.0))));
  tiles.emplace_back(
      "peak memory",
      absl::StrFormat("%.0f MiB", NumberOr(last, "peak_memory_bytes", 0.0) / (1 << 20)));
  return tiles;
}

std::string Header(const std::string& name, const nlohmann::json& summary) {
  const std::string status = StringOr(summary, "status", "running");
  const std::string shown = status == "running" ? "running, or ended without a summary" : status;
  const std::string now = absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::Now(), absl::UTCTimeZone());
  return absl::StrCat("<h1>", EscapeHtml(name), "</h1>\n<p class=\"lead\"><span class=\"status ",
                      EscapeHtml(status), "\">", EscapeHtml(shown), "</span> · report of ", now,
                      "</p>\n");
}

std::string RunName(const std::string& run_dir) {
  const std::filesystem::path path = std::filesystem::path(run_dir).lexically_normal();
  const std::string name = path.has_filename() ? path.filename() : path.parent_path().filename();
  return name.empty() || name == "." ? run_dir : name;
}

}  // namespace

absl::Status WriteReport(const std::string& run_dir) {
  if (!std::filesystem::is_directory(run_dir)) {
    return absl::NotFoundError(absl::StrCat("there is no run directory ", run_dir));
  }
  const RunPaths paths(run_dir);
  TPO_ASSIGN_OR_RETURN(const MetricsColumns metrics, ReadMetricsColumns(paths.metrics));
  const std::string summary_text = ContentOr(paths.summary);
  nlohmann::ordered_json summary;
  if (JsonDepth(summary_text) <= kMostJsonLevels)
    summary = nlohmann::ordered_json::parse(summary_text, nullptr, false);
  std::string body = Header(RunName(run_dir), nlohmann::json(summary));
  if (metrics.steps.empty()) {
    body += "<p>No step is done yet.</p>\n";
  } else {
    body += RenderTiles(Tiles(ReadRunHistory(paths.metrics)));
    body += RenderCurves(metrics);
  }
  absl::StatusOr<InspectedStep> inspected = ReadInspectedStep(paths, std::nullopt);
  if (inspected.ok()) body += RenderInspectedStep(*inspected);
  body += "<h2>Details</h2>\n";
  if (summary.is_object()) body += RenderTable("Summary", JsonRows(summary));
  body += RenderTable("Config", ConfigRows(ContentOr(paths.config)));
  return WriteFileAtomically(FileSystem::Posix(), paths.report, RenderPage(RunName(run_dir), body));
}

}  // namespace tpo
