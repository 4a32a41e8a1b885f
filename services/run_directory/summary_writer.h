// summary.json: what came out of a run, and what it took. Fields: docs/metrics.md.
#ifndef TPO_SERVICES_RUN_DIRECTORY_SUMMARY_WRITER_H_
#define TPO_SERVICES_RUN_DIRECTORY_SUMMARY_WRITER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "services/run_directory/error_trend.h"
#include "services/run_directory/run_usage.h"
#include "services/run_directory/run_writer.h"

namespace tpo {

// What metrics.jsonl already says about a run.
struct RunHistory {
  ErrorTrend error_trend;
  nlohmann::json last_record;  // null when there is none
};

// Empty where there is no file yet.
RunHistory ReadRunHistory(const std::string& metrics_path);

// Keeps figures in memory and writes the file at the end, atomically. Thread rule as for RunWriter.
class SummaryWriter : public RunWriter {
 public:
  // `history`: the steps before this process.
  SummaryWriter(const std::string& path, uint64_t seed, RunHistory history, const RunUsage& usage);

  void OnStep(const StepRecord& record) override;
  absl::Status Finish(const RunOutcome& outcome) override;

 private:
  nlohmann::ordered_json Summary(const RunOutcome& outcome) const;

  const std::string path_;
  const uint64_t seed_;
  const RunUsage usage_;
  ErrorTrend error_trend_;
  int64_t steps_;  // done
  // The fields of metrics.jsonl of the last step; null before the first.
  nlohmann::ordered_json last_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_SUMMARY_WRITER_H_
