#include "verifier/exact_match_verifier.h"

#include <string>
#include <vector>

#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

using testing::ElementsAre;

VerifyRequest TextRequest(const std::string& reference, const std::vector<std::string>& answers) {
  VerifyRequest request;
  request.prompt.task = "exact_match/capitals";
  request.prompt.text = "What is the capital?";
  request.prompt.reference_answer = reference;
  for (const std::string& answer : answers) {
    request.completions.push_back(MakeCompletion({1, 2}, 0));
    request.completions.back().text = answer;
  }
  return request;
}

std::vector<double> Scores(const ExactMatchOptions& options, const VerifyRequest& request) {
  const auto verdicts = ExactMatchVerifier(options).Verify(request);
  EXPECT_TRUE(verdicts.ok()) << verdicts.status();
  std::vector<double> scores;
  for (const Verdict& verdict : *verdicts) {
    EXPECT_EQ(verdict.kind, VerdictKind::kScored) << verdict.reason;
    scores.push_back(verdict.score);
  }
  return scores;
}

TEST(ExactMatchVerifierTest, ComparesTextAndTakesWhiteSpaceAroundItAway) {
  const VerifyRequest request =
      TextRequest("Bern\n", {"Bern", " Bern\t\n", "bern", "Bern.", "", "Be rn"});
  EXPECT_THAT(Scores({}, request), ElementsAre(1, 1, 0, 0, 0, 0));
  EXPECT_THAT(Scores({.strip_whitespace = false}, request), ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_THAT(Scores({.ignore_case = true}, request), ElementsAre(1, 1, 1, 0, 0, 0));
}

TEST(ExactMatchVerifierTest, TextIsBytesWhateverTheirAlphabet) {
  EXPECT_THAT(
      Scores({.ignore_case = true}, TextRequest("Zürich 🏔", {"zürich 🏔", "ZÜRICH 🏔"})),
      ElementsAre(1, 0));
}

TEST(ExactMatchVerifierTest, ComparesWhatFollowsTheLastMark) {
  ExactMatchOptions options;
  options.after = "####";
  const VerifyRequest request = TextRequest("42", {"6 * 7\n#### 42", "#### 41\n#### 42\nso there",
                                                   "42", "#### 42 #### 41", "####", "####42"});
  EXPECT_THAT(Scores(options, request), ElementsAre(1, 1, 0, 0, 0, 1));
}

TEST(ExactMatchVerifierTest, ComparesTokensWhereThereIsNoText) {
  VerifyRequest request;
  request.prompt.reference_tokens = {3, 1};
  request.prompt.reference_answer = "shown to people only";
  request.completions = {MakeCompletion({3, 1}, 0), MakeCompletion({3}, 0),
                         MakeCompletion({3, 1, 1}, 0), MakeCompletion({}, 0)};
  EXPECT_THAT(Scores({}, request), ElementsAre(1, 0, 0, 0));
}

TEST(ExactMatchVerifierTest, AbstainsWhereNothingCanBeCompared) {
  VerifyRequest no_reference = TextRequest("", {"Bern"});
  VerifyRequest only_text;
  only_text.prompt.reference_answer = "Bern";
  only_text.completions = {MakeCompletion({1}, 0)};
  for (const VerifyRequest& request : {no_reference, only_text}) {
    const std::vector<Verdict> verdicts = ExactMatchVerifier().Verify(request).value();
    ASSERT_EQ(verdicts.size(), 1);
    EXPECT_EQ(verdicts[0].kind, VerdictKind::kAbstained);
    EXPECT_FALSE(verdicts[0].reason.empty());
  }
}

TEST(ExactMatchVerifierTest, GivesEachTokenTheScoreWhenAsked) {
  VerifyRequest request = TextRequest("Bern", {"Bern", "Rom"});
  request.want_token_rewards = true;
  request.completions.push_back(request.completions[0]);
  request.completions[2].candidate_tokens = {1, 2, 2, 1};
  const std::vector<Verdict> verdicts = ExactMatchVerifier().Verify(request).value();
  EXPECT_THAT(verdicts[0].token_rewards, ElementsAre(1.0F, 1.0F));
  EXPECT_THAT(verdicts[1].token_rewards, ElementsAre(0.0F, 0.0F));
  EXPECT_EQ(verdicts[2].kind, VerdictKind::kFailed);
}

TEST(ExactMatchVerifierTest, DescribesItself) {
  const VerifierDescription description = ExactMatchVerifier().Describe().value();
  EXPECT_EQ(description.verifier, "exact_match");
  EXPECT_THAT(description.tasks, ElementsAre("exact_match/*"));
  EXPECT_TRUE(description.token_rewards);
}

}  // namespace
}  // namespace tpo
