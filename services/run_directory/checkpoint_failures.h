// Logs each checkpoint that could not be written, also under --quiet: until one succeeds, a resume
// would go back further.
#ifndef TPO_SERVICES_RUN_DIRECTORY_CHECKPOINT_FAILURES_H_
#define TPO_SERVICES_RUN_DIRECTORY_CHECKPOINT_FAILURES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "services/run_directory/run_writer.h"
#include "spdlog/spdlog.h"

namespace tpo {

// Thread rule as for RunWriter.
class CheckpointFailures : public RunWriter {
 public:
  void OnStep(const StepRecord& /*record*/) override {}

  void OnCheckpoint(int64_t step, double /*seconds*/, const std::string& error) override {
    if (!error.empty()) spdlog::error("no checkpoint of step {}: {}", step, error);
  }

  // Always OK: an early checkpoint that failed is made up for by a later one, and the last one is
  // the learner's to answer for.
  absl::Status Finish(const RunOutcome& /*outcome*/) override { return absl::OkStatus(); }
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_CHECKPOINT_FAILURES_H_
