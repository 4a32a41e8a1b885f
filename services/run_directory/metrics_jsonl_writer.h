// metrics.jsonl: one object a step, as docs/metrics.md describes it.
#ifndef TPO_SERVICES_RUN_DIRECTORY_METRICS_JSONL_WRITER_H_
#define TPO_SERVICES_RUN_DIRECTORY_METRICS_JSONL_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/run_directory/record_file.h"
#include "services/run_directory/run_usage.h"
#include "services/run_directory/run_writer.h"
#include "services/run_directory/write_errors.h"

namespace tpo {

// Thread rule as for RunWriter. A step's line is in the file when OnStep returns; every checkpoint
// makes the lines before it durable. Steps that couldn't be written are written once they can.
class MetricsJsonlWriter : public RunWriter {
 public:
  // Appends to the file at `path`.
  static absl::StatusOr<std::unique_ptr<MetricsJsonlWriter>> Open(
      const std::string& path, const RunUsage& usage, const RecordFileOptions& options = {});

  void OnStep(const StepRecord& record) override;
  void OnCheckpoint(int64_t step, double seconds, const std::string& error) override;
  absl::Status Finish(const RunOutcome& outcome) override;

 private:
  MetricsJsonlWriter(std::unique_ptr<RecordFile> file, const RunUsage& usage);

  const std::unique_ptr<RecordFile> file_;
  const RunUsage usage_;
  WriteErrors errors_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_METRICS_JSONL_WRITER_H_
