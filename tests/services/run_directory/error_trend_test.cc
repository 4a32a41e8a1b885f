#include "services/run_directory/error_trend.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace tpo {
namespace {

TEST(ErrorTrendTest, KnowsNothingBeforeTheFirstStep) {
  const ErrorTrend trend;
  EXPECT_FALSE(trend.moving_mean().has_value());
  EXPECT_FALSE(trend.final_mean().has_value());
  EXPECT_FALSE(trend.final_median().has_value());
  EXPECT_FALSE(trend.steps_to_level(0).has_value());
}

TEST(ErrorTrendTest, MeansAreOverTheirWindows) {
  ErrorTrend trend;
  for (int64_t step = 0; step < 100; ++step) trend.Add(step, static_cast<double>(step));
  EXPECT_DOUBLE_EQ(*trend.moving_mean(), 89.5);
  EXPECT_DOUBLE_EQ(*trend.final_mean(), 74.5);
  EXPECT_DOUBLE_EQ(*trend.final_median(), 74.5);
}

TEST(ErrorTrendTest, ShortRunsUseTheStepsThereAre) {
  ErrorTrend trend;
  trend.Add(0, 0.2);
  trend.Add(1, 0.6);
  trend.Add(2, 0.1);
  EXPECT_DOUBLE_EQ(*trend.final_mean(), 0.3);
  EXPECT_DOUBLE_EQ(*trend.final_median(), 0.2);
}

TEST(ErrorTrendTest, ALevelNeedsAFullWindowBelowIt) {
  ErrorTrend trend;
  // 30 bad steps, then perfect ones: the mean of 20 is below 50 % from the 11th perfect step on.
  for (int64_t step = 0; step < 30; ++step) trend.Add(step, 1.0);
  for (int64_t step = 30; step < 40; ++step) trend.Add(step, 0.0);
  EXPECT_FALSE(trend.steps_to_level(0).has_value());
  for (int64_t step = 40; step < 60; ++step) trend.Add(step, 0.0);
  EXPECT_EQ(trend.steps_to_level(0), 41);
  EXPECT_EQ(trend.steps_to_level(1), 49);
  EXPECT_EQ(trend.steps_to_level(2), 50);
}

TEST(ErrorTrendTest, ALuckyStartIsNotALevel) {
  ErrorTrend trend;
  for (int64_t step = 0; step < 19; ++step) trend.Add(step, 0.0);
  EXPECT_FALSE(trend.steps_to_level(2).has_value());
  trend.Add(19, 0.0);
  EXPECT_EQ(trend.steps_to_level(2), 20);
}

TEST(ErrorTrendTest, ALevelOnceReachedStays) {
  ErrorTrend trend;
  for (int64_t step = 0; step < 20; ++step) trend.Add(step, 0.3);
  for (int64_t step = 20; step < 80; ++step) trend.Add(step, 0.9);
  EXPECT_EQ(trend.steps_to_level(0), 20);
  EXPECT_FALSE(trend.steps_to_level(1).has_value());
}

}  // namespace
}  // namespace tpo
