#include "verifier/function_verifier.h"

#include <stdexcept>
#include <string>

#include "absl/time/clock.h"
#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

using testing::HasSubstr;

VerifierDescription Description() {
  return {.verifier = "lengths", .version = "2", .tasks = {"*"}};
}

// With a completion of each given text.
VerifyRequest RequestOf(const std::vector<std::string>& texts) {
  VerifyRequest request;
  for (const std::string& text : texts) {
    request.completions.push_back(MakeCompletion({1}, 0));
    request.completions.back().text = text;
  }
  return request;
}

TEST(FunctionVerifierTest, ScoresEachCompletionOrAbstains) {
  const auto verifier = MakeCompletionVerifier(
      Description(), [](const Prompt&, const Completion& completion) -> std::optional<double> {
        if (completion.text.empty()) return std::nullopt;
        return static_cast<double>(completion.text.size());
      });
  EXPECT_EQ(verifier->Describe()->version, "2");
  const std::vector<Verdict> verdicts = verifier->Verify(RequestOf({"ab", "", "abc"})).value();
  ASSERT_EQ(verdicts.size(), 3);
  EXPECT_EQ(verdicts[0], Verdict::Scored(2));
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kAbstained);
  EXPECT_EQ(verdicts[2], Verdict::Scored(3));
}

TEST(FunctionVerifierTest, AWholeVerdictMayBeGiven) {
  const auto verifier =
      MakeCompletionVerifier(Description(), [](const Prompt& prompt, const Completion&) {
        Verdict verdict = Verdict::Scored(1);
        verdict.explanation = prompt.task;
        return verdict;
      });
  VerifyRequest request = RequestOf({"a"});
  request.prompt.task = "poem";
  EXPECT_EQ(verifier->Verify(request).value()[0].explanation, "poem");
}

TEST(FunctionVerifierTest, AnExceptionFailsWhatItWasCalledFor) {
  const auto one_by_one =
      MakeCompletionVerifier(Description(), [](const Prompt&, const Completion& completion) {
        if (completion.text == "bad") throw std::runtime_error("no way");
        if (completion.text == "worse") throw 7;
        return Verdict::Scored(1);
      });
  const std::vector<Verdict> verdicts =
      one_by_one->Verify(RequestOf({"good", "bad", "worse", "good"})).value();
  ASSERT_EQ(verdicts.size(), 4);
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kScored);
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kFailed);
  EXPECT_THAT(verdicts[1].reason, HasSubstr("no way"));
  EXPECT_EQ(verdicts[2].kind, VerdictKind::kFailed);
  EXPECT_EQ(verdicts[3].kind, VerdictKind::kScored);

  const auto whole = MakeGroupVerifier(
      Description(),
      [](const VerifyRequest&) -> std::vector<Verdict> { throw std::runtime_error("no way"); });
  EXPECT_THAT(whole->Verify(RequestOf({"a"})), HoldsStatus(absl::StatusCode::kInternal, "no way"));
}

TEST(FunctionVerifierTest, WhatIsNotJudgedByTheDeadlineTimesOut) {
  VerifyRequest request = RequestOf({"a", "b", "c"});
  const auto verifier = MakeCompletionVerifier(
      Description(), [&request](const Prompt&, const Completion& completion) {
        // Judging the second one takes until the deadline.
        if (completion.text == "b") request.deadline = absl::Now();
        return Verdict::Scored(1);
      });
  request.deadline = absl::Now() + absl::Hours(1);
  const std::vector<Verdict> verdicts = verifier->Verify(request).value();
  ASSERT_EQ(verdicts.size(), 3);
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kScored);
  EXPECT_EQ(verdicts[2].kind, VerdictKind::kTimedOut);
}

TEST(FunctionVerifierTest, StopsWhenTheCallerHasGone) {
  VerifyRequest request = RequestOf({"a", "b", "c"});
  int judged = 0;
  const auto verifier =
      MakeCompletionVerifier(Description(), [&judged](const Prompt&, const Completion&) {
        ++judged;
        return Verdict::Scored(1);
      });
  request.cancelled = [&judged] { return judged == 1; };
  EXPECT_THAT(verifier->Verify(request), HoldsStatus(absl::StatusCode::kCancelled, ""));
  EXPECT_EQ(judged, 1);
}

}  // namespace
}  // namespace tpo
