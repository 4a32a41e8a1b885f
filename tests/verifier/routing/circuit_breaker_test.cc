#include "verifier/routing/circuit_breaker.h"

#include <gtest/gtest.h>

namespace tpo {
namespace {

using State = CircuitBreaker::State;

constexpr absl::Duration kOpenTime = absl::Seconds(10);

class CircuitBreakerTest : public testing::Test {
 protected:
  void Fail() { breaker_.OnFailure(breaker_.OnStarted(now_), now_); }
  void Succeed() { breaker_.OnSuccess(breaker_.OnStarted(now_)); }
  void Open() {
    for (int i = 0; i < 3; ++i) Fail();
    ASSERT_EQ(breaker_.StateAt(now_), State::kOpen);
  }

  absl::Duration now_ = absl::Hours(7);
  CircuitBreaker breaker_{{.failures = 3, .failure_ratio = 0.5, .open_time = kOpenTime}};
};

TEST_F(CircuitBreakerTest, OpensAfterFailuresInARowOnly) {
  for (int i = 0; i < 100; ++i) {
    Fail();
    Succeed();
    Succeed();
    Succeed();
  }
  Fail();
  Fail();
  EXPECT_EQ(breaker_.StateAt(now_), State::kClosed);
  EXPECT_TRUE(breaker_.Admits(now_));
  Fail();
  EXPECT_EQ(breaker_.StateAt(now_), State::kOpen);
  EXPECT_FALSE(breaker_.Admits(now_));
  EXPECT_EQ(breaker_.AdmitsFrom(), now_ + kOpenTime);
}

TEST_F(CircuitBreakerTest, OpensWhenTooManyOfTheLastFail) {
  // Two of four, never three in a row; the last of a full window is one.
  for (int i = 0; i < CircuitBreaker::kWindow / 4; ++i) {
    ASSERT_EQ(breaker_.StateAt(now_), State::kClosed) << i;
    Succeed();
    Succeed();
    Fail();
    Fail();
  }
  EXPECT_EQ(breaker_.StateAt(now_), State::kOpen);
}

TEST_F(CircuitBreakerTest, LetsOneProbeThroughAfterAWhile) {
  Open();
  now_ += kOpenTime - absl::Nanoseconds(1);
  EXPECT_FALSE(breaker_.Admits(now_));
  now_ += absl::Nanoseconds(1);
  EXPECT_EQ(breaker_.StateAt(now_), State::kHalfOpen);
  ASSERT_TRUE(breaker_.Admits(now_));
  const CircuitBreaker::Ticket probe = breaker_.OnStarted(now_);
  EXPECT_FALSE(breaker_.Admits(now_ + absl::Hours(1))) << "one at a time";
  EXPECT_EQ(breaker_.AdmitsFrom(), absl::InfiniteDuration());
  breaker_.OnSuccess(probe);
  EXPECT_EQ(breaker_.StateAt(now_), State::kClosed);
  Fail();
  Fail();
  EXPECT_EQ(breaker_.StateAt(now_), State::kClosed) << "the old failures are forgotten";
}

TEST_F(CircuitBreakerTest, AProbeThatFailsOpensItAgain) {
  Open();
  now_ += kOpenTime;
  Fail();
  EXPECT_EQ(breaker_.StateAt(now_), State::kOpen);
  EXPECT_EQ(breaker_.AdmitsFrom(), now_ + kOpenTime);
}

TEST_F(CircuitBreakerTest, AProbeThatSaysNothingMakesWayForAnother) {
  Open();
  now_ += kOpenTime;
  breaker_.OnNothingLearnt(breaker_.OnStarted(now_));
  EXPECT_EQ(breaker_.StateAt(now_), State::kHalfOpen);
  EXPECT_TRUE(breaker_.Admits(now_));
}

TEST_F(CircuitBreakerTest, WhatBeganBeforeItOpenedCountsNoMore) {
  const CircuitBreaker::Ticket old_success = breaker_.OnStarted(now_);
  const CircuitBreaker::Ticket old_failure = breaker_.OnStarted(now_);
  Open();
  breaker_.OnSuccess(old_success);
  EXPECT_EQ(breaker_.StateAt(now_), State::kOpen);
  breaker_.OnFailure(old_failure, now_ + absl::Seconds(5));
  EXPECT_EQ(breaker_.AdmitsFrom(), now_ + kOpenTime);
  now_ += kOpenTime;
  const CircuitBreaker::Ticket probe = breaker_.OnStarted(now_);
  breaker_.OnNothingLearnt(old_failure);
  EXPECT_FALSE(breaker_.Admits(now_)) << "the probe is still under way";
  breaker_.OnSuccess(probe);
  breaker_.OnFailure(old_failure, now_);
  EXPECT_EQ(breaker_.StateAt(now_), State::kClosed);
}

TEST_F(CircuitBreakerTest, ZeroSwitchesARuleOff) {
  CircuitBreaker never({.failures = 0, .failure_ratio = 0.0, .open_time = kOpenTime});
  for (int i = 0; i < 1000; ++i) never.OnFailure(never.OnStarted(now_), now_);
  EXPECT_EQ(never.StateAt(now_), State::kClosed);
}

}  // namespace
}  // namespace tpo
