// The code under test as something to call: an execution of the harness candidate.py, which is
// started on the first call, and again after one that it didn't survive.
//
// Knows nothing of what is expected, and passes on nothing but plain data. All its executions
// together get the time of one. Not thread-safe.
#ifndef TPO_VERIFIER_SANDBOX_CANDIDATE_H_
#define TPO_VERIFIER_SANDBOX_CANDIDATE_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "verifier/sandbox/judgement.h"
#include "verifier/sandbox/sandbox.h"
#include "verifier/sandbox/values.h"

namespace tpo {

struct CallAnswer {
  enum class Kind {
    kValue,
    kRaised,     // error, text
    kCrashed,    // ended instead of answering, or answered what isn't a value: text
    kOverLimit,  // and isn't started again: text
    kStopped,    // by the caller
    kFailed,     // the sandbox: text
  };
  Kind kind = Kind::kFailed;
  Json value;         // encoded
  std::string error;  // the type of what was raised
  std::string text;
};

class Candidate {
 public:
  // REQUIRES: `sandbox` outlives it, and runs a Python.
  Candidate(const Sandbox* sandbox, std::string program, const JudgeTerms& terms);

  // Loads the program, if it isn't: kValue, or why it can't be called.
  CallAnswer Load();

  // Calls a function; `arguments` and `named` are encoded. REQUIRES: Load() said kValue.
  CallAnswer Call(const std::string& function, const Json& arguments, const Json& named);

  // No further call can be answered.
  bool exhausted() const { return exhausted_; }
  absl::Duration cpu() const { return cpu_; }
  // Ends what runs.
  void Finish();

 private:
  CallAnswer Ask(const std::string& line);
  CallAnswer Ended(const ExecutionResult& result);

  const Sandbox* const sandbox_;
  const std::string program_;
  const JudgeTerms terms_;
  std::unique_ptr<Execution> execution_;
  absl::Duration time_left_;
  absl::Duration cpu_;
  bool exhausted_ = false;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_CANDIDATE_H_
