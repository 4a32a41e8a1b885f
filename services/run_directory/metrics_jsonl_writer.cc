#include "services/run_directory/metrics_jsonl_writer.h"

#include <utility>

#include "core/status_macros.h"
#include "services/run_directory/json_lines.h"
#include "services/run_directory/record_json.h"

namespace tpo {

absl::StatusOr<std::unique_ptr<MetricsJsonlWriter>> MetricsJsonlWriter::Open(
    const std::string& path, const RunUsage& usage, const RecordFileOptions& options) {
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<RecordFile> file, RecordFile::Open(path, options));
  return std::unique_ptr<MetricsJsonlWriter>(new MetricsJsonlWriter(std::move(file), usage));
}

MetricsJsonlWriter::MetricsJsonlWriter(std::unique_ptr<RecordFile> file, const RunUsage& usage)
    : file_(std::move(file)), usage_(usage) {}

void MetricsJsonlWriter::OnStep(const StepRecord& record) {
  errors_.Note(file_->Append(JsonLine(StepRecordToJson(record, usage_.Now()))));
}

void MetricsJsonlWriter::OnCheckpoint(int64_t /*step*/, double /*seconds*/,
                                      const std::string& error) {
  // A resume needs the lines before the checkpoint, even after a power cut. Nothing to note of a
  // success: lines may be pending.
  if (!error.empty()) return;
  if (const absl::Status synced = file_->Sync(); !synced.ok()) errors_.Note(synced);
}

absl::Status MetricsJsonlWriter::Finish(const RunOutcome& /*outcome*/) {
  // A last try for steps that are still pending.
  absl::Status written = file_->Append("");
  if (written.ok()) written = file_->Sync();
  errors_.Note(written);
  return errors_.first();
}

}  // namespace tpo
