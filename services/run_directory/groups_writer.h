// groups.jsonl: the groups that the learner picked for inspection, one object a group.
#ifndef TPO_SERVICES_RUN_DIRECTORY_GROUPS_WRITER_H_
#define TPO_SERVICES_RUN_DIRECTORY_GROUPS_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/run_directory/record_file.h"
#include "services/run_directory/run_writer.h"
#include "services/run_directory/write_errors.h"

namespace tpo {

struct GroupsWriterOptions {
  // Before the file would grow beyond this, it becomes groups.jsonl.1 in place of the one before,
  // so at most twice as much is kept. A single larger group is written all the same.
  int64_t max_file_bytes = 16 << 20;
  RecordFileOptions file;
};

// Thread rule as for RunWriter.
class GroupsWriter : public RunWriter {
 public:
  // Appends to `path`; the older part is at `older_path`.
  static absl::StatusOr<std::unique_ptr<GroupsWriter>> Open(
      const std::string& path, const std::string& older_path,
      const GroupsWriterOptions& options = {});

  void OnStep(const StepRecord& record) override;
  absl::Status Finish(const RunOutcome& outcome) override;

 private:
  GroupsWriter(std::string path, std::string older_path, GroupsWriterOptions options,
               std::unique_ptr<RecordFile> file);

  absl::Status Rotate();

  const std::string path_;
  const std::string older_path_;
  const GroupsWriterOptions options_;
  std::unique_ptr<RecordFile> file_;
  WriteErrors errors_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_GROUPS_WRITER_H_
