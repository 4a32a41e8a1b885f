#include "verifier/sandbox/candidate.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "verifier/sandbox/harness/harness.h"

namespace tpo {
namespace {

CallAnswer Answer(CallAnswer::Kind kind, std::string text) {
  CallAnswer answer;
  answer.kind = kind;
  answer.text = std::move(text);
  return answer;
}

std::string Text(const Json& message, const char* field) {
  const auto found = message.find(field);
  return found != message.end() && found->is_string() ? found->get<std::string>() : "";
}

// The end of what a program that crashed wrote, where Python says why.
std::string LastLine(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1).substr(0, 300);
}

}  // namespace

Candidate::Candidate(const Sandbox* sandbox, std::string program, const JudgeTerms& terms)
    : sandbox_(sandbox),
      program_(std::move(program)),
      terms_(terms),
      time_left_(sandbox->limits().wall) {}

CallAnswer Candidate::Ended(const ExecutionResult& result) {
  execution_ = nullptr;
  cpu_ += result.cpu;
  time_left_ -= result.wall;
  const std::string how = DescribeEnd(result, sandbox_->limits());
  switch (result.end) {
    case ExecutionEnd::kStopped:
      exhausted_ = true;
      return Answer(CallAnswer::Kind::kStopped, how);
    case ExecutionEnd::kFailed:
      exhausted_ = true;
      return Answer(CallAnswer::Kind::kFailed, how);
    case ExecutionEnd::kCpuLimit:
    case ExecutionEnd::kWallLimit:
    case ExecutionEnd::kOutputLimit:
      exhausted_ = true;
      return Answer(CallAnswer::Kind::kOverLimit, how);
    case ExecutionEnd::kExited:
    case ExecutionEnd::kSignalled:
      break;
  }
  if (time_left_ <= absl::ZeroDuration()) exhausted_ = true;
  return Answer(CallAnswer::Kind::kCrashed,
                absl::StrCat(how, " instead of answering ", LastLine(result.errors)));
}

CallAnswer Candidate::Ask(const std::string& line) {
  std::string reply;
  if (!execution_->Exchange(line, &reply)) {
    // It may have closed the channel and run on; a program that ended by itself is given the
    // moment to be seen doing so.
    return Ended(execution_->Wait());
  }
  absl::StatusOr<Json> message = ParseBounded(reply);
  if (!message.ok() || !message->is_object()) {
    return Answer(CallAnswer::Kind::kCrashed, "its answer isn't a value");
  }
  CallAnswer answer;
  if (const auto value = message->find("value"); value != message->end()) {
    answer.kind = CallAnswer::Kind::kValue;
    answer.value = std::move(*value);
    return answer;
  }
  answer.kind = CallAnswer::Kind::kRaised;
  answer.error = Text(*message, "error").substr(0, 100);
  answer.text = Text(*message, "message").substr(0, 300);
  return answer;
}

CallAnswer Candidate::Load() {
  if (execution_ != nullptr) {
    CallAnswer answer;
    answer.kind = CallAnswer::Kind::kValue;
    return answer;
  }
  if (exhausted_) return Answer(CallAnswer::Kind::kOverLimit, "it had used up its time");
  ExecutionRequest request;
  request.source = program_;
  request.source_name = "solution.py";
  request.arguments = {"-c", kCandidateHarness};
  request.channel = true;
  request.wall = time_left_;
  request.deadline = terms_.deadline;
  request.cancelled = terms_.cancelled;
  absl::StatusOr<std::unique_ptr<Execution>> execution = sandbox_->Start(request);
  if (!execution.ok()) {
    return Answer(CallAnswer::Kind::kFailed,
                  absl::StrCat("sandbox: ", execution.status().message()));
  }
  execution_ = *std::move(execution);
  const CallAnswer loaded = Ask("");
  // A program that can't be loaded once can't be loaded again.
  if (loaded.kind != CallAnswer::Kind::kValue) {
    exhausted_ = true;
    Finish();
  }
  return loaded;
}

CallAnswer Candidate::Call(const std::string& function, const Json& arguments, const Json& named) {
  const Json request = {{"call", function}, {"args", arguments}, {"kwargs", named}};
  return Ask(request.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace));
}

void Candidate::Finish() {
  if (execution_ == nullptr) return;
  const ExecutionResult result = execution_->Finish();
  execution_ = nullptr;
  cpu_ += result.cpu;
  time_left_ -= result.wall;
}

}  // namespace tpo
