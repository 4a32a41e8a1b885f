#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "verifier/sandbox/sandbox.h"

namespace tpo {
namespace {

// How often a caller's `cancelled` is asked.
constexpr absl::Duration kPollPeriod = absl::Milliseconds(20);
// How much later than the wall limit the helper may report before it is killed itself.
constexpr absl::Duration kHelperGrace = absl::Seconds(5);
// Output that is still in the pipes when all processes are gone.
constexpr int kPipeBytes = 1 << 20;

}  // namespace

Execution::Execution(const SandboxLimits& limits, const ExecutionRequest& request)
    : limits_(limits),
      wall_(request.wall > absl::ZeroDuration() ? request.wall : limits.wall),
      deadline_(request.deadline),
      cancelled_(request.cancelled) {}

Execution::~Execution() {
  if (helper_ > 0) Finish();
}

void Execution::Stop(ExecutionEnd why) {
  if (stopped_ == ExecutionEnd::kExited) stopped_ = why;
  // The helper kills everything when it sees this end closed, and then reports.
  shutdown(control_.get(), SHUT_WR);
}

void Execution::CheckCaller() {
  if (finishing_ || stopped_ != ExecutionEnd::kExited) return;
  if (absl::Now() >= deadline_ || (cancelled_ != nullptr && cancelled_())) {
    Stop(ExecutionEnd::kStopped);
  }
}

bool Execution::ReadStream(FileDescriptor* stream, std::string* text) {
  std::array<char, 65536> buffer;
  const ssize_t length = read(stream->get(), buffer.data(), buffer.size());
  if (length < 0) return errno == EINTR || errno == EAGAIN;
  if (length == 0) {
    stream->Close();
    return false;
  }
  const size_t room = limits_.output_bytes - text->size();
  text->append(buffer.data(), std::min(room, static_cast<size_t>(length)));
  if (static_cast<size_t>(length) > room) {
    // Nothing more is read, so a program that goes on writing waits to be killed.
    stream->Close();
    Stop(ExecutionEnd::kOutputLimit);
    return false;
  }
  return true;
}

bool Execution::ReadChannel() {
  std::array<char, 65536> buffer;
  const ssize_t length = recv(channel_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (length < 0) return errno == EINTR || errno == EAGAIN;
  if (length == 0) {
    channel_.Close();
    return false;
  }
  received_.append(buffer.data(), static_cast<size_t>(length));
  if (received_.size() > limits_.output_bytes) {
    channel_.Close();
    Stop(ExecutionEnd::kOutputLimit);
    return false;
  }
  return true;
}

void Execution::WriteChannel() {
  const ssize_t length =
      send(channel_.get(), to_send_.data(), to_send_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (length > 0) {
    to_send_.erase(0, static_cast<size_t>(length));
  } else if (length < 0 && errno != EINTR && errno != EAGAIN) {
    to_send_.clear();
  }
}

void Execution::ReadReport() {
  const ssize_t length = recv(control_.get(), &report_, sizeof(report_), MSG_DONTWAIT);
  if (length < 0 && (errno == EINTR || errno == EAGAIN)) return;
  has_report_ = length == sizeof(report_) && report_.magic == HelperReport::kMagic;
  ended_ = true;
  if (reaper_ != nullptr) {
    reaper_->Adopt(helper_);
  } else {
    WaitForHelper(helper_);
  }
  helper_ = -1;
  // All writers are gone; what they left in the pipes is read without waiting.
  for (auto& [stream, text] : {std::pair(&output_, &output_text_), {&errors_, &errors_text_}}) {
    if (!stream->valid()) continue;
    fcntl(stream->get(), F_SETFL, O_NONBLOCK);
    for (int bytes = 0; bytes < kPipeBytes && stream->valid(); bytes += 4096) {
      const size_t before = text->size();
      if (!ReadStream(stream, text) || text->size() == before) break;
    }
    stream->Close();
  }
  while (channel_.valid()) {
    const size_t before = received_.size();
    if (!ReadChannel() || received_.size() == before) break;
  }
  channel_.Close();
}

bool Execution::Poll() {
  if (ended_) return false;
  CheckCaller();
  std::array<struct pollfd, 4> watched = {
      {{output_.get(), POLLIN, 0},
       {errors_.get(), POLLIN, 0},
       {channel_.get(), static_cast<short>(to_send_.empty() ? POLLIN : POLLIN | POLLOUT), 0},
       {control_.get(), POLLIN, 0}}};
  const bool watch_caller = cancelled_ != nullptr && stopped_ == ExecutionEnd::kExited;
  const absl::Duration until_grace = started_ + wall_ + kHelperGrace - absl::Now();
  const absl::Duration until_deadline =
      stopped_ == ExecutionEnd::kExited ? deadline_ - absl::Now() : absl::InfiniteDuration();
  const absl::Duration timeout = std::max(
      absl::ZeroDuration(), std::min({until_grace, until_deadline,
                                      watch_caller ? kPollPeriod : absl::InfiniteDuration()}));
  const int ready = poll(watched.data(), watched.size(),
                         static_cast<int>(absl::ToInt64Milliseconds(timeout)) + 1);
  if (ready == 0 && until_grace <= absl::ZeroDuration() && !helper_killed_) {
    // Its init dies with it, and takes the rest along.
    helper_killed_ = true;
    kill(helper_, SIGKILL);
  }
  if (ready <= 0) return true;
  if (watched[0].revents != 0) ReadStream(&output_, &output_text_);
  if (watched[1].revents != 0) ReadStream(&errors_, &errors_text_);
  if (channel_.valid() && (watched[2].revents & POLLOUT) != 0) WriteChannel();
  if (channel_.valid() && (watched[2].revents & ~POLLOUT) != 0) ReadChannel();
  if (watched[3].revents != 0) ReadReport();
  return !ended_;
}

bool Execution::Exchange(std::string_view line, std::string* reply) {
  if (!line.empty()) {
    to_send_.append(line);
    to_send_.push_back('\n');
  }
  size_t searched = 0;
  while (true) {
    const size_t end = received_.find('\n', searched);
    if (end != std::string::npos && stopped_ == ExecutionEnd::kExited) {
      reply->assign(received_, 0, end);
      received_.erase(0, end + 1);
      return true;
    }
    searched = received_.size();
    // A program that closed the channel answers nothing any more, though it may run on.
    if (ended_ || !channel_.valid() || stopped_ != ExecutionEnd::kExited) return false;
    Poll();
  }
}

ExecutionResult Execution::Wait() {
  while (Poll()) {
  }
  return Result();
}

ExecutionResult Execution::Finish() {
  if (!ended_) {
    finishing_ = true;
    channel_.Close();
    shutdown(control_.get(), SHUT_WR);
  }
  return Wait();
}

ExecutionResult Execution::Result() const {
  ExecutionResult result;
  result.output = output_text_;
  result.errors = errors_text_;
  result.wall = absl::Microseconds(report_.wall_microseconds);
  result.wall_limit = wall_;
  result.cpu = absl::Microseconds(report_.cpu_microseconds);
  if (!has_report_) {
    result.message = "sandbox: the helper died";
  } else if (report_.outcome == HelperOutcome::kSetupFailed) {
    result.message = absl::StrCat("sandbox: ", report_.step);
    if (report_.error_number != 0) {
      absl::StrAppend(&result.message, ": ", std::strerror(report_.error_number));
    }
  } else if (stopped_ != ExecutionEnd::kExited) {
    result.end = stopped_;
  } else if (report_.outcome == HelperOutcome::kWallLimit) {
    result.end = ExecutionEnd::kWallLimit;
  } else if (report_.outcome == HelperOutcome::kCancelled) {
    result.end = finishing_ ? ExecutionEnd::kExited : ExecutionEnd::kStopped;
  } else if (WIFEXITED(report_.wait_status)) {
    result.end = ExecutionEnd::kExited;
    result.exit_code = WEXITSTATUS(report_.wait_status);
  } else {
    result.signal_number = WTERMSIG(report_.wait_status);
    // The hard limit kills with SIGKILL when the program ignored SIGXCPU.
    const bool cpu = result.signal_number == SIGXCPU ||
                     (result.signal_number == SIGKILL &&
                      result.cpu >= absl::Ceil(limits_.cpu, absl::Seconds(1)));
    result.end = cpu ? ExecutionEnd::kCpuLimit : ExecutionEnd::kSignalled;
  }
  return result;
}

std::string DescribeEnd(const ExecutionResult& result, const SandboxLimits& limits) {
  switch (result.end) {
    case ExecutionEnd::kExited:
      return absl::StrCat("exited with status ", result.exit_code);
    case ExecutionEnd::kSignalled:
      return absl::StrCat("was ended by signal ", result.signal_number, " (",
                          strsignal(result.signal_number), ")");
    case ExecutionEnd::kCpuLimit:
      return absl::StrCat("went over the limit of ",
                          absl::FormatDuration(absl::Ceil(limits.cpu, absl::Seconds(1))),
                          " of processor time");
    case ExecutionEnd::kWallLimit:
      return absl::StrCat(
          "went over the limit of ",
          absl::FormatDuration(absl::Trunc(result.wall_limit, absl::Milliseconds(1))), " of time");
    case ExecutionEnd::kOutputLimit:
      return absl::StrCat("wrote more than ", limits.output_bytes, " bytes");
    case ExecutionEnd::kStopped:
      return "was stopped by the caller";
    case ExecutionEnd::kFailed:
      return result.message;
  }
  return "";
}

}  // namespace tpo
