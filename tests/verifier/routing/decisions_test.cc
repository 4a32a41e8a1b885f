// The small pure parts: quantile, budget, retries, patterns, choice of a replica.
#include <gtest/gtest.h>

#include <set>

#include "gmock/gmock.h"
#include "verifier/routing/hedge_budget.h"
#include "verifier/routing/latency_quantile.h"
#include "verifier/routing/replica_set.h"
#include "verifier/routing/retry_policy.h"
#include "verifier/routing/task_pattern.h"

namespace tpo {
namespace {

double Milliseconds(const LatencyQuantile& quantile) {
  return absl::ToDoubleMilliseconds(quantile.Value().value());
}

TEST(LatencyQuantile, NeedsSomeSamples) {
  LatencyQuantile p95(0.95);
  for (int i = 1; i < LatencyQuantile::kFewestSamples; ++i) {
    p95.Record(absl::Milliseconds(5));
    EXPECT_FALSE(p95.Value().has_value());
  }
  p95.Record(absl::Milliseconds(5));
  EXPECT_TRUE(p95.Value().has_value());
}

TEST(LatencyQuantile, IsAtMostATenthAboveTheQuantile) {
  LatencyQuantile p95(0.95);
  LatencyQuantile median(0.5);
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration latency = absl::Milliseconds(1 + (i * 37) % 100);
    p95.Record(latency);
    median.Record(latency);
  }
  EXPECT_GE(Milliseconds(p95), 95);
  EXPECT_LE(Milliseconds(p95), 95 * 1.11);
  EXPECT_GE(Milliseconds(median), 50);
  EXPECT_LE(Milliseconds(median), 50 * 1.11);
}

TEST(LatencyQuantile, FollowsAVerifierThatBecomesFaster) {
  LatencyQuantile p95(0.95);
  for (int i = 0; i < 5000; ++i) p95.Record(absl::Seconds(2));
  EXPECT_GE(Milliseconds(p95), 2000);
  for (int i = 0; i < 10 * LatencyQuantile::kWindow; ++i) p95.Record(absl::Milliseconds(10));
  EXPECT_LE(Milliseconds(p95), 11.1);
}

TEST(LatencyQuantile, TakesAnyDuration) {
  LatencyQuantile p95(0.95);
  for (int i = 0; i < 50; ++i) {
    p95.Record(absl::ZeroDuration());
    p95.Record(absl::Hours(1000));
  }
  EXPECT_GT(p95.Value().value(), absl::Hours(1));
}

TEST(HedgeBudget, BoundsHedgesByAttempts) {
  HedgeBudget budget(0.05);
  int hedges = 0;
  for (int i = 0; i < 1000; ++i) {
    budget.OnAttempt();
    if (budget.TryTake()) ++hedges;
  }
  EXPECT_LE(hedges, 1 + 50);
  EXPECT_GE(hedges, 50);
}

TEST(HedgeBudget, SavesLittle) {
  HedgeBudget budget(0.05);
  for (int i = 0; i < 100000; ++i) budget.OnAttempt();
  int hedges = 0;
  while (budget.TryTake()) ++hedges;
  EXPECT_EQ(hedges, static_cast<int>(HedgeBudget::kMostSaved));
}

TEST(HedgeBudget, NothingIsNothing) {
  HedgeBudget budget(0.0);
  for (int i = 0; i < 1000; ++i) budget.OnAttempt();
  EXPECT_FALSE(budget.TryTake());
}

TEST(RetryPolicy, SaysWhatMayBeTriedAgain) {
  const auto end = [](absl::StatusCode code, bool reached = true) {
    return EndOf(absl::Status(code, "x"), reached);
  };
  EXPECT_EQ(end(absl::StatusCode::kOk), AttemptEnd::kAnswered);
  EXPECT_EQ(end(absl::StatusCode::kInvalidArgument), AttemptEnd::kRefused);
  EXPECT_EQ(end(absl::StatusCode::kResourceExhausted), AttemptEnd::kNotTaken);
  EXPECT_EQ(end(absl::StatusCode::kUnavailable, /*reached=*/false), AttemptEnd::kNotTaken);
  EXPECT_EQ(end(absl::StatusCode::kUnavailable), AttemptEnd::kMayHelpToRetry);
  EXPECT_EQ(end(absl::StatusCode::kAborted), AttemptEnd::kMayHelpToRetry);
  EXPECT_EQ(end(absl::StatusCode::kCancelled), AttemptEnd::kMayHelpToRetry);
  EXPECT_EQ(end(absl::StatusCode::kDeadlineExceeded), AttemptEnd::kMayHelpToRetry);
  EXPECT_EQ(end(absl::StatusCode::kInternal), AttemptEnd::kFailed);
  EXPECT_EQ(end(absl::StatusCode::kUnimplemented), AttemptEnd::kFailed);
  EXPECT_EQ(end(absl::StatusCode::kUnauthenticated), AttemptEnd::kFailed);
}

TEST(RetryPolicy, PausesDoubleUpToACapWithFullJitter) {
  const BackoffOptions options = {.first = absl::Milliseconds(10), .longest = absl::Seconds(1)};
  EXPECT_EQ(PauseAfter(1, options, 0.0), absl::ZeroDuration());
  EXPECT_EQ(PauseAfter(1, options, 0.5), absl::Milliseconds(5));
  EXPECT_EQ(PauseAfter(2, options, 0.5), absl::Milliseconds(10));
  EXPECT_EQ(PauseAfter(4, options, 0.5), absl::Milliseconds(40));
  EXPECT_EQ(PauseAfter(8, options, 0.5), absl::Milliseconds(500));
  EXPECT_EQ(PauseAfter(1'000'000, options, 0.5), absl::Milliseconds(500));
}

TEST(TaskPattern, MatchesNamesAndPrefixes) {
  EXPECT_TRUE(MatchesTask("math/easy", "math/easy"));
  EXPECT_FALSE(MatchesTask("math/easy", "math/easy2"));
  EXPECT_TRUE(MatchesTask("math/*", "math/easy"));
  EXPECT_TRUE(MatchesTask("math/*", "math/"));
  EXPECT_FALSE(MatchesTask("math/*", "maths"));
  EXPECT_TRUE(MatchesTask("*", ""));
  EXPECT_TRUE(MatchesAnyTask({"a", "math/*"}, "math/x"));
  EXPECT_FALSE(MatchesAnyTask({}, "math/x"));
}

TEST(TaskPattern, KnowsWhatOverlaps) {
  EXPECT_TRUE(Overlap("math/*", "math/hard/*"));
  EXPECT_TRUE(Overlap("math/hard/*", "math/*"));
  EXPECT_TRUE(Overlap("*", "code"));
  EXPECT_TRUE(Overlap("code", "code"));
  EXPECT_FALSE(Overlap("code", "code/*"));
  EXPECT_FALSE(Overlap("math/*", "code/*"));
}

class ReplicaSetTest : public testing::Test {
 protected:
  size_t Start(const std::vector<size_t>& avoid = {}) {
    const std::optional<size_t> replica = set_.Pick(now_, avoid);
    EXPECT_TRUE(replica.has_value());
    tickets_[*replica] = set_.OnStarted(*replica, now_);
    return *replica;
  }
  void Break(size_t replica) {
    while (set_.BreakerState(replica, now_) == CircuitBreaker::State::kClosed) {
      const size_t picked = Start({(replica + 1) % 3, (replica + 2) % 3});
      ASSERT_EQ(picked, replica);
      set_.OnEnded(replica, tickets_[replica], ReplicaSet::Lesson::kFails, now_);
    }
  }

  absl::Duration now_ = absl::Seconds(1);
  ReplicaSet set_{3,
                  {.failures = 2, .failure_ratio = 0.0, .open_time = absl::Seconds(5)},
                  /*max_in_flight=*/4};
  CircuitBreaker::Ticket tickets_[3] = {};
};

TEST_F(ReplicaSetTest, TakesTheOneWithTheFewestInProgress) {
  std::multiset<size_t> picked;
  for (int i = 0; i < 6; ++i) picked.insert(Start());
  for (size_t replica = 0; replica < 3; ++replica) EXPECT_EQ(picked.count(replica), 2U);
  set_.OnEnded(1, tickets_[1], ReplicaSet::Lesson::kWorks, now_);
  EXPECT_EQ(Start(), 1U);
}

TEST_F(ReplicaSetTest, EqualsTakeTurns) {
  std::set<size_t> picked;
  for (int i = 0; i < 3; ++i) {
    const size_t replica = Start();
    picked.insert(replica);
    set_.OnEnded(replica, tickets_[replica], ReplicaSet::Lesson::kWorks, now_);
  }
  EXPECT_EQ(picked.size(), 3U);
}

TEST_F(ReplicaSetTest, AvoidsWhileThereIsAnother) {
  EXPECT_EQ(Start({0, 1}), 2U);
  EXPECT_EQ(Start({0, 1}), 2U) << "though it has more to do";
  Break(2);
  EXPECT_NE(Start({0, 1}), 2U);
}

TEST_F(ReplicaSetTest, IsFullAtTheBound) {
  for (int i = 0; i < 12; ++i) Start();
  EXPECT_FALSE(set_.CanTake(now_));
  EXPECT_EQ(set_.Pick(now_, {}), std::nullopt);
  EXPECT_FALSE(set_.AllBroken(now_)) << "only busy";
  set_.OnEnded(2, tickets_[2], ReplicaSet::Lesson::kWorks, now_);
  EXPECT_EQ(Start(), 2U);
}

TEST_F(ReplicaSetTest, KnowsWhenAllAreBrokenAndWhenToProbe) {
  Break(0);
  now_ += absl::Seconds(1);
  Break(1);
  EXPECT_EQ(Start(), 2U);
  EXPECT_EQ(Start(), 2U);
  EXPECT_FALSE(set_.AllBroken(now_));
  Break(2);
  EXPECT_TRUE(set_.AllBroken(now_));
  EXPECT_FALSE(set_.CanTake(now_));
  EXPECT_EQ(set_.NextProbe(now_), absl::Seconds(6));
  now_ = absl::Seconds(6);
  EXPECT_EQ(Start(), 0U);
  EXPECT_FALSE(set_.CanTake(now_)) << "one probe at a time";
  EXPECT_EQ(set_.NextProbe(now_), absl::Seconds(7));
}

}  // namespace
}  // namespace tpo
