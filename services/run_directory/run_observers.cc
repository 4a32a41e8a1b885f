#include "services/run_directory/run_observers.h"

#include <optional>

#include "core/status_macros.h"
#include "services/run_directory/checkpoint_failures.h"
#include "services/run_directory/groups_writer.h"
#include "services/run_directory/metrics_jsonl_writer.h"
#include "services/run_directory/progress_reporter.h"
#include "services/run_directory/run_usage.h"
#include "services/run_directory/summary_writer.h"
#include "services/run_directory/tensorboard_writer.h"

namespace tpo {

void CompositeStepObserver::OnStep(const StepRecord& record) {
  for (const auto& writer : owned_) writer->OnStep(record);
  for (StepObserver* observer : borrowed_) observer->OnStep(record);
}

void CompositeStepObserver::AfterStep(const StepRecord& record) {
  for (const auto& writer : owned_) writer->AfterStep(record);
  for (StepObserver* observer : borrowed_) observer->AfterStep(record);
}

void CompositeStepObserver::OnCheckpoint(int64_t step, double seconds, const std::string& error) {
  for (const auto& writer : owned_) writer->OnCheckpoint(step, seconds, error);
  for (StepObserver* observer : borrowed_) observer->OnCheckpoint(step, seconds, error);
}

void CompositeStepObserver::OnLedger(const Ledger& ledger) {
  for (const auto& writer : owned_) writer->OnLedger(ledger);
  for (StepObserver* observer : borrowed_) observer->OnLedger(ledger);
}

absl::Status CompositeStepObserver::Finish(const RunOutcome& outcome) {
  absl::Status first;
  for (const auto& writer : owned_) first.Update(writer->Finish(outcome));
  return first;
}

absl::StatusOr<std::unique_ptr<CompositeStepObserver>> MakeRunObservers(
    const RunDirectory& directory, const RunObserversOptions& options, std::ostream& progress_out) {
  const RunPaths& paths = directory.paths();
  const RunUsage usage(directory.previous_usage());
  RunHistory history = ReadRunHistory(paths.metrics);
  auto observers = std::make_unique<CompositeStepObserver>();

  TPO_ASSIGN_OR_RETURN(auto metrics, MetricsJsonlWriter::Open(paths.metrics, usage));
  observers->Add(std::move(metrics));
  TPO_ASSIGN_OR_RETURN(auto groups, GroupsWriter::Open(paths.groups, paths.groups_older));
  observers->Add(std::move(groups));
  if (options.tensorboard) {
    std::optional<int64_t> resumed_at;
    if (directory.holds_run()) resumed_at = directory.first_step();
    TPO_ASSIGN_OR_RETURN(auto tensorboard, TensorBoardWriter::Open(paths.directory, resumed_at));
    observers->Add(std::move(tensorboard));
  }
  observers->Add(std::make_unique<CheckpointFailures>());
  ProgressOptions progress = options.progress;
  progress.error_trend = history.error_trend;
  observers->Add(
      std::make_unique<SummaryWriter>(paths.summary, options.seed, std::move(history), usage));
  // Last, so that its last line stands below the errors of the others.
  observers->Add(std::make_unique<ProgressReporter>(progress, &progress_out));
  return observers;
}

}  // namespace tpo
