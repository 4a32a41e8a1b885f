#include "services/run_directory/progress_reporter.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tpo {
namespace {

constexpr size_t kSpeedWindow = 50;
constexpr int kBarWidth = 20;

std::string Bar(double done) {
  const int filled = static_cast<int>(std::clamp(done, 0.0, 1.0) * kBarWidth);
  return absl::StrCat("[", std::string(filled, '='), std::string(kBarWidth - filled, ' '), "] ");
}

}  // namespace

void DetectTerminal(int fd, ProgressOptions* options) {
  const char* term = std::getenv("TERM");
  options->terminal = ::isatty(fd) == 1 && term != nullptr && std::string_view(term) != "dumb";
  winsize size = {};
  if (options->terminal && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    options->columns = size.ws_col;
  }
}

std::string ShortCount(double count) {
  if (count >= 1e6) return absl::StrFormat("%.1fM", count / 1e6);
  if (count >= 1e3) return absl::StrFormat("%.1fk", count / 1e3);
  return absl::StrFormat("%.0f", count);
}

std::string ShortDuration(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration + absl::Milliseconds(500));
  if (seconds >= 3600) return absl::StrFormat("%dh%02dm", seconds / 3600, seconds / 60 % 60);
  if (seconds >= 60) return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  return absl::StrFormat("%ds", seconds);
}

ProgressReporter::ProgressReporter(const ProgressOptions& options, std::ostream* out,
                                   const Clock* clock)
    : options_(options),
      out_(out),
      clock_(clock),
      started_(clock->Now()),
      error_trend_(options.error_trend) {}

void ProgressReporter::OnStep(const StepRecord& record) {
  const absl::Duration now = clock_->Now();
  any_step_ = true;
  last_ = {record.step, record.reward_mean, record.error, record.has_error};
  if (record.has_error) error_trend_.Add(record.step, record.error);
  recent_.push_back({now, record.step, record.tokens_total});
  if (recent_.size() > kSpeedWindow + 1) recent_.pop_front();

  const absl::Duration interval =
      options_.terminal ? options_.terminal_interval : options_.plain_interval;
  if (any_shown_ && now - last_shown_ < interval) return;
  any_shown_ = true;
  last_shown_ = now;
  Show(StepLine());
}

absl::Status ProgressReporter::Finish(const RunOutcome& outcome) {
  if (options_.terminal && any_step_) Show(StepLine());
  if (options_.terminal && any_step_ && !options_.quiet) *out_ << "\n";
  if (!options_.quiet) *out_ << LastLine(outcome) << "\n" << std::flush;
  return absl::OkStatus();
}

void ProgressReporter::Show(const std::string& line) {
  if (options_.quiet) return;
  if (!options_.terminal) {
    *out_ << line << "\n" << std::flush;
    return;
  }
  // A line that wraps could not be renewed; "\x1b[K" clears what a longer one left behind.
  const size_t width = static_cast<size_t>(std::max(options_.columns - 1, 1));
  *out_ << "\r" << line.substr(0, width) << "\x1b[K" << std::flush;
}

std::string ProgressReporter::StepLine() const {
  const int64_t done = last_.step + 1;
  std::string line = absl::StrFormat("step %d/%d", done, options_.total_steps);
  if (options_.terminal && options_.total_steps > 0) {
    line.insert(0, Bar(static_cast<double>(done) / static_cast<double>(options_.total_steps)));
  }
  if (last_.has_error) {
    absl::StrAppendFormat(&line, "  error %.2f %% (last %d: %.2f %%)", 100.0 * last_.error,
                          ErrorTrend::kMovingWindow, 100.0 * *error_trend_.moving_mean());
  }
  absl::StrAppendFormat(&line, "  reward %.4f", last_.reward_mean);
  return line + Rates();
}

std::string ProgressReporter::Rates() const {
  const Mark& first = recent_.front();
  const Mark& last = recent_.back();
  const double seconds = absl::ToDoubleSeconds(last.time - first.time);
  if (seconds <= 0.0 || last.step <= first.step) return "";
  const double tokens = static_cast<double>(last.tokens - first.tokens);
  const double seconds_per_step = seconds / static_cast<double>(last.step - first.step);
  const int64_t remaining = std::max<int64_t>(0, options_.total_steps - last.step - 1);
  return absl::StrFormat(
      "  %s tokens/s  ETA %s", ShortCount(tokens / seconds),
      ShortDuration(absl::Seconds(seconds_per_step * static_cast<double>(remaining))));
}

std::string ProgressReporter::LastLine(const RunOutcome& outcome) const {
  std::string line = RunEndName(outcome.end);
  if (any_step_)
    absl::StrAppendFormat(&line, " after step %d/%d", last_.step + 1, options_.total_steps);
  absl::StrAppend(&line, " in ", ShortDuration(clock_->Now() - started_));
  if (any_step_ && last_.has_error) {
    absl::StrAppendFormat(&line, ": error %.2f %% (median of last %d: %.2f %%)",
                          100.0 * last_.error, ErrorTrend::kFinalWindow,
                          100.0 * *error_trend_.final_median());
  } else if (any_step_) {
    absl::StrAppendFormat(&line, ": reward %.4f", last_.reward_mean);
  }
  if (!outcome.message.empty()) absl::StrAppend(&line, ": ", outcome.message);
  return line;
}

}  // namespace tpo
