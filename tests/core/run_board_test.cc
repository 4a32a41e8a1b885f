#include "core/run_board.h"

#include <string>

#include "gtest/gtest.h"

namespace tpo {
namespace {

StepRecord Step(int64_t step) {
  StepRecord record;
  record.step = step;
  record.reward_mean = static_cast<double>(step);
  return record;
}

TEST(RunBoard, KeepsTheNewestStepAndABoundedEvenSample) {
  FakeClock clock;
  RunBoard board(&clock);
  for (int64_t step = 0; step <= 10'000; ++step) {
    board.OnStep(Step(step));
    const RunDetails now = board.Read();
    ASSERT_EQ(now.steps.back().step, step);
    ASSERT_LE(now.steps.size(), RunBoard::kMostSteps);
  }
  const std::vector<StepFigures> steps = board.Read().steps;
  EXPECT_GT(steps.size(), RunBoard::kMostSteps / 2);
  EXPECT_EQ(steps.front().step, 0);
  const int64_t stride = steps[1].step - steps[0].step;
  for (size_t i = 1; i + 1 < steps.size(); ++i)
    EXPECT_EQ(steps[i].step - steps[i - 1].step, stride) << i;
  EXPECT_LE(steps.back().step - steps[steps.size() - 2].step, stride);
}

TEST(RunBoard, CountsVerdictsWithoutAScore) {
  FakeClock clock;
  RunBoard board(&clock);
  StepRecord record = Step(0);
  record.verdicts = {
      {VerdictKind::kScored, 6}, {VerdictKind::kFailed, 1}, {VerdictKind::kTimedOut, 1}};
  board.OnStep(record);
  EXPECT_DOUBLE_EQ(board.Read().steps.back().unscored_fraction, 0.25);
}

TEST(RunBoard, KeepsTheGroupsOfTheLastStepThatHadAny) {
  FakeClock clock;
  RunBoard board(&clock);
  StepRecord record = Step(4);
  InspectedGroup group;
  group.step = 4;
  group.prompt.id = 17;
  group.prompt.tokens = {1, 0, 1};
  group.completions.resize(2);
  group.completions[0].text = "because";
  group.completions[0].verdict = Verdict::Scored(0.5);
  group.completions[0].target_probability = 0.75;
  group.completions[1].tokens = {2, 3};
  group.completions[1].verdict = Verdict::Unscored(VerdictKind::kFailed, "why");
  record.inspected_groups.assign(RunBoard::kMostGroups + 3, group);
  board.OnStep(record);
  board.OnStep(Step(5));
  const RunDetails details = board.Read();
  ASSERT_EQ(details.groups.size(), RunBoard::kMostGroups);
  const GroupFigures& shown = details.groups.front();
  EXPECT_EQ(shown.step, 4);
  EXPECT_EQ(shown.prompt_id, 17u);
  EXPECT_EQ(shown.prompt, "1 0 1");
  ASSERT_EQ(shown.completions.size(), 2u);
  EXPECT_EQ(shown.completions[0].text, "because");
  EXPECT_EQ(shown.completions[0].score, 0.5);
  EXPECT_EQ(shown.completions[0].target_probability, 0.75);
  EXPECT_EQ(shown.completions[1].text, "2 3");
  EXPECT_EQ(shown.completions[1].verdict, VerdictKind::kFailed);
}

TEST(RunBoard, HoldsOnlyTheBeginningOfLongTextsAndGroups) {
  FakeClock clock;
  RunBoard board(&clock);
  StepRecord record = Step(0);
  InspectedGroup group;
  group.prompt.text.assign(1 << 20, 'x');
  group.completions.resize(RunBoard::kMostCompletions + 1);
  group.completions[0].tokens.assign(1 << 20, 12345);
  record.inspected_groups = {group};
  board.OnStep(record);
  const GroupFigures shown = board.Read().groups.front();
  EXPECT_EQ(shown.prompt.size(), RunBoard::kMostTextBytes);
  EXPECT_TRUE(shown.prompt.ends_with("…"));
  EXPECT_LE(shown.completions[0].text.size(), RunBoard::kMostTextBytes);
  EXPECT_EQ(shown.completions.size(), RunBoard::kMostCompletions);
}

TEST(RunBoard, CutsTextBetweenCharacters) {
  std::string text;
  while (text.size() < 300) text += "é";
  for (size_t shift = 0; shift < 4; ++shift) {
    const std::string cut = Beginning(std::string(shift, 'a') + text, {});
    EXPECT_LE(cut.size(), RunBoard::kMostTextBytes);
    const std::string before = cut.substr(0, cut.size() - std::string("…").size());
    EXPECT_EQ((before.size() - shift) % 2, 0u) << "no half of a character";
  }
  EXPECT_EQ(Beginning("short", {1}), "short");
  EXPECT_EQ(Beginning(std::string(200, 'a'), {}), std::string(200, 'a'));
}

TEST(RunBoard, TellsTheAgeOfTheLastCheckpointThatSucceeded) {
  FakeClock clock;
  RunBoard board(&clock);
  EXPECT_FALSE(board.Read().checkpoint_step.has_value());
  board.OnCheckpoint(10, 0.1, "");
  clock.Advance(absl::Seconds(7));
  board.OnCheckpoint(20, 0.1, "disk full");
  EXPECT_EQ(board.Read().checkpoint_step, 10);
  EXPECT_EQ(board.Read().checkpoint_age, absl::Seconds(7));
}

}  // namespace
}  // namespace tpo
