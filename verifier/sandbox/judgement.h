// What the tests made of one program. A value.
#ifndef TPO_VERIFIER_SANDBOX_JUDGEMENT_H_
#define TPO_VERIFIER_SANDBOX_JUDGEMENT_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace tpo {

struct Judgement {
  enum class Kind {
    kJudged,
    kStopped,  // by the caller, before all was judged
    kFailed,   // not the program's fault: `reason`
  };
  Kind kind = Kind::kJudged;
  std::string reason;

  // Tests by outcome; all of them when kJudged.
  size_t passed = 0;
  size_t wrong = 0;       // a wrong answer or a failed assertion
  size_t crashed = 0;     // raised, exited or was killed before it answered
  size_t over_limit = 0;  // of time, processor time or output
  size_t not_run = 0;     // after a limit, or when one failure decides
  absl::Duration cpu;
  std::string explanation;  // ASCII, at most a few KiB

  size_t failed() const { return wrong + crashed + over_limit; }

  static Judgement Failed(std::string why) {
    Judgement judgement;
    judgement.kind = Kind::kFailed;
    judgement.reason = std::move(why);
    return judgement;
  }
};

// How a judge is to go about it.
struct JudgeTerms {
  // One failed test decides: the rest isn't run.
  bool stop_at_failure = false;
  absl::Time deadline = absl::InfiniteFuture();
  std::function<bool()> cancelled;
};

// Adds a line to the explanation, as long as it is short. Text of the program is escaped.
void Explain(size_t test, std::string_view what, std::string_view program_text,
             Judgement* judgement);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_JUDGEMENT_H_
