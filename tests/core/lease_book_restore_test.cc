// What a lease book keeps over a restart of the learner.
#include "core/lease_book.h"
#include "tests/core/lease_book_fixture.h"

namespace tpo {
namespace {

using testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class LeaseBookRestoreTest : public LeaseBookFixture {
 protected:
  // The learner dies and comes back with `state`.
  void Restart(const LeaseBook::State& state) {
    Start(DefaultOptions());
    const absl::Status status = book_->Restore(state);
    ASSERT_TRUE(status.ok()) << status;
    CheckLedger();
  }
};

TEST_F(LeaseBookRestoreTest, GoesOnBetweenSteps) {
  AnswerEverything();
  TakeBatch();
  book_->SetWeightVersion(1);
  const LeaseBook::State state = book_->Save();
  EXPECT_EQ(state.cursor, 5);
  EXPECT_TRUE(state.unfinished_units.empty());
  Restart(state);
  EXPECT_EQ(book_->ledger(), state.ledger);
  const Lease lease = MustLease();
  EXPECT_THAT(Ids(lease), ElementsAre(5, 6));
  EXPECT_EQ(lease.min_weight_version, 1);
}

TEST_F(LeaseBookRestoreTest, WhatWasInFlightIsLeasedAgain) {
  const Lease leased = MustLease();
  const Lease ready = MustLease();
  SubmitAll(ready);
  const LeaseBook::State state = book_->Save();
  EXPECT_THAT(state.unfinished_units, ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  Restart(state);
  EXPECT_EQ(book_->ledger().expired, 4);
  EXPECT_EQ(book_->ledger().in_flight, 0);
  EXPECT_EQ(MustLease().prompts, leased.prompts) << "in the same units";
  EXPECT_EQ(MustLease().prompts, ready.prompts);
  EXPECT_THAT(Ids(MustLease()), ElementsAre(4));
  EXPECT_EQ(book_->ledger().leased, 9);
}

TEST_F(LeaseBookRestoreTest, FinishedPromptsOfAUnitStayFinished) {
  const Lease lease = MustLease();
  EXPECT_EQ(SubmitUnverified(lease.id, 0), SubmitOutcome::kUnverified);
  Restart(book_->Save());
  EXPECT_THAT(Ids(MustLease()), ElementsAre(1));
  EXPECT_THAT(Ids(MustLease()), ElementsAre(2, 3));
  EXPECT_THAT(Ids(MustLease()), ElementsAre(4, 5)) << "prompt 5 replaces the dropped one";
  MustNotLease();
}

// It may have been sampled with weights that the crash lost.
TEST_F(LeaseBookRestoreTest, AGroupOfALeaseGivenAfterTheCheckpointIsRefused) {
  const LeaseBook::State state = book_->Save();
  const Lease lost = MustLease();
  Restart(state);
  EXPECT_EQ(Submit(lost.id, 0), SubmitOutcome::kLeaseExpired);
  const Lease fresh = MustLease();
  EXPECT_EQ(fresh.prompts, lost.prompts);
  EXPECT_NE(fresh.id, lost.id);
  EXPECT_EQ(Submit(lost.id, 0), SubmitOutcome::kLeaseExpired);
  EXPECT_EQ(Submit(fresh.id, 0), SubmitOutcome::kAccepted);
}

TEST_F(LeaseBookRestoreTest, ALeaseOfALifeThatLeftNoCheckpointIsRefused) {
  LeaseBook::Options options = DefaultOptions();
  Start(options);
  const Lease lost = MustLease();
  // The next life begins from scratch, too, so it leases the same prompts.
  options.first_lease_id = 1000;
  Start(options);
  EXPECT_EQ(Submit(lost.id, 0), SubmitOutcome::kLeaseExpired);
  const Lease lease = MustLease();
  EXPECT_EQ(lease.id, 1000);
  EXPECT_EQ(Submit(lost.id, 0), SubmitOutcome::kLeaseExpired);
  SubmitAll(lease);
}

TEST_F(LeaseBookRestoreTest, LeaseIdsGoOnAboveBothTheStateAndTheFirst) {
  MustLease();
  LeaseBook::State state = book_->Save();
  LeaseBook::Options options = DefaultOptions();
  options.first_lease_id = 1000;
  Start(options);
  ASSERT_TRUE(book_->Restore(state).ok());
  EXPECT_EQ(MustLease().id, 1000);
  // As after a wall clock that was set back.
  state.next_lease_id = 5000;
  Start(options);
  ASSERT_TRUE(book_->Restore(state).ok());
  EXPECT_GT(MustLease().id, 5000);
}

// Both go on from the same checkpoint, with a wall clock that was set back.
TEST_F(LeaseBookRestoreTest, ALeaseOfALifeThatTheClockWasSetBackBeforeIsRefused) {
  LeaseBook::State state = book_->Save();
  state.next_lease_id = 5000;
  LeaseBook::Options options = DefaultOptions();
  options.lease_id_salt = 100;
  Start(options);
  ASSERT_TRUE(book_->Restore(state).ok());
  const Lease lost = MustLease();
  options.lease_id_salt = 200;
  Start(options);
  ASSERT_TRUE(book_->Restore(state).ok());
  const Lease lease = MustLease();
  EXPECT_EQ(lease.prompts, lost.prompts);
  EXPECT_EQ(Submit(lost.id, 0), SubmitOutcome::kLeaseExpired);
  SubmitAll(lease);
}

TEST_F(LeaseBookRestoreTest, SavingAgainGivesTheSameState) {
  MustLease();
  SubmitAll(MustLease());
  ExpireAll();
  const LeaseBook::State first = book_->Save();
  Restart(first);
  const LeaseBook::State second = book_->Save();
  EXPECT_EQ(second.cursor, first.cursor);
  EXPECT_EQ(second.unfinished_units, first.unfinished_units);
  EXPECT_EQ(second.weight_version, first.weight_version);
  EXPECT_GT(second.next_lease_id, first.next_lease_id);
}

TEST_F(LeaseBookRestoreTest, RefusesABookInUse) {
  const LeaseBook::State state = book_->Save();
  MustLease();
  EXPECT_THAT(book_->Restore(state), IsStatus(absl::StatusCode::kFailedPrecondition, "in use"));
}

class LeaseBookBadStateTest : public LeaseBookFixture {
 protected:
  void SetUp() override {
    LeaseBookFixture::SetUp();
    MustLease();
    MustLease();
    state_ = book_->Save();
    Start(DefaultOptions());
  }
  void ExpectRefused(const char* part, absl::StatusCode code = kInvalid) {
    EXPECT_THAT(book_->Restore(state_), IsStatus(code, part));
    EXPECT_EQ(book_->ledger(), Ledger());
  }
  LeaseBook::State state_;
};

TEST_F(LeaseBookBadStateTest, UnbalancedLedger) {
  ++state_.ledger.trained;
  ExpectRefused("ledger: 4 leased aren't the sum of 1 trained", absl::StatusCode::kInternal);
}
TEST_F(LeaseBookBadStateTest, CursorAndCountsDisagree) {
  ++state_.cursor;
  ExpectRefused("cursor: 5 isn't the sum of 0 finished and 4", absl::StatusCode::kInternal);
}
TEST_F(LeaseBookBadStateTest, PromptTwice) {
  state_.unfinished_units[1][0] = 1;
  ExpectRefused("prompt 1 ");
}
TEST_F(LeaseBookBadStateTest, PromptPastTheCursor) {
  state_.unfinished_units[1][1] = 4;
  ExpectRefused("prompt 4 ");
}
TEST_F(LeaseBookBadStateTest, EmptyUnit) {
  state_.unfinished_units.emplace_back();
  ExpectRefused("empty");
}
TEST_F(LeaseBookBadStateTest, MoreInFlightThanUnfinished) {
  state_.ledger.leased += 1;
  state_.ledger.in_flight += 1;
  ExpectRefused("in_flight: 5 are more than the 4", absl::StatusCode::kInternal);
}
TEST_F(LeaseBookBadStateTest, NegativeVersion) {
  state_.weight_version = -1;
  ExpectRefused("weight_version");
}
TEST_F(LeaseBookBadStateTest, LeaseIdOutOfRange) {
  state_.next_lease_id = 0;
  ExpectRefused("next_lease_id");
  state_.next_lease_id = ~uint64_t{0};
  ExpectRefused("next_lease_id");
}

}  // namespace
}  // namespace tpo
