// A step observer that also wants to know how the run ended.
#ifndef TPO_SERVICES_RUN_DIRECTORY_RUN_WRITER_H_
#define TPO_SERVICES_RUN_DIRECTORY_RUN_WRITER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "core/step_record.h"

namespace tpo {

enum class RunEnd {
  kFinished,  // all steps done
  kDrained,   // told to stop before; can be resumed
  kFailed,
};

// "finished", "drained" or "failed".
inline const char* RunEndName(RunEnd end) {
  return end == RunEnd::kFinished ? "finished" : end == RunEnd::kDrained ? "drained" : "failed";
}

struct RunOutcome {
  RunEnd end = RunEnd::kFinished;
  std::string message;  // why, unless finished
  // After groups in flight were given back; unset: that of the last step.
  std::optional<Ledger> ledger;
};

// Thread rule as for StepObserver: the learner's thread, or one other after training has ended.
class RunWriter : public StepObserver {
 public:
  void OnCheckpoint(int64_t /*step*/, double /*seconds*/, const std::string& /*error*/) override {}

  // The run is over; no call follows. Returns the first error that writing met at any time of the
  // run.
  virtual absl::Status Finish(const RunOutcome& outcome) = 0;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_RUN_WRITER_H_
