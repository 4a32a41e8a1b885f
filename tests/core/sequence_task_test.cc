#include "core/sequence_task.h"

#include <numeric>

#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
using Tokens = std::vector<TokenId>;

SequenceTaskSpec Spec(int vocab_size, int length) {
  return {.target = SequenceTarget::kReverseCopy,
          .reward = SequenceReward::kTerminal,
          .vocab_size = vocab_size,
          .length = length};
}

TEST(SequenceTaskTest, TargetsRearrangeThePrompt) {
  const Tokens prompt = {0, 3, 1};
  EXPECT_THAT(SequenceTargetAnswer(SequenceTarget::kCopy, 4, prompt), ElementsAre(0, 3, 1));
  EXPECT_THAT(SequenceTargetAnswer(SequenceTarget::kFlip, 4, prompt), ElementsAre(3, 0, 2));
  EXPECT_THAT(SequenceTargetAnswer(SequenceTarget::kReverseCopy, 4, prompt), ElementsAre(1, 3, 0));
  EXPECT_THAT(SequenceTargetAnswer(SequenceTarget::kReverseFlip, 4, prompt), ElementsAre(2, 0, 3));
}

TEST(SequenceTaskTest, RewardsAnAnswerTokenByToken) {
  const Tokens target = {1, 0, 1, 1};
  const Tokens answer = {1, 0, 0, 1};
  EXPECT_THAT(SequenceTokenRewards(SequenceReward::kBagOfTokens, target, answer),
              ElementsAre(1, 1, 0, 1));
  EXPECT_THAT(SequenceTokenRewards(SequenceReward::kSequential, target, answer),
              ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(SequenceTokenRewards(SequenceReward::kTerminal, target, answer),
              ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(SequenceTokenRewards(SequenceReward::kTerminal, target, target),
              ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(SequenceScore(SequenceReward::kBagOfTokens, target, answer), 0.75);
  EXPECT_EQ(SequenceScore(SequenceReward::kSequential, target, answer), 0.5);
  EXPECT_EQ(SequenceScore(SequenceReward::kTerminal, target, answer), 0.0);
  EXPECT_EQ(SequenceScore(SequenceReward::kTerminal, target, target), 1.0);
}

TEST(SequenceTaskTest, MissingTokensEarnNothing) {
  const Tokens target = {1, 0, 1, 1};
  for (const auto reward : {SequenceReward::kBagOfTokens, SequenceReward::kSequential}) {
    EXPECT_THAT(SequenceTokenRewards(reward, target, {1, 0}), ElementsAre(1, 1));
    EXPECT_EQ(SequenceScore(reward, target, {1, 0}), 0.5);
    EXPECT_EQ(SequenceScore(reward, target, {}), 0.0);
  }
  EXPECT_THAT(SequenceTokenRewards(SequenceReward::kTerminal, target, {1, 0}), ElementsAre(0, 0));
}

TEST(SequenceTaskTest, SurplusTokensEarnNothingAndCost) {
  const Tokens target = {1, 0};
  EXPECT_THAT(SequenceTokenRewards(SequenceReward::kBagOfTokens, target, {1, 0, 0, 1}),
              ElementsAre(1, 1, 0, 0));
  EXPECT_EQ(SequenceScore(SequenceReward::kSequential, target, {1, 0, 0, 1}), 0.5);
  EXPECT_EQ(SequenceScore(SequenceReward::kTerminal, target, {1, 0, 0}), 0.0);
}

TEST(SequenceTaskTest, RewardsEveryCandidateOfAPosition) {
  const Tokens target = {1, 0, 1};
  const Tokens answer = {1, 1, 1};  // wrong at the second position
  const Tokens candidates = {1, 0,  // candidate 0 is the answer's token
                             1, 0,  //
                             1, 1};
  EXPECT_THAT(*SequenceCandidateRewards(SequenceReward::kBagOfTokens, target, answer, candidates),
              ElementsAre(1, 0, 0, 1, 1, 1));
  // The other candidate of the second position is right: that prefix was still alive. The third
  // isn't any more.
  EXPECT_THAT(*SequenceCandidateRewards(SequenceReward::kSequential, target, answer, candidates),
              ElementsAre(1, 0, 0, 1, 0, 0));
}

TEST(SequenceTaskTest, CandidatesPastTheWantedLengthEarnNothing) {
  EXPECT_THAT(*SequenceCandidateRewards(SequenceReward::kBagOfTokens, {1}, {1, 0}, {1, 1, 0, 0}),
              ElementsAre(1, 1, 0, 0));
}

TEST(SequenceTaskTest, RefusesCandidatesThatMakeNoSense) {
  EXPECT_THAT(SequenceCandidateRewards(SequenceReward::kTerminal, {1, 0}, {1, 0}, {1, 0}),
              HoldsStatus(kInvalid, "terminal"));
  EXPECT_THAT(SequenceCandidateRewards(SequenceReward::kBagOfTokens, {1, 0}, {1, 0}, {1, 0, 1}),
              HoldsStatus(kInvalid, "candidate_tokens: 3"));
  EXPECT_THAT(SequenceCandidateRewards(SequenceReward::kBagOfTokens, {1, 0}, {1, 0}, {}),
              HoldsStatus(kInvalid, "candidate_tokens: 0"));
  EXPECT_THAT(SequenceCandidateRewards(SequenceReward::kBagOfTokens, {1, 0}, {}, {1}),
              HoldsStatus(kInvalid, "candidate_tokens: 1"));
}

TEST(SequenceTaskTest, NamesAndParsesAllTasks) {
  EXPECT_EQ(SequenceTaskName(
                {.target = SequenceTarget::kReverseCopy, .reward = SequenceReward::kTerminal}),
            "sequence/reverse_copy/terminal");
  for (const auto target : {SequenceTarget::kCopy, SequenceTarget::kFlip,
                            SequenceTarget::kReverseCopy, SequenceTarget::kReverseFlip}) {
    for (const auto reward :
         {SequenceReward::kBagOfTokens, SequenceReward::kSequential, SequenceReward::kTerminal}) {
      const SequenceTaskKind kind = {.target = target, .reward = reward};
      const auto parsed = ParseSequenceTaskName(SequenceTaskName(kind));
      ASSERT_TRUE(parsed.ok()) << parsed.status();
      EXPECT_EQ(*parsed, kind);
    }
  }
  for (const char* name : {"", "sequence", "sequence/copy", "sequence/copy/terminal/x",
                           "sequence/copy/best", "sequence/kopy/terminal", "math/copy/terminal"}) {
    EXPECT_THAT(ParseSequenceTaskName(name), HoldsStatus(kInvalid, "reverse_flip")) << name;
  }
}

TEST(SequenceTaskTest, ValidatesTheSpec) {
  EXPECT_TRUE(ValidateSequenceTask(Spec(2, 7)).ok());
  EXPECT_THAT(ValidateSequenceTask(Spec(0, 7)), IsStatus(kInvalid, "vocab_size"));
  EXPECT_THAT(ValidateSequenceTask(Spec(2, 0)), IsStatus(kInvalid, "length"));
}

TEST(SequencePromptSourceTest, APromptCarriesAllThatAVerifierNeeds) {
  SequencePromptSource source(Spec(5, 7), 11);
  const auto prompt = source.At(42);
  ASSERT_TRUE(prompt.ok());
  EXPECT_EQ(prompt->id, 42);
  EXPECT_EQ(prompt->task, "sequence/reverse_copy/terminal");
  ASSERT_EQ(prompt->tokens.size(), 7);
  EXPECT_THAT(prompt->tokens, Each(testing::AllOf(testing::Ge(0), testing::Lt(5))));
  EXPECT_EQ(prompt->reference_tokens, Tokens(prompt->tokens.rbegin(), prompt->tokens.rend()));
  EXPECT_EQ(prompt->metadata.at("vocab_size"), "5");
}

TEST(SequencePromptSourceTest, IsAPureFunctionOfSeedAndIndex) {
  SequencePromptSource source(Spec(16, 10), 11);
  SequencePromptSource same(Spec(16, 10), 11);
  SequencePromptSource other(Spec(16, 10), 12);
  const Prompt third = *source.At(3);
  EXPECT_NE(third.tokens, source.At(4)->tokens);
  EXPECT_EQ(third, *source.At(3));
  EXPECT_EQ(third, *same.At(3));
  EXPECT_NE(third.tokens, other.At(3)->tokens);
}

TEST(SequencePromptSourceTest, DrawsAllTokensEquallyOften) {
  constexpr int kVocab = 4;
  constexpr int kPrompts = 2000;
  constexpr int kLength = 8;
  SequencePromptSource source(Spec(kVocab, kLength), 0);
  std::vector<int> counts(kVocab, 0);
  for (uint64_t i = 0; i < kPrompts; ++i) {
    const Prompt prompt = *source.At(i);
    for (const TokenId token : prompt.tokens) ++counts[static_cast<size_t>(token)];
  }
  // Six standard deviations.
  for (const int count : counts) EXPECT_NEAR(count, kPrompts * kLength / kVocab, 330);
}

}  // namespace
}  // namespace tpo
