// Scalars for TensorBoard: `tensorboard --logdir RUN_DIR` shows them next to those of other runs.
#ifndef TPO_SERVICES_RUN_DIRECTORY_TENSORBOARD_WRITER_H_
#define TPO_SERVICES_RUN_DIRECTORY_TENSORBOARD_WRITER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/run_directory/record_file.h"
#include "services/run_directory/run_writer.h"
#include "services/run_directory/write_errors.h"

namespace tpo {

// Thread rule as for RunWriter. Tags are train/NAME, target/NAME, rollout/NAME and seconds/NAME
// with the field names of metrics.jsonl.
class TensorBoardWriter : public RunWriter {
 public:
  // Begins a new events.out.tfevents.* file in `directory`, as every process of a run does. Of a
  // run that was resumed at a step it tells TensorBoard to forget what older files hold from there
  // on.
  static absl::StatusOr<std::unique_ptr<TensorBoardWriter>> Open(
      const std::string& directory, std::optional<int64_t> resumed_at,
      const RecordFileOptions& options = {});

  void OnStep(const StepRecord& record) override;
  absl::Status Finish(const RunOutcome& outcome) override;

 private:
  explicit TensorBoardWriter(std::unique_ptr<RecordFile> file);

  const std::unique_ptr<RecordFile> file_;
  WriteErrors errors_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_TENSORBOARD_WRITER_H_
