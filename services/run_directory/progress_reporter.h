// What a person who watches the run sees: one line that renews itself on a terminal, a plain line
// now and then in a log.
#ifndef TPO_SERVICES_RUN_DIRECTORY_PROGRESS_REPORTER_H_
#define TPO_SERVICES_RUN_DIRECTORY_PROGRESS_REPORTER_H_

#include <cstdint>
#include <deque>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "core/clock.h"
#include "services/run_directory/error_trend.h"
#include "services/run_directory/run_writer.h"

namespace tpo {

struct ProgressOptions {
  int64_t total_steps = 0;
  bool quiet = false;  // writes nothing at all
  // Whether the stream is a terminal that can renew a line, and how wide it is.
  bool terminal = false;
  int columns = 80;
  absl::Duration terminal_interval = absl::Milliseconds(200);
  absl::Duration plain_interval = absl::Seconds(10);
  // The errors of the steps before a resume.
  ErrorTrend error_trend;
};

// Sets `terminal` and `columns` as file descriptor `fd` and $TERM have it.
void DetectTerminal(int fd, ProgressOptions* options);

// "950", "8.0k", "16.0M".
std::string ShortCount(double count);

// "42s", "3m05s", "2h07m".
std::string ShortDuration(absl::Duration duration);

// Thread rule as for RunWriter.
class ProgressReporter : public RunWriter {
 public:
  // `out` and `clock` must outlive the reporter.
  ProgressReporter(const ProgressOptions& options, std::ostream* out,
                   const Clock* clock = &Clock::Monotonic());

  // Writes the first step's line at once, then at most one an interval.
  void OnStep(const StepRecord& record) override;
  // Writes the last line. Always OK: a run doesn't depend on its audience.
  absl::Status Finish(const RunOutcome& outcome) override;

 private:
  struct Mark {
    absl::Duration time;
    int64_t step;
    uint64_t tokens;
  };

  // What a line says about a step.
  struct Figures {
    int64_t step = 0;
    double reward_mean = 0.0;
    double error = 0.0;
    bool has_error = false;
  };

  void Show(const std::string& line);
  std::string StepLine() const;
  std::string Rates() const;
  std::string LastLine(const RunOutcome& outcome) const;

  const ProgressOptions options_;
  std::ostream* const out_;
  const Clock* const clock_;
  const absl::Duration started_;
  ErrorTrend error_trend_;
  std::deque<Mark> recent_;  // the steps over which speed is measured
  Figures last_;
  bool any_step_ = false;
  bool any_shown_ = false;
  absl::Duration last_shown_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_PROGRESS_REPORTER_H_
