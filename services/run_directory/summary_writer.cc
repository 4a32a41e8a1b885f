#include "services/run_directory/summary_writer.h"

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "core/file_system.h"
#include "core/version.h"
#include "services/run_directory/json_lines.h"
#include "services/run_directory/record_json.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<const char*, ErrorTrend::kLevels.size()> kLevelNames = {
    "steps_to_error_50_percent", "steps_to_error_10_percent", "steps_to_error_1_percent"};

// Of the last step.
constexpr const char* kFinalFields[] = {
    "weight_version",  "reward_mean",    "reward_std",
    "error",           "loss",           "grad_norm",
    "tokens_total",    "groups_total",   "target_kl",
    "target_entropy",  "anchor_entropy", "zero_variance_fraction",
    "logprob_mismatch"};

Json LastLedger(const RunOutcome& outcome, const Json& last_record) {
  if (outcome.ledger) return LedgerToJson(*outcome.ledger);
  if (last_record.is_object() && last_record.contains("ledger")) return last_record["ledger"];
  return LedgerToJson(Ledger());
}

}  // namespace

RunHistory ReadRunHistory(const std::string& metrics_path) {
  RunHistory history;
  ReadJsonLines(metrics_path,
                [&](const nlohmann::json& record, std::string_view) {
                  const auto error = record.find("error");
                  if (error != record.end() && error->is_number()) {
                    history.error_trend.Add(IntegerOr(record, "step", 0), error->get<double>());
                  }
                  history.last_record = record;
                })
      .status()
      .IgnoreError();
  return history;
}

SummaryWriter::SummaryWriter(const std::string& path, uint64_t seed, RunHistory history,
                             const RunUsage& usage)
    : path_(path),
      seed_(seed),
      usage_(usage),
      error_trend_(std::move(history.error_trend)),
      steps_(IntegerOr(history.last_record, "step", -1) + 1),
      last_(std::move(history.last_record)) {}

void SummaryWriter::OnStep(const StepRecord& record) {
  if (record.has_error) error_trend_.Add(record.step, record.error);
  steps_ = record.step + 1;
  last_ = StepRecordToJson(record, ResourceUsage());
}

absl::Status SummaryWriter::Finish(const RunOutcome& outcome) {
  const std::string text =
      Summary(outcome).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return WriteFileAtomically(FileSystem::Posix(), path_, text);
}

Json SummaryWriter::Summary(const RunOutcome& outcome) const {
  const ResourceUsage usage = usage_.Now();
  Json summary = {{"status", RunEndName(outcome.end)}};
  if (!outcome.message.empty()) summary["message"] = outcome.message;
  summary["steps"] = steps_;
  summary["seed"] = seed_;
  for (const char* field : kFinalFields) {
    if (last_.is_object() && last_.contains(field)) summary[field] = last_[field];
  }
  summary["error_mean_last_50"] = OrNull(error_trend_.final_mean());
  summary["error_median_last_50"] = OrNull(error_trend_.final_median());
  for (size_t level = 0; level < kLevelNames.size(); ++level) {
    summary[kLevelNames[level]] = OrNull(error_trend_.steps_to_level(level));
  }
  summary["wall_seconds"] = usage.wall_seconds;
  summary["cpu_seconds"] = usage.cpu_seconds;
  summary["peak_memory_bytes"] = usage.peak_memory_bytes;
  summary["ledger"] = LastLedger(outcome, last_);
  summary["version"] = std::string(Version());
  summary["commit"] = std::string(Commit());
  summary["build_type"] = std::string(BuildType());
  return summary;
}

}  // namespace tpo
