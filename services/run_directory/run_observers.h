// Everything that a run writes while it goes on, behind one observer: metrics.jsonl, groups.jsonl,
// TensorBoard events, the progress line, and summary.json at the end.
//
// A full disk or an I/O error while writing never stops the run: the first of each kind is logged
// (of checkpoints, each) and kept for Finish(), records that didn't fit in are written once there
// is room again (up to a bound), and no file keeps a torn record.
//
// Thread rule: every call from the learner's thread (StepObserver), or from one other after
// training has ended.
#ifndef TPO_SERVICES_RUN_DIRECTORY_RUN_OBSERVERS_H_
#define TPO_SERVICES_RUN_DIRECTORY_RUN_OBSERVERS_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/step_record.h"
#include "services/run_directory/progress_reporter.h"
#include "services/run_directory/run_directory.h"
#include "services/run_directory/run_writer.h"

namespace tpo {

// Passes every call on to its members in the order in which they were added.
class CompositeStepObserver : public RunWriter {
 public:
  void Add(std::unique_ptr<RunWriter> writer) { owned_.push_back(std::move(writer)); }
  // `observer` must outlive this object; for those that write no files, such as the Prometheus one.
  void AddBorrowed(StepObserver* observer) { borrowed_.push_back(observer); }

  void OnStep(const StepRecord& record) override;
  void AfterStep(const StepRecord& record) override;
  void OnCheckpoint(int64_t step, double seconds, const std::string& error) override;
  void OnLedger(const Ledger& ledger) override;
  // Finishes every member; the first error of any of them, now or while the run went on.
  absl::Status Finish(const RunOutcome& outcome) override;

 private:
  std::vector<std::unique_ptr<RunWriter>> owned_;
  std::vector<StepObserver*> borrowed_;
};

struct RunObserversOptions {
  uint64_t seed = 0;
  bool tensorboard = true;
  // Its error_trend is filled in.
  ProgressOptions progress;
};

// The observers of the run in `directory`, which is resumed where CutFrom was called. Progress goes
// to `progress_out`; both must outlive the result. An error: a file couldn't be opened, so that the
// run had better not start.
absl::StatusOr<std::unique_ptr<CompositeStepObserver>> MakeRunObservers(
    const RunDirectory& directory, const RunObserversOptions& options, std::ostream& progress_out);

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_RUN_OBSERVERS_H_
