// The Python programs that run inside the sandbox for tests that call functions: values.py followed
// by candidate.py or judge.py, as text.
//
// Both talk over descriptor 3, a line of JSON each way. The candidate's first line says whether it
// loaded: {"value": null} or {"error": type, "message": text}. Then, for each
// {"call": name, "args": …, "kwargs": …} it answers {"value": …} or an error. The judge is sent
// {"entry_points": […], "tests": […]} and sends {"begin": i}, any number of calls, each answered
// as by the candidate, and {"result": i, "passed": …}; {"done": true} at the end. Values are
// encoded as values.py says.
#ifndef TPO_VERIFIER_SANDBOX_HARNESS_HARNESS_H_
#define TPO_VERIFIER_SANDBOX_HARNESS_HARNESS_H_

namespace tpo {

extern const char kCandidateHarness[];
extern const char kJudgeHarness[];

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HARNESS_HARNESS_H_
