#include "verifier/routing/group_call.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Want = GroupCall::Want;

constexpr absl::Duration kDeadline = absl::Seconds(10);
constexpr double kNoJitter = 0.0;

class GroupCallTest : public testing::Test {
 protected:
  GroupCall::Decision Decide() { return call_.Decide(now_, hedge_after_); }
  Want Wants() { return Decide().want; }
  void Start(uint64_t attempt, size_t replica = 0) { call_.OnStarted(attempt, replica, now_); }
  void End(uint64_t attempt, const absl::Status& status, bool reached = true,
           double jitter = kNoJitter) {
    call_.OnEnded(attempt, status, reached, now_, jitter);
  }

  absl::Duration now_ = absl::ZeroDuration();
  std::optional<absl::Duration> hedge_after_;
  GroupCall call_{
      {.max_attempts = 3, .backoff = {.first = absl::Seconds(1), .longest = absl::Seconds(4)}},
      kDeadline};
};

TEST_F(GroupCallTest, AnAnswerEndsIt) {
  EXPECT_EQ(Wants(), Want::kAttempt);
  Start(1);
  EXPECT_EQ(Wants(), Want::kNothing);
  EXPECT_EQ(Decide().wake_at, kDeadline);
  End(1, absl::OkStatus());
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_TRUE(call_.outcome().ok());
}

TEST_F(GroupCallTest, PausesBetweenAttempts) {
  Start(1, 7);
  End(1, absl::UnavailableError("gone"), true, 0.5);
  EXPECT_EQ(Wants(), Want::kNothing);
  EXPECT_EQ(Decide().wake_at, absl::Milliseconds(500));
  EXPECT_THAT(call_.ReplicasToAvoid(), ElementsAre(7));
  now_ = absl::Milliseconds(500);
  EXPECT_EQ(Wants(), Want::kAttempt);
  Start(2);
  End(2, absl::AbortedError("again"), true, 0.5);
  EXPECT_EQ(Decide().wake_at, absl::Milliseconds(1500));
}

TEST_F(GroupCallTest, GivesUpAfterItsAttempts) {
  for (uint64_t attempt = 1; attempt <= 3; ++attempt) {
    ASSERT_EQ(Wants(), Want::kAttempt);
    Start(attempt);
    End(attempt, absl::UnavailableError("gone"));
  }
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_THAT(call_.outcome(), IsStatus(absl::StatusCode::kUnavailable, "gone"));
}

TEST_F(GroupCallTest, WhatWasNotTakenIsTriedUntilTheDeadline) {
  uint64_t attempt = 0;
  for (; attempt < 100; ++attempt) {
    ASSERT_EQ(Wants(), Want::kAttempt);
    Start(attempt);
    if (attempt % 2 == 0) {
      End(attempt, absl::ResourceExhaustedError("busy"));
    } else {
      End(attempt, absl::UnavailableError("refused"), /*reached=*/false);
    }
  }
  now_ = kDeadline;
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_THAT(call_.outcome(), IsStatus(absl::StatusCode::kUnavailable, "refused"));
}

TEST_F(GroupCallTest, SomeFailuresAreFinal) {
  Start(1);
  End(1, absl::InternalError("a bug"));
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_THAT(call_.outcome(), IsStatus(absl::StatusCode::kInternal, "a bug"));
}

TEST_F(GroupCallTest, ARefusalIsFinalWhateverElseRuns) {
  hedge_after_ = absl::Seconds(1);
  Start(1);
  now_ = absl::Seconds(1);
  ASSERT_EQ(Wants(), Want::kHedge);
  Start(2);
  End(2, absl::InvalidArgumentError("prompt: no such task"));
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_THAT(call_.outcome(), IsStatus(absl::StatusCode::kInvalidArgument, "no such task"));
}

TEST_F(GroupCallTest, HedgesASlowAttemptOnce) {
  hedge_after_ = absl::Seconds(2);
  Start(1, 4);
  EXPECT_EQ(Decide().wake_at, absl::Seconds(2));
  now_ = absl::Seconds(2);
  ASSERT_EQ(Wants(), Want::kHedge);
  EXPECT_THAT(call_.ReplicasToAvoid(), ElementsAre(4));
  Start(2, 5);
  now_ = absl::Seconds(9);
  EXPECT_EQ(Wants(), Want::kNothing) << "two at a time";
  End(2, absl::OkStatus());
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_TRUE(call_.outcome().ok());
}

TEST_F(GroupCallTest, AHedgeThatIsNotToBeHadIsAskedForLater) {
  hedge_after_ = absl::Seconds(2);
  Start(1);
  now_ = absl::Seconds(2);
  ASSERT_EQ(Wants(), Want::kHedge);
  call_.OnNoHedge(absl::Seconds(3));
  EXPECT_EQ(Wants(), Want::kNothing);
  EXPECT_EQ(Decide().wake_at, absl::Seconds(3));
  now_ = absl::Seconds(3);
  EXPECT_EQ(Wants(), Want::kHedge);
}

TEST_F(GroupCallTest, OneOfTwoFailsAndTheOtherGoesOn) {
  hedge_after_ = absl::Seconds(1);
  Start(1, 0);
  now_ = absl::Seconds(1);
  ASSERT_EQ(Wants(), Want::kHedge);
  Start(2, 1);
  End(1, absl::InternalError("a bug"));
  EXPECT_EQ(Wants(), Want::kNothing) << "no third attempt while the hedge runs";
  now_ = absl::Seconds(2);
  EXPECT_EQ(Wants(), Want::kHedge) << "which is now the one that is slow";
  End(2, absl::OkStatus());
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_TRUE(call_.outcome().ok());
}

TEST_F(GroupCallTest, TheDeadlineEndsASlowAttempt) {
  Start(1);
  now_ = kDeadline;
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_EQ(call_.outcome().code(), absl::StatusCode::kDeadlineExceeded);
  End(1, absl::OkStatus());
  EXPECT_EQ(call_.outcome().code(), absl::StatusCode::kDeadlineExceeded) << "too late";
}

TEST_F(GroupCallTest, AnAttemptsOwnTimeoutIsTriedAgainWhileThereIsTime) {
  Start(1);
  now_ = absl::Seconds(3);
  End(1, absl::DeadlineExceededError("slow"));
  EXPECT_EQ(Wants(), Want::kAttempt);
  Start(2);
  now_ = kDeadline;
  End(2, absl::DeadlineExceededError("slow"));
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_EQ(call_.outcome().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(GroupCallTest, WaitsForAReplicaUntilTheDeadline) {
  call_.OnNoReplica(absl::UnavailableError("all are down"));
  EXPECT_EQ(Wants(), Want::kNothing);
  EXPECT_EQ(Decide().wake_at, kDeadline);
  call_.OnReplica();
  EXPECT_EQ(Wants(), Want::kAttempt);
  call_.OnNoReplica(absl::UnavailableError("all are down"));
  now_ = kDeadline;
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_THAT(call_.outcome(), IsStatus(absl::StatusCode::kUnavailable, "all are down"));
}

TEST_F(GroupCallTest, SaysWhatWentWrongLastAndWhyNothingFollowed) {
  Start(1);
  End(1, absl::UnavailableError("connection reset"));
  call_.OnNoReplica(absl::UnavailableError("all are down"));
  now_ = kDeadline;
  ASSERT_EQ(Wants(), Want::kDone);
  EXPECT_EQ(call_.outcome().message(), "connection reset; then all are down");
}

TEST_F(GroupCallTest, ACallThatTheReplicaCancelledIsUnavailable) {
  for (uint64_t attempt = 1; attempt <= 3; ++attempt) {
    Start(attempt);
    End(attempt, absl::CancelledError("shutting down"));
  }
  ASSERT_EQ(Wants(), Want::kDone);
  EXPECT_EQ(call_.outcome().code(), absl::StatusCode::kUnavailable);
}

TEST_F(GroupCallTest, AbortEndsIt) {
  Start(1);
  call_.Abort(absl::CancelledError("closed"));
  EXPECT_EQ(Wants(), Want::kDone);
  EXPECT_EQ(call_.outcome().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace tpo
