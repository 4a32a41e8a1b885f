// Completions as models really write them.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/verifier_check/check.h"

namespace tpo {
namespace {

constexpr int kLongTokens = 10'000;
constexpr char kJudgeAlone[] =
    "judge it like any other, and where judging fails answer FAILED for this one completion; an "
    "error of the call costs its siblings their verdicts";

// A first completion that is the sample's, so that a sibling is at stake.
CheckOutcome CheckBeside(CheckContext& context, const std::string& what,
                         const std::vector<v1::Completion>& completions) {
  v1::VerifyRequest request = Pick(context.sample, {0});
  for (const v1::Completion& completion : completions) *request.add_completions() = completion;
  if (request.ByteSizeLong() > context.MaxRequestBytes()) {
    return CheckOutcome::Skipped(
        absl::StrCat("it would be ", request.ByteSizeLong(), " bytes, more than it takes"));
  }
  const VerifyAnswer answer = context.Verify(request);
  const std::string sent = absl::StrCat("a group of ", request.completions_size(), ": ", what);
  if (!IsComplete(request, answer)) return CheckOutcome::Failed(sent, Show(answer), kJudgeAlone);
  return CheckOutcome::Ok(sent, Show(answer));
}

}  // namespace

CheckOutcome CheckEmptyCompletion(CheckContext& context) {
  return CheckBeside(context, "one of the sample, one without text and tokens",
                     {MakeTextCompletion("")});
}

CheckOutcome CheckUnicode(CheckContext& context) {
  const std::vector<std::string> texts = {
      "\U0001F469\u200D\U0001F469\u200D\U0001F467 \U0001F1FA\U0001F1F3 42",  // joined emoji, a flag
      "e\u0301\u0323 a\u0300\u0301\u0302\u0303 \uFB01",  // combining, a ligature
      "\u202E42\u202C \u05E9\u05DC\u05D5\u05DD \u0645\u0631\u062D\u0628\u0627",  // right to left
      "\x01\x02\x1B[31m42\x7F\t\r\n\x0B",  // control characters
      "\uFEFF42\u00A0\u2028\U0010FFFF",    // byte order mark, separators, the last code point
      std::string("42\0 42", 6),           // NUL, which ends a string in C
  };
  std::vector<v1::Completion> completions;
  for (const std::string& text : texts) completions.push_back(MakeTextCompletion(text));
  return CheckBeside(context,
                     "one of the sample, then emoji, combining characters, right-to-left text, "
                     "control characters, U+10FFFF, NUL",
                     completions);
}

CheckOutcome CheckLongCompletion(CheckContext& context) {
  v1::Completion completion;
  std::string text;
  for (int i = 0; i < kLongTokens; ++i) {
    completion.add_tokens(i % 2);
    completion.add_behavior_log_probs(-0.5F);
    absl::StrAppend(&text, i % 2 == 0 ? "even" : "odd", i % 20 == 19 ? "\n" : " ");
  }
  completion.set_text(text);
  completion.set_finish_reason(v1::FINISH_REASON_LENGTH);
  completion.add_weight_versions();
  return CheckBeside(context,
                     absl::StrCat("one of the sample, one of ", kLongTokens, " tokens and ",
                                  text.size(), " bytes of text"),
                     {completion});
}

}  // namespace tpo
