// What the verifiers of this folder have in common: rules that judge a completion's text by itself,
// or against the prompt's reference, in bounded time, whatever the text.
//
// A rule is a function of the prompt that returns who judges its completions, so that a reference
// is read once for a group. What it can't say of any completion, it says instead, as a verdict for
// all of them:
//
//   - a completion that can't be read, or isn't what was asked for, is wrong: scored 0
//   - a prompt without a reference, where one is needed: kAbstained
//   - a reference that can't be read: kFailed, with a reason; nobody knows what is right
//
// The verifier that MakeRuleVerifier gives is thread-safe where the rule is.
#ifndef TPO_VERIFIER_RULES_RULE_VERIFIER_H_
#define TPO_VERIFIER_RULES_RULE_VERIFIER_H_

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "core/verifier_api.h"

namespace tpo {

using CompletionJudge = std::function<Verdict(const Completion&)>;
using PromptJudge = std::variant<Verdict, CompletionJudge>;
using Rule = std::function<PromptJudge(const Prompt&)>;

// Takes the tasks KIND and KIND/* unless told otherwise where it is registered. Gives no token
// rewards: where they are wanted, completions are kFailed. Between completions it looks at the
// request's deadline (the rest is kTimedOut) and whether the caller has gone (CANCELLED).
std::unique_ptr<VerifierApi> MakeRuleVerifier(std::string kind, Rule rule);

// kAbstained: the prompt has no reference answer.
Verdict WithoutReference();
// kFailed: prompt.WHERE holds something that no answer can be compared with.
Verdict BrokenReference(const std::string& where, const std::string& why);
// Scored, with an explanation for people. Bytes of the explanation that aren't printable ASCII
// become '?', and it is cut to 200.
Verdict Explained(double score, const std::string& explanation);

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_RULE_VERIFIER_H_
