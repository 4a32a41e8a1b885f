#include "verifier/rules/numeric_verifier.h"

#include <limits>

#include "tests/verifier/rules/rules_test_support.h"

namespace tpo {
namespace {

std::unique_ptr<VerifierApi> Make(const NumericOptions& options = {}) {
  return MakeNumericVerifier(options).value();
}

TEST(NumericVerifierTest, TheLastNumberHasToBeTheReference) {
  const auto verifier = Make();
  EXPECT_EQ(ScoreOf(verifier.get(), "42", "6 * 7 = 42."), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "1234", "so it's $1,234.00!"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "42", "42, or rather 41"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), "42", ""), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), "42", "no idea"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), "42", "nan"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), "42", "\xff\xfe 42"), 1) << "broken UTF-8 is no number";
  EXPECT_EQ(VerdictOn(verifier.get(), "42", "41").components.at("number_found"), 1);
  EXPECT_EQ(VerdictOn(verifier.get(), "42", "none").components.at("number_found"), 0);
}

TEST(NumericVerifierTest, OtherNumbersByOption) {
  const auto first = Make({.number = NumberChoice::kFirst});
  EXPECT_EQ(ScoreOf(first.get(), "42", "42, or rather 41"), 1);
  const auto whole = Make({.number = NumberChoice::kWholeText});
  EXPECT_EQ(ScoreOf(whole.get(), "42", " 42 "), 1);
  EXPECT_EQ(ScoreOf(whole.get(), "42", "is 42"), 0);
}

TEST(NumericVerifierTest, TolerancesCountFromTheReference) {
  const auto verifier = Make({.absolute_tolerance = 0.5, .relative_tolerance = 0.01});
  EXPECT_EQ(ScoreOf(verifier.get(), "10", "10.5"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "10", "10.6"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), "1000", "1010"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "1000", "1011"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), "1000", "1e400"), 0);
}

TEST(NumericVerifierTest, PercentsByOption) {
  const auto verifier = Make({.syntax = {.percent = true}});
  EXPECT_EQ(ScoreOf(verifier.get(), "0.5", "50%"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "50%", "one half, 0.5"), 1);
  EXPECT_EQ(ScoreOf(Make().get(), "50", "50%"), 1);
}

TEST(NumericVerifierTest, WithoutAReadableReferenceNobodyKnows) {
  const auto verifier = Make();
  EXPECT_EQ(VerdictOn(verifier.get(), "", "42").kind, VerdictKind::kAbstained);
  for (const char* reference : {"forty-two", "nan", "inf", "1 or 2", "x = 4"}) {
    const Verdict verdict = VerdictOn(verifier.get(), reference, "42");
    EXPECT_EQ(verdict.kind, VerdictKind::kFailed) << reference;
    EXPECT_THAT(verdict.reason, testing::HasSubstr("prompt.reference_answer")) << reference;
  }
}

TEST(NumericVerifierTest, AHugeCompletionIsReadInOneGo) {
  std::string text;
  for (int i = 0; i < 500'000; ++i) text += "1,1-1e1.";
  EXPECT_EQ(ScoreOf(Make().get(), "42", text + " 42"), 1);
  EXPECT_EQ(ScoreOf(Make().get(), "42", std::string(4 << 20, '9')), 0);
}

TEST(NumericVerifierTest, RefusesTolerancesThatAreNone) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(MakeNumericVerifier({.absolute_tolerance = -1}),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "numeric.absolute_tolerance"));
  EXPECT_THAT(MakeNumericVerifier({.relative_tolerance = nan}),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "numeric.relative_tolerance"));
}

TEST(NumericVerifierTest, KeepsTheRulesOfAllRules) {
  const auto verifier = Make();
  const VerifierDescription description = verifier->Describe().value();
  EXPECT_EQ(description.verifier, "numeric");
  EXPECT_THAT(description.tasks, testing::ElementsAre("numeric", "numeric/*"));
  EXPECT_FALSE(description.token_rewards);

  VerifyRequest request = TextRequest("42", {"42", "41"});
  request.want_token_rewards = true;
  EXPECT_EQ(verifier->Verify(request).value()[1].kind, VerdictKind::kFailed);
  request.want_token_rewards = false;
  request.deadline = absl::InfinitePast();
  EXPECT_EQ(verifier->Verify(request).value()[1].kind, VerdictKind::kTimedOut);
  request.cancelled = [] { return true; };
  EXPECT_EQ(verifier->Verify(request).status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace tpo
