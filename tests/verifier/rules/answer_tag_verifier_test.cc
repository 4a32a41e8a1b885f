#include "verifier/rules/answer_tag_verifier.h"

#include "tests/verifier/rules/rules_test_support.h"
#include "verifier/exact_match_verifier.h"
#include "verifier/function_verifier.h"
#include "verifier/rules/tag_text.h"

namespace tpo {
namespace {

TEST(TagTextTest, TakesTheLastPair) {
  EXPECT_EQ(TextWithin("<a> x </a>", "a"), "x");
  EXPECT_EQ(TextWithin("<a>x</a><a>\ny\t</a> z", "a"), "y");
  EXPECT_EQ(TextWithin("<a>x <a>y</a>", "a"), "x <a>y") << "paired from the left";
  EXPECT_EQ(TextWithin("<a>x</a> <a>y", "a"), "x") << "one that isn't closed is none";
  EXPECT_EQ(TextWithin("<a></a>", "a"), "");
  for (const char* text : {"", "x", "</a>x<a>", "<a>x", "<A>x</A>", "<a >x</a>"})
    EXPECT_EQ(TextWithin(text, "a"), std::nullopt) << text;
}

TEST(AnswerTagVerifierTest, HandsOnWhatStandsWithin) {
  const auto verifier =
      MakeAnswerTagVerifier("answer", std::make_unique<ExactMatchVerifier>()).value();
  EXPECT_EQ(ScoreOf(verifier.get(), "42", "<think>6 * 7</think><answer> 42 </answer>"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "42", "<answer>41</answer>"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), "42", "42"), 0) << "no tags";
  EXPECT_EQ(ScoreOf(verifier.get(), "42", ""), 0);
  EXPECT_EQ(verifier->Describe()->verifier, "exact_match");
}

TEST(AnswerTagVerifierTest, KeepsTheOrderAndTheTokens) {
  std::vector<std::string> seen;
  VerifierDescription description;
  description.verifier = "length";
  auto inner = MakeCompletionVerifier(
      description, VerdictFunction([&seen](const Prompt&, const Completion& completion) {
        seen.push_back(completion.text);
        return Verdict::Scored(static_cast<double>(completion.tokens.size()));
      }));
  const auto verifier = MakeAnswerTagVerifier("a", std::move(inner)).value();
  VerifyRequest request = TextRequest("", {"no", "<a>one</a>", "", "<a>two</a>"});
  request.completions[3].tokens = {1, 2, 3};
  const auto verdicts = verifier->Verify(request).value();
  ASSERT_EQ(verdicts.size(), 4);
  EXPECT_EQ(verdicts[0].score, 0);
  EXPECT_EQ(verdicts[1].score, 2);
  EXPECT_EQ(verdicts[2].score, 0);
  EXPECT_EQ(verdicts[3].score, 3);
  EXPECT_THAT(seen, testing::ElementsAre("one", "two"));
}

TEST(AnswerTagVerifierTest, AVerifierThatAnswersTooLittleFailsOnlyWhatItSaw) {
  VerifierDescription description;
  auto inner =
      MakeGroupVerifier(description, [](const VerifyRequest&) { return std::vector<Verdict>(); });
  const auto verifier = MakeAnswerTagVerifier("a", std::move(inner)).value();
  const auto verdicts = verifier->Verify(TextRequest("", {"<a>x</a>", "y"})).value();
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kFailed);
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kScored);
}

TEST(AnswerTagVerifierTest, RefusesWhatIsNoTag) {
  EXPECT_THAT(MakeAnswerTagVerifier("<answer>", std::make_unique<ExactMatchVerifier>()),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "answer_tag: \"<answer>\""));
}

}  // namespace
}  // namespace tpo
