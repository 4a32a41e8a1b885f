#include "services/run_directory/groups_writer.h"

#include <utility>

#include "core/file_system.h"
#include "core/status_macros.h"
#include "services/run_directory/json_lines.h"
#include "services/run_directory/record_json.h"

namespace tpo {

absl::StatusOr<std::unique_ptr<GroupsWriter>> GroupsWriter::Open(
    const std::string& path, const std::string& older_path, const GroupsWriterOptions& options) {
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<RecordFile> file, RecordFile::Open(path, options.file));
  return std::unique_ptr<GroupsWriter>(
      new GroupsWriter(path, older_path, options, std::move(file)));
}

GroupsWriter::GroupsWriter(std::string path, std::string older_path, GroupsWriterOptions options,
                           std::unique_ptr<RecordFile> file)
    : path_(std::move(path)),
      older_path_(std::move(older_path)),
      options_(std::move(options)),
      file_(std::move(file)) {}

void GroupsWriter::OnStep(const StepRecord& record) {
  for (const InspectedGroup& group : record.inspected_groups) {
    const std::string line = JsonLine(InspectedGroupToJson(group));
    const int64_t grown = file_->size() + static_cast<int64_t>(line.size());
    if (file_->size() > 0 && grown > options_.max_file_bytes) errors_.Note(Rotate());
    errors_.Note(file_->Append(line));
  }
}

absl::Status GroupsWriter::Finish(const RunOutcome& /*outcome*/) {
  errors_.Note(file_->Append(""));
  return errors_.first();
}

absl::Status GroupsWriter::Rotate() {
  // Groups that wait for room go with the file they were meant for; if they still can't, no new
  // file is begun.
  TPO_RETURN_IF_ERROR(file_->Append(""));
  absl::Status renamed = FileSystem::Posix()->Rename(path_, older_path_);
  // Not found: renamed by an earlier rotation that then couldn't open the new file.
  if (!renamed.ok() && !absl::IsNotFound(renamed)) return renamed;
  TPO_ASSIGN_OR_RETURN(file_, RecordFile::Open(path_, options_.file));
  return absl::OkStatus();
}

}  // namespace tpo
