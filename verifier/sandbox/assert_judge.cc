#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "verifier/sandbox/candidate.h"
#include "verifier/sandbox/code_judge.h"
#include "verifier/sandbox/harness/harness.h"

namespace tpo {
namespace {

// Fields of a message, or nothing where they are missing or of another type: code of the tests may
// write to the channel too.
std::string Text(const Json& message, const char* field) {
  const auto found = message.find(field);
  return found != message.end() && found->is_string() ? found->get<std::string>() : "";
}

bool Flag(const Json& message, const char* field) {
  const auto found = message.find(field);
  return found != message.end() && found->is_boolean() && found->get<bool>();
}

// Carries messages between the sandbox of the tests and that of the program, and counts.
class AssertJudge {
 public:
  AssertJudge(const Sandbox& sandbox, const std::string& program, const CodeTests& tests,
              const JudgeTerms& terms)
      : sandbox_(sandbox), tests_(tests), terms_(terms), candidate_(&sandbox, program, terms) {}

  Judgement Run() {
    // Most wrong programs don't get as far as the tests.
    const CallAnswer loaded = candidate_.Load();
    if (loaded.kind != CallAnswer::Kind::kValue) {
      NotLoaded(loaded);
    } else if (const absl::Status status = Start(); !status.ok()) {
      judgement_ = Judgement::Failed(absl::StrCat("sandbox: ", status.message()));
    } else {
      Converse();
    }
    if (judge_ != nullptr) judgement_.cpu += judge_->Finish().cpu;
    candidate_.Finish();
    judgement_.cpu += candidate_.cpu();
    return std::move(judgement_);
  }

 private:
  void NotLoaded(const CallAnswer& answer) {
    if (answer.kind == CallAnswer::Kind::kStopped) {
      judgement_.kind = Judgement::Kind::kStopped;
    } else if (answer.kind == CallAnswer::Kind::kFailed) {
      judgement_ = Judgement::Failed(answer.text);
    } else {
      ++(answer.kind == CallAnswer::Kind::kOverLimit ? judgement_.over_limit : judgement_.crashed);
      judgement_.not_run = tests_.asserts.size() - 1;
      Explain(0, "the program didn't load:",
              absl::StrCat(answer.error, answer.error.empty() ? "" : ": ", answer.text),
              &judgement_);
    }
  }

  absl::Status Start() {
    ExecutionRequest request;
    request.arguments = {"-c", kJudgeHarness};
    request.channel = true;
    request.deadline = terms_.deadline;
    request.cancelled = terms_.cancelled;
    // The wall clock runs while the program answers, too: the tests get their own time on top.
    request.wall = 2 * sandbox_.limits().wall;
    auto started = sandbox_.Start(request);
    if (!started.ok()) return started.status();
    judge_ = *std::move(started);
    return absl::OkStatus();
  }

  void Converse() {
    const Json task = {{"entry_points", tests_.entry_points}, {"tests", tests_.asserts}};
    std::string line = task.dump(-1, ' ', true, Json::error_handler_t::replace);
    while (judgement_.kind == Judgement::Kind::kJudged) {
      std::string message_text;
      if (!judge_->Exchange(line, &message_text)) {
        JudgeEnded(judge_->Wait());
        return;
      }
      const absl::StatusOr<Json> message = ParseBounded(message_text);
      if (!message.ok() || !message->is_object()) {
        judgement_ = Judgement::Failed("the tests wrote over the judge's channel");
        return;
      }
      if (message->contains("done")) return;
      line = Handle(*message);
      if (terms_.stop_at_failure && judgement_.failed() > 0) return NotRun();
    }
  }

  // What to answer; nothing when only listening is due.
  std::string Handle(const Json& message) {
    if (message.contains("call")) return Answer(message);
    if (message.contains("begin")) {
      answered_ = false;
      unanswered_ = CallAnswer::Kind::kValue;
    } else if (message.contains("result")) {
      CountResult(message);
    }
    return "";
  }

  std::string Answer(const Json& call) {
    answered_ = true;
    CallAnswer answer = candidate_.Load();
    if (answer.kind == CallAnswer::Kind::kValue) {
      answer = candidate_.Call(Text(call, "call"), call.value("args", Json::array()),
                               call.value("kwargs", Json::object()));
    }
    Json reply;
    switch (answer.kind) {
      case CallAnswer::Kind::kValue:
        reply["value"] = std::move(answer.value);
        break;
      case CallAnswer::Kind::kStopped:
        judgement_.kind = Judgement::Kind::kStopped;
        break;
      case CallAnswer::Kind::kFailed:
        judgement_ = Judgement::Failed(answer.text);
        break;
      default:
        if (answer.kind != CallAnswer::Kind::kRaised) unanswered_ = answer.kind;
        reply = {{"error", answer.error}, {"message", answer.text}};
    }
    return reply.dump(-1, ' ', true, Json::error_handler_t::replace);
  }

  void CountResult(const Json& result) {
    const size_t number = judgement_.passed + judgement_.failed();
    // Whatever the test made of a call that the program didn't survive: it can't have passed.
    if (Flag(result, "passed") && unanswered_ == CallAnswer::Kind::kValue) {
      ++judgement_.passed;
      return;
    }
    const std::string message = Text(result, "message");
    if (!answered_ && !Flag(result, "asserted")) {
      judgement_ =
          Judgement::Failed(absl::StrCat("the tests fail without calling the program: ", message));
      return;
    }
    if (unanswered_ == CallAnswer::Kind::kOverLimit) {
      ++judgement_.over_limit;
    } else if (unanswered_ == CallAnswer::Kind::kCrashed) {
      ++judgement_.crashed;
    } else {
      ++judgement_.wrong;
    }
    Explain(number, "failed:", message, &judgement_);
  }

  // The tests went over a limit or died. With values that the program gave, that is its failure: a
  // loop over what it returned, say. Without, the tests are at fault.
  void JudgeEnded(const ExecutionResult& result) {
    judgement_.cpu += result.cpu;
    judge_ = nullptr;
    const std::string how = DescribeEnd(result, sandbox_.limits());
    if (result.end == ExecutionEnd::kStopped) {
      judgement_.kind = Judgement::Kind::kStopped;
    } else if (result.end == ExecutionEnd::kFailed) {
      judgement_ = Judgement::Failed(result.message);
    } else if (!answered_) {
      judgement_ = Judgement::Failed(absl::StrCat("the process of the tests ", how));
    } else {
      const size_t number = judgement_.passed + judgement_.failed();
      ++judgement_.over_limit;
      Explain(number, "with what the program returned, the process of the tests", how, &judgement_);
      NotRun();
    }
  }

  void NotRun() {
    judgement_.not_run = tests_.asserts.size() - judgement_.passed - judgement_.failed();
  }

  const Sandbox& sandbox_;
  const CodeTests& tests_;
  const JudgeTerms& terms_;
  Candidate candidate_;
  std::unique_ptr<Execution> judge_;
  Judgement judgement_;
  // Of the test in progress:
  bool answered_ = false;                                   // the program was called
  CallAnswer::Kind unanswered_ = CallAnswer::Kind::kValue;  // how the last call failed that did
};

}  // namespace

Judgement JudgeAsserts(const Sandbox& sandbox, const std::string& program, const CodeTests& tests,
                       const JudgeTerms& terms) {
  return AssertJudge(sandbox, program, tests, terms).Run();
}

}  // namespace tpo
