#include "verifier/sequence_verifier.h"

#include "core/sequence_task.h"
#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

VerifyRequest RequestFor(const char* task, std::vector<TokenId> answer) {
  VerifyRequest request;
  request.prompt.task = task;
  request.prompt.tokens = {1, 1, 0};
  request.prompt.reference_tokens = {0, 1, 1};
  request.completions = {MakeCompletion(std::move(answer), 0)};
  return request;
}

Verdict VerifyOne(const VerifyRequest& request) {
  SequenceVerifier verifier;
  auto verdicts = verifier.Verify(request);
  EXPECT_TRUE(verdicts.ok()) << verdicts.status();
  EXPECT_EQ(verdicts->size(), 1);
  EXPECT_EQ(SanitizeVerdicts(request, *verdicts), *verdicts) << "they need no repair";
  return verdicts->front();
}

TEST(SequenceVerifierTest, ScoresWithItsComponents) {
  const Verdict bag = VerifyOne(RequestFor("sequence/reverse_copy/bag_of_tokens", {1, 1, 1}));
  EXPECT_EQ(bag.kind, VerdictKind::kScored);
  EXPECT_DOUBLE_EQ(bag.score, 2.0 / 3.0);
  EXPECT_THAT(bag.components, ElementsAre(Pair("correct_tokens", 2.0), Pair("exact_match", 0.0)));
  EXPECT_THAT(bag.token_rewards, IsEmpty()) << "nobody asked";

  EXPECT_EQ(VerifyOne(RequestFor("sequence/reverse_copy/sequential", {1, 1, 1})).score, 0.0);
  EXPECT_EQ(VerifyOne(RequestFor("sequence/reverse_copy/terminal", {1, 1, 1})).score, 0.0);
  const Verdict right = VerifyOne(RequestFor("sequence/reverse_copy/terminal", {0, 1, 1}));
  EXPECT_EQ(right.score, 1.0);
  EXPECT_EQ(right.components.at("exact_match"), 1.0);
}

TEST(SequenceVerifierTest, JudgesEveryCompletionInOrder) {
  VerifyRequest request = RequestFor("sequence/reverse_copy/terminal", {0, 1, 1});
  request.completions.push_back(MakeCompletion({0, 1, 0}, 0));
  request.completions.push_back(MakeCompletion({}, 0));
  SequenceVerifier verifier;
  const auto verdicts = verifier.Verify(request);
  ASSERT_TRUE(verdicts.ok());
  ASSERT_EQ(verdicts->size(), 3);
  EXPECT_EQ((*verdicts)[0].score, 1.0);
  EXPECT_EQ((*verdicts)[1].score, 0.0);
  EXPECT_EQ((*verdicts)[2].score, 0.0) << "an empty completion is a wrong answer";
  EXPECT_EQ((*verdicts)[2].kind, VerdictKind::kScored);
}

TEST(SequenceVerifierTest, GivesARewardPerToken) {
  VerifyRequest request = RequestFor("sequence/reverse_copy/sequential", {0, 0, 1});
  request.want_token_rewards = true;
  EXPECT_THAT(VerifyOne(request).token_rewards, ElementsAre(1, 0, 0));
}

TEST(SequenceVerifierTest, GivesARewardPerCandidateAndScoresTheAnswer) {
  VerifyRequest request = RequestFor("sequence/reverse_copy/bag_of_tokens", {0, 0, 1});
  request.want_token_rewards = true;
  request.completions[0].candidate_tokens = {0, 1, 0, 1, 1, 0};
  request.completions[0].candidate_log_probs.assign(6, -0.7F);
  const Verdict verdict = VerifyOne(request);
  EXPECT_THAT(verdict.token_rewards, ElementsAre(1, 0, 0, 1, 1, 0));
  EXPECT_DOUBLE_EQ(verdict.score, 2.0 / 3.0);
}

TEST(SequenceVerifierTest, ATerminalRewardPerCandidateFails) {
  VerifyRequest request = RequestFor("sequence/reverse_copy/terminal", {0, 1, 1});
  request.want_token_rewards = true;
  EXPECT_THAT(VerifyOne(request).token_rewards, ElementsAre(1, 1, 1));
  request.completions[0].candidate_tokens = {0, 1, 1};
  const Verdict verdict = VerifyOne(request);
  EXPECT_EQ(verdict.kind, VerdictKind::kFailed);
  EXPECT_THAT(verdict.reason, HasSubstr("terminal"));
}

TEST(SequenceVerifierTest, RefusesWhatItCanNeverScore) {
  SequenceVerifier verifier;
  EXPECT_THAT(verifier.Verify(RequestFor("sequence/shuffle/terminal", {0})),
              HoldsStatus(kInvalid, "shuffle"));
  VerifyRequest request = RequestFor("sequence/copy/terminal", {0});
  request.prompt.reference_tokens.clear();
  EXPECT_THAT(verifier.Verify(request), HoldsStatus(kInvalid, "prompt.reference_tokens"));
}

TEST(SequenceVerifierTest, ScoresThePromptsOfItsTask) {
  SequencePromptSource source({.target = SequenceTarget::kReverseFlip,
                               .reward = SequenceReward::kTerminal,
                               .vocab_size = 4,
                               .length = 6},
                              3);
  VerifyRequest request;
  request.prompt = *source.At(17);
  request.completions = {MakeCompletion(request.prompt.reference_tokens, 0)};
  EXPECT_EQ(VerifyOne(request).score, 1.0);
}

}  // namespace
}  // namespace tpo
