// Judges one program by its tests. What is expected never enters the sandbox that the program runs
// in (docs/decisions/0009-sandbox-judging.md).
//
// Pure but for the executions. Thread-safe: each call has its own sandboxes.
#ifndef TPO_VERIFIER_SANDBOX_CODE_JUDGE_H_
#define TPO_VERIFIER_SANDBOX_CODE_JUDGE_H_

#include <string>

#include "verifier/sandbox/code_tests.h"
#include "verifier/sandbox/judgement.h"
#include "verifier/sandbox/sandbox.h"

namespace tpo {

// REQUIRES: tests of calls and asserts need a sandbox of a Python.
Judgement JudgeProgram(const Sandbox& sandbox, const std::string& program, const CodeTests& tests,
                       const JudgeTerms& terms);

// The kinds, each with the rule by which it stops early: after a limit the rest isn't run, since a
// program that loops once mostly loops again.

// One execution per test, all of which together get the wall time of one; their output is compared
// here.
Judgement JudgeOutputs(const Sandbox& sandbox, const std::string& program, const CodeTests& tests,
                       const JudgeTerms& terms);
// One execution for all calls, another one after a crash; values are compared here.
Judgement JudgeCalls(const Sandbox& sandbox, const std::string& program, const CodeTests& tests,
                     const JudgeTerms& terms);
// The tests run in a sandbox of their own, apart from the program, which they call through this
// process.
Judgement JudgeAsserts(const Sandbox& sandbox, const std::string& program, const CodeTests& tests,
                       const JudgeTerms& terms);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_CODE_JUDGE_H_
