#include "learner/batch.h"

#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/run_spec.h"

namespace tpo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Objective> Make(ObjectiveKind kind) {
  return MakeObjective({.kind = kind}).value();
}

Completion MakeCompletion(std::vector<TokenId> tokens, std::vector<float> log_probs) {
  Completion completion;
  completion.tokens = std::move(tokens);
  completion.behavior_log_probs = std::move(log_probs);
  completion.weight_versions = {{0, 0}};
  return completion;
}

// Two prompts, two completions each; the second completion of the second prompt has no score.
std::vector<ReadyGroup> TwoGroups() {
  std::vector<ReadyGroup> groups(2);
  for (int g = 0; g < 2; ++g) {
    groups[g].prompt.tokens = {g, 1};
    groups[g].group.completions = {MakeCompletion({0, 1}, {-0.25F, -0.5F}),
                                   MakeCompletion({1, 1}, {-1.0F, -2.0F})};
    groups[g].group.verdicts = {Verdict::Scored(1.0), Verdict::Scored(0.0)};
    groups[g].group.verdicts[0].token_rewards = {1.0F, 0.5F};
    groups[g].group.verdicts[1].token_rewards = {0.0F, 0.0F};
  }
  groups[1].group.verdicts[1] = Verdict::Unscored(VerdictKind::kFailed, "down");
  return groups;
}

std::vector<double> Vector(absl::Span<const double> span) { return {span.begin(), span.end()}; }

TEST(BatchTest, AnExponentDividesByAPowerOfTheLength) {
  auto groups = TwoGroups();
  groups[0].group.completions[1] = MakeCompletion({1, 1, 0, 1}, {-1.0F, -2.0F, -0.5F, -0.5F});
  const auto objective = Make(ObjectiveKind::kTpo);
  const Batch mean = Batch::Create(groups, *objective, 1.0).value();
  EXPECT_THAT(Vector(mean.anchor_log_probs()), ElementsAre(-0.375, -1.0, -0.375, 0.0));
  const Batch root = Batch::Create(groups, *objective, 0.5).value();
  EXPECT_DOUBLE_EQ(root.anchor_log_probs()[1], -2.0);
  EXPECT_EQ(root.TokenWeight(1), 0.5);
}

TEST(BatchTest, SequenceGroupsSumTheirTokensAndLeaveOutTheUnscored) {
  const auto groups = TwoGroups();
  const auto objective = Make(ObjectiveKind::kTpo);
  const Batch batch = Batch::Create(groups, *objective).value();
  const std::vector<double> log_probs(batch.entry_count());
  const ObjectiveInput input = batch.InputFor(log_probs);
  EXPECT_EQ(input.rows, 2);
  EXPECT_EQ(input.columns, 2);
  EXPECT_EQ(batch.sequences().size(), 3);
  EXPECT_THAT(Vector(input.anchor_log_probs), ElementsAre(-0.75, -3.0, -0.75, 0.0));
  EXPECT_THAT(Vector(input.scores), ElementsAre(1.0, 0.0, 1.0, 0.0));
  EXPECT_THAT(std::vector<uint8_t>(input.valid.begin(), input.valid.end()),
              ElementsAre(1, 1, 1, 0));
  EXPECT_EQ(batch.Entry(2, 0), 2);
  EXPECT_EQ(batch.Entry(2, 1), 2);
  EXPECT_EQ(batch.TokenWeight(0), 1.0);
}

TEST(BatchTest, TokenObjectivesGetARowPerCompletion) {
  const auto groups = TwoGroups();
  const auto objective = Make(ObjectiveKind::kPpo);
  const Batch batch = Batch::Create(groups, *objective).value();
  const std::vector<double> log_probs(batch.entry_count());
  const ObjectiveInput input = batch.InputFor(log_probs);
  EXPECT_EQ(input.rows, 3);
  EXPECT_EQ(input.columns, 2);
  EXPECT_THAT(Vector(input.scores), ElementsAre(1.0, 0.5, 0.0, 0.0, 1.0, 0.5));
  EXPECT_EQ(batch.Entry(2, 1), 5);
}

TEST(BatchTest, TokenLevelObjectivesGetARowPerPrefixState) {
  auto groups = TwoGroups();
  groups.pop_back();
  groups[0].group.completions.pop_back();
  groups[0].group.verdicts.pop_back();
  Completion& completion = groups[0].group.completions[0];
  completion.candidate_tokens = {0, 1, 1, 1, 0, 0};
  completion.candidate_log_probs = {-1.0F, -2.0F, -2.0F, -3.0F, -4.0F, -4.0F};
  groups[0].group.verdicts[0].token_rewards = {0.0F, 1.0F, 1.0F, 1.0F, 0.0F, 0.0F};
  const auto objective = Make(ObjectiveKind::kTpoToken);
  const Batch batch = Batch::Create(groups, *objective).value();
  const std::vector<double> log_probs(batch.entry_count());
  const ObjectiveInput input = batch.InputFor(log_probs);
  EXPECT_EQ(input.rows, 2);
  EXPECT_EQ(input.columns, 3);
  EXPECT_THAT(Vector(input.anchor_log_probs), ElementsAre(-1, -2, -2, -3, -4, -4));
  EXPECT_THAT(Vector(input.scores), ElementsAre(0, 1, 1, 1, 0, 0));
}

TEST(BatchTest, KeepsWhatWasRecordedTokenByToken) {
  const auto groups = TwoGroups();
  const auto objective = Make(ObjectiveKind::kTpo);
  const Batch batch = Batch::Create(groups, *objective).value();
  EXPECT_EQ(batch.scored_count(), 6);
  const auto recorded = batch.recorded_log_probs(1);
  EXPECT_THAT(std::vector<float>(recorded.begin(), recorded.end()), ElementsAre(-1.0F, -2.0F));
}

TEST(BatchTest, RefusesGroupsWithoutTheRewardsThatTheObjectiveNeeds) {
  auto groups = TwoGroups();
  groups[0].prompt.id = 17;
  groups[0].group.prompt_id = 17;
  groups[0].group.verdicts[1].token_rewards.clear();
  const auto objective = Make(ObjectiveKind::kPg);
  const auto batch = Batch::Create(groups, *objective);
  EXPECT_EQ(batch.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(batch.status().message()), HasSubstr("prompt 17, completion 1"));
}

}  // namespace
}  // namespace tpo
