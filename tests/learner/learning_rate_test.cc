#include "learner/learning_rate.h"

#include <gtest/gtest.h>

namespace tpo {
namespace {

TEST(LearningRateTest, WithoutAScheduleItNeverChanges) {
  for (const int64_t step : {0, 1, 99}) EXPECT_EQ(LearningRateFactor({}, step, 100), 1.0);
}

TEST(LearningRateTest, TheWarmUpRisesInEqualStepsAndEndsAtTheWhole) {
  const ScheduleSpec schedule = {.warmup_steps = 4};
  EXPECT_EQ(LearningRateFactor(schedule, 0, 100), 0.25);
  EXPECT_EQ(LearningRateFactor(schedule, 1, 100), 0.5);
  EXPECT_EQ(LearningRateFactor(schedule, 3, 100), 1.0);
  EXPECT_EQ(LearningRateFactor(schedule, 4, 100), 1.0);
}

TEST(LearningRateTest, ALineGoesFromTheWholeToItsLastFraction) {
  const ScheduleSpec schedule = {
      .shape = ScheduleShape::kLinear, .warmup_steps = 2, .final_fraction = 0.2};
  EXPECT_EQ(LearningRateFactor(schedule, 2, 12), 1.0);
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 7, 12), 0.6);
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 11, 12), 0.28);
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 12, 12), 0.2);
}

TEST(LearningRateTest, ACosineHasItsMiddleInTheMiddle) {
  const ScheduleSpec schedule = {.shape = ScheduleShape::kCosine};
  EXPECT_EQ(LearningRateFactor(schedule, 0, 10), 1.0);
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 5, 10), 0.5);
  EXPECT_NEAR(LearningRateFactor(schedule, 10, 10), 0.0, 1e-15);
  // Flat at both ends.
  EXPECT_GT(LearningRateFactor(schedule, 1, 10), 0.97);
}

TEST(LearningRateTest, ShortRunsAndStepsBeyondTheLastStayInRange) {
  for (const ScheduleShape shape : {ScheduleShape::kLinear, ScheduleShape::kCosine}) {
    const ScheduleSpec schedule = {.shape = shape, .warmup_steps = 3, .final_fraction = 0.5};
    for (int64_t steps = 1; steps < 6; ++steps) {
      for (int64_t step = 0; step < 10; ++step) {
        const double factor = LearningRateFactor(schedule, step, steps);
        EXPECT_GT(factor, 0.0);
        EXPECT_LE(factor, 1.0);
      }
    }
  }
}

}  // namespace
}  // namespace tpo
