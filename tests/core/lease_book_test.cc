#include "core/lease_book.h"

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "tests/core/lease_book_fixture.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LeaseBookTest : public LeaseBookFixture {};

TEST_F(LeaseBookTest, LeasesUnitsThatDoNotSpanSteps) {
  const Lease first = MustLease();
  const Lease second = MustLease();
  const Lease third = MustLease();
  EXPECT_THAT(Ids(first), ElementsAre(0, 1));
  EXPECT_THAT(Ids(second), ElementsAre(2, 3));
  EXPECT_THAT(Ids(third), ElementsAre(4));
  EXPECT_LT(first.id, second.id);
  EXPECT_LT(second.id, third.id);
  EXPECT_EQ(first.prompts[1], *source_.At(1));
  EXPECT_EQ(first.min_weight_version, 0);
  EXPECT_EQ(first.time_to_live, absl::Seconds(30));
  EXPECT_EQ(book_->ledger().leased, 5);
  EXPECT_EQ(book_->ledger().in_flight, 5);
}

TEST_F(LeaseBookTest, SynchronousModeLeasesOneStepAhead) {
  AnswerEverything();
  EXPECT_FALSE(MustNotLease().finished);
  EXPECT_THAT(TakeBatch(), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_FALSE(MustNotLease().finished) << "the version of this step isn't published yet";
  book_->SetWeightVersion(1);
  const Lease lease = MustLease();
  EXPECT_THAT(Ids(lease), ElementsAre(5, 6));
  EXPECT_EQ(lease.min_weight_version, 1);
}

TEST_F(LeaseBookTest, AsynchronousModeLeasesAsFarAsStalenessAllows) {
  LeaseBook::Options options = DefaultOptions();
  options.max_staleness = 2;
  Start(options);
  AnswerEverything();
  EXPECT_EQ(book_->ledger().leased, 15);
  for (WeightVersion version = 1; version <= 3; ++version) {
    EXPECT_EQ(TakeBatch().size(), 5);
    book_->SetWeightVersion(version);
  }
  EXPECT_EQ(book_->ledger().trained, 15) << "all that was leased was fresh enough to be trained on";
}

TEST_F(LeaseBookTest, NeverLeasesPastTheLastStep) {
  LeaseBook::Options options = DefaultOptions();
  options.steps = 2;
  options.max_staleness = 100;
  Start(options);
  AnswerEverything();
  EXPECT_EQ(book_->ledger().leased, 10);
  EXPECT_FALSE(MustNotLease().finished) << "groups may still be dropped";
  TakeBatch();
  book_->SetWeightVersion(1);
  EXPECT_FALSE(MustNotLease().finished);
  TakeBatch();
  EXPECT_FALSE(MustNotLease().finished) << "whoever goes on from a checkpoint needs workers";
  book_->Finish();
  EXPECT_TRUE(MustNotLease().finished);
  book_->Close();
  EXPECT_TRUE(MustNotLease().finished);
}

TEST_F(LeaseBookTest, BatchesAreInOrderOfPrompts) {
  std::vector<Lease> leases = {MustLease(), MustLease(), MustLease()};
  SubmitAll(leases[2]);
  EXPECT_EQ(Submit(leases[1].id, 3), SubmitOutcome::kAccepted);
  EXPECT_EQ(Submit(leases[0].id, 1), SubmitOutcome::kAccepted);
  EXPECT_EQ(Submit(leases[1].id, 2), SubmitOutcome::kAccepted);
  EXPECT_EQ(book_->WaitForBatch(absl::ZeroDuration()).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(book_->ledger().trained, 0) << "a batch is taken whole or not at all";
  EXPECT_EQ(Submit(leases[0].id, 0), SubmitOutcome::kAccepted);
  EXPECT_THAT(TakeBatch(), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(LeaseBookTest, OldestVersionsAreTakenFirst) {
  LeaseBook::Options options = DefaultOptions();
  options.prompts_per_step = 2;
  options.max_staleness = 1;
  Start(options);
  const Lease slow = MustLease();
  const Lease quick = MustLease();
  SubmitAll(quick, 0);
  EXPECT_THAT(TakeBatch(), ElementsAre(2, 3));
  book_->SetWeightVersion(1);
  const Lease later = MustLease();
  SubmitAll(slow, 1);  // prompts 0 and 1, sampled with the newer version
  EXPECT_EQ(Submit(later.id, 4, 0), SubmitOutcome::kAccepted);
  EXPECT_EQ(Submit(later.id, 5, 0), SubmitOutcome::kAccepted);
  EXPECT_THAT(TakeBatch(), ElementsAre(4, 5));
}

TEST_F(LeaseBookTest, SubmittingAgainChangesNothing) {
  const Lease lease = MustLease();
  EXPECT_EQ(Submit(lease.id, 0), SubmitOutcome::kAccepted);
  const Ledger before = book_->ledger();
  const SubmitResult again = book_->Submit(MakeGroup(lease.id, 0, 0));
  EXPECT_EQ(again.outcome, SubmitOutcome::kAccepted) << "the same answer";
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(book_->ledger(), before);
  EXPECT_EQ(Submit(lease.id, 1), SubmitOutcome::kAccepted);
  AnswerEverything();
  TakeBatch();
  EXPECT_EQ(Submit(lease.id, 0), SubmitOutcome::kAccepted) << "after training too";
  EXPECT_EQ(book_->ledger().trained, 5);
  EXPECT_EQ(book_->ledger().leased, 5);
}

TEST_F(LeaseBookTest, AnotherGroupForTheSameLeaseAndPromptIsRefused) {
  const Lease lease = MustLease();
  EXPECT_EQ(Submit(lease.id, 0), SubmitOutcome::kAccepted);
  EXPECT_EQ(SubmitUnverified(lease.id, 1), SubmitOutcome::kUnverified);
  const Ledger before = book_->ledger();
  Group other = MakeGroup(lease.id, 0, 0);
  other.verdicts[0].score = 0.5;
  const SubmitResult refused = book_->Submit(other);
  EXPECT_EQ(refused.outcome, SubmitOutcome::kInvalid);
  EXPECT_THAT(refused.error, HasSubstr("submitted before for lease 1, prompt 0"));
  EXPECT_EQ(book_->Submit(MakeGroup(lease.id, 1, 0)).outcome, SubmitOutcome::kInvalid)
      << "a drop is settled, too";
  EXPECT_EQ(book_->ledger(), before);
  AnswerEverything();
  const auto batch = book_->WaitForBatch(absl::ZeroDuration());
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->front().group, MakeGroup(lease.id, 0, 0)) << "the first one is trained on";
}

TEST_F(LeaseBookTest, AReturnedLeaseIsLeasedAgainAtOnce) {
  const Lease gone = MustLease();
  const Lease other = MustLease();
  EXPECT_EQ(Submit(gone.id, 0), SubmitOutcome::kAccepted);
  book_->ReturnLease(gone.id);
  CheckLedger();
  EXPECT_EQ(book_->ledger().expired, 1);
  const Lease again = MustLease();
  EXPECT_EQ(again.prompts, gone.prompts);
  EXPECT_GT(again.id, other.id);
  const Ledger before = book_->ledger();
  book_->ReturnLease(gone.id);  // its prompts are somebody else's by now
  book_->ReturnLease(99);
  EXPECT_EQ(book_->ledger(), before);
  EXPECT_EQ(Submit(gone.id, 1), SubmitOutcome::kAccepted) << "late, and the first";
  EXPECT_EQ(Submit(again.id, 1), SubmitOutcome::kDuplicate);
}

TEST_F(LeaseBookTest, InvariantsHoldAndABrokenSumIsToldWithItsNumbers) {
  AnswerEverything();
  EXPECT_TRUE(book_->CheckInvariants().ok());
  TakeBatch();
  EXPECT_TRUE(book_->CheckInvariants().ok());
  EXPECT_TRUE(CheckBalance(book_->ledger()).ok());
  EXPECT_THAT(CheckBalance({.leased = 7, .trained = 5, .expired = 1}),
              IsStatus(absl::StatusCode::kInternal, "7 leased aren't the sum of 5 trained"));
}

TEST_F(LeaseBookTest, AnExpiredUnitIsLeasedAgainWhole) {
  const Lease dead = MustLease();
  const Lease alive = MustLease();
  clock_.Advance(absl::Seconds(29));
  SubmitAll(alive);
  EXPECT_EQ(book_->ledger().expired, 0);
  clock_.Advance(absl::Seconds(1));
  const Lease again = MustLease();
  EXPECT_EQ(again.prompts, dead.prompts);
  EXPECT_GT(again.id, alive.id);
  EXPECT_EQ(book_->ledger().expired, 2);
  EXPECT_EQ(book_->ledger().leased, 6);
  SubmitAll(again);
}

TEST_F(LeaseBookTest, AUnitLeasedAgainCountsOnlyWhatIsOpen) {
  const Lease dead = MustLease();
  EXPECT_EQ(Submit(dead.id, 1), SubmitOutcome::kAccepted);
  ExpireAll();
  EXPECT_EQ(book_->ledger().expired, 1);
  const Lease again = MustLease();
  EXPECT_THAT(Ids(again), ElementsAre(0, 1)) << "the same prompts together";
  EXPECT_EQ(book_->ledger().leased, 3);
  EXPECT_EQ(Submit(again.id, 1), SubmitOutcome::kDuplicate) << "answered under the other lease";
  EXPECT_EQ(Submit(again.id, 0), SubmitOutcome::kAccepted);
}

TEST_F(LeaseBookTest, ALateGroupIsTakenWhenItIsTheFirst) {
  const Lease late = MustLease();
  ExpireAll();
  EXPECT_EQ(Submit(late.id, 0), SubmitOutcome::kAccepted) << "waiting to be leased again";
  const Lease again = MustLease();
  EXPECT_EQ(Submit(late.id, 1), SubmitOutcome::kAccepted) << "leased again";
  EXPECT_EQ(Submit(again.id, 0), SubmitOutcome::kDuplicate);
  EXPECT_EQ(Submit(again.id, 1), SubmitOutcome::kDuplicate);
  const Ledger ledger = book_->ledger();
  EXPECT_EQ(ledger.leased, 4);
  EXPECT_EQ(ledger.expired, 2);
  EXPECT_EQ(ledger.in_flight, 2);
}

TEST_F(LeaseBookTest, ALateGroupWithoutScoresDoesNotTakeThePromptFromItsHolder) {
  const Lease late = MustLease();
  ExpireAll();
  const Lease again = MustLease();
  EXPECT_EQ(SubmitUnverified(late.id, 0), SubmitOutcome::kLeaseExpired);
  EXPECT_EQ(book_->ledger().dropped_unverified, 0);
  EXPECT_EQ(Submit(again.id, 0), SubmitOutcome::kAccepted);
}

TEST_F(LeaseBookTest, ALateGroupWithoutScoresDoesNotTakeThePromptFromTheNextLease) {
  const Lease late = MustLease();
  ExpireAll();
  EXPECT_EQ(SubmitUnverified(late.id, 0), SubmitOutcome::kLeaseExpired);
  EXPECT_EQ(book_->ledger().dropped_unverified, 0);
  EXPECT_EQ(Ids(MustLease()), Ids(late));
}

TEST_F(LeaseBookTest, AUnitAnsweredLateIsNotLeasedAgain) {
  const Lease late = MustLease();
  ExpireAll();
  SubmitAll(late);
  EXPECT_THAT(Ids(MustLease()), ElementsAre(2, 3));
}

TEST_F(LeaseBookTest, AnAnsweredLeaseDoesNotExpire) {
  AnswerEverything();
  ExpireAll();
  EXPECT_EQ(book_->ledger().expired, 0);
  EXPECT_THAT(TakeBatch(), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(LeaseBookTest, ADroppedPromptIsReplacedWithinTheStep) {
  const Lease lease = MustLease();
  EXPECT_EQ(SubmitUnverified(lease.id, 0), SubmitOutcome::kUnverified);
  EXPECT_EQ(SubmitUnverified(lease.id, 0), SubmitOutcome::kUnverified)
      << "same answer, not counted";
  EXPECT_EQ(Submit(lease.id, 1), SubmitOutcome::kAccepted);
  EXPECT_EQ(book_->ledger().dropped_unverified, 1);
  AnswerEverything();
  EXPECT_THAT(TakeBatch(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(book_->ledger().leased, 6);
}

TEST_F(LeaseBookTest, DropsNeverLeadPastTheLastStep) {
  LeaseBook::Options options = DefaultOptions();
  options.steps = 1;
  Start(options);
  for (int drops = 0; drops < 20; ++drops) {
    const Lease lease = MustLease();
    EXPECT_EQ(SubmitUnverified(lease.id, lease.prompts.front().id), SubmitOutcome::kUnverified);
    for (size_t i = 1; i < lease.prompts.size(); ++i) {
      EXPECT_EQ(SubmitUnverified(lease.id, lease.prompts[i].id), SubmitOutcome::kUnverified);
    }
  }
  AnswerEverything();
  EXPECT_EQ(book_->ledger().in_flight, 5);
  EXPECT_EQ(TakeBatch().size(), 5);
  MustNotLease();
}

TEST_F(LeaseBookTest, CountsScoredCompletions) {
  LeaseBook::Options options = DefaultOptions();
  options.min_scored_completions = 2;
  Start(options);
  const Lease lease = MustLease();
  Group group = MakeGroup(lease.id, 0, 0);
  group.verdicts[1] = Verdict::Unscored(VerdictKind::kAbstained, "not my task");
  EXPECT_EQ(book_->Submit(group).outcome, SubmitOutcome::kUnverified);
  EXPECT_EQ(Submit(lease.id, 1), SubmitOutcome::kAccepted);
}

TEST_F(LeaseBookTest, AGroupThatArrivesStaleIsDropped) {
  LeaseBook::Options options = DefaultOptions();
  options.max_staleness = 1;
  Start(options);
  const Lease slow = MustLease();
  book_->SetWeightVersion(2);
  EXPECT_EQ(Submit(slow.id, 0, 0), SubmitOutcome::kStale);
  EXPECT_EQ(Submit(slow.id, 0, 0), SubmitOutcome::kStale) << "same answer, not counted";
  EXPECT_EQ(book_->ledger().dropped_stale, 1);
  Group mixed = MakeGroup(slow.id, 1, 2);
  mixed.completions[1].weight_versions = {{.weight_version = 0, .first_token = 0},
                                          {.weight_version = 2, .first_token = 1}};
  EXPECT_EQ(book_->Submit(mixed).outcome, SubmitOutcome::kStale) << "the oldest token counts";
}

TEST_F(LeaseBookTest, AGroupThatGrowsStaleWhileItWaitsIsDropped) {
  const Lease lease = MustLease();
  SubmitAll(lease);
  book_->SetWeightVersion(1);  // as if the learner had gone on without it
  EXPECT_FALSE(book_->WaitForBatch(absl::ZeroDuration()).ok());
  EXPECT_EQ(book_->ledger().dropped_stale, 2);
  CheckLedger();
  EXPECT_EQ(Submit(lease.id, 0), SubmitOutcome::kAccepted) << "it had been taken in";
  EXPECT_EQ(book_->ledger().dropped_stale, 2);
}

TEST_F(LeaseBookTest, ARejectedPromptIsLeasedAgainAtOnce) {
  const Lease lease = MustLease();
  const SubmitResult result = book_->Reject(lease.id, 0, "tokens[3]: 99 isn't a token");
  CheckLedger();
  EXPECT_EQ(result.outcome, SubmitOutcome::kInvalid);
  EXPECT_THAT(result.error, HasSubstr("tokens[3]"));
  EXPECT_EQ(book_->ledger().expired, 1);
  EXPECT_EQ(Submit(lease.id, 1), SubmitOutcome::kAccepted) << "its neighbour is untouched";
  const Lease again = MustLease();
  EXPECT_THAT(Ids(again), ElementsAre(0, 1));
  EXPECT_EQ(Submit(again.id, 0), SubmitOutcome::kAccepted);
}

TEST_F(LeaseBookTest, RejectingTouchesNobodyElse) {
  const Lease lease = MustLease();
  EXPECT_EQ(Submit(lease.id, 0), SubmitOutcome::kAccepted);
  Ledger before = book_->ledger();
  book_->Reject(lease.id, 0, "malformed");  // answered before
  book_->Reject(lease.id, 3, "malformed");  // not of this lease
  book_->Reject(99, 1, "malformed");        // no such lease
  EXPECT_EQ(book_->ledger(), before);
  ExpireAll();
  const Lease again = MustLease();
  before = book_->ledger();
  book_->Reject(lease.id, 1, "malformed");  // from the holder whose lease is over
  EXPECT_EQ(book_->ledger(), before);
  EXPECT_EQ(Submit(again.id, 1), SubmitOutcome::kAccepted);
}

TEST_F(LeaseBookTest, RefusesGroupsThatBelongToNoLease) {
  const Lease lease = MustLease();
  const Lease other = MustLease();
  const auto error = [this](uint64_t lease_id, uint64_t prompt_id) {
    const SubmitResult result = book_->Submit(MakeGroup(lease_id, prompt_id, 0));
    EXPECT_EQ(result.outcome, SubmitOutcome::kInvalid);
    return result.error;
  };
  EXPECT_THAT(error(0, 0), HasSubstr("lease 0 was never given"));
  EXPECT_THAT(error(77, 0), HasSubstr("lease 77 was never given"));
  EXPECT_THAT(error(lease.id, 4), HasSubstr("prompt 4 was never leased"));
  EXPECT_THAT(error(other.id, 0), HasSubstr("never held prompt 0"));
  EXPECT_EQ(book_->ledger().in_flight, 4);
  // Between two leases that held the prompt is no other.
  clock_.Advance(absl::Minutes(10));
  ASSERT_EQ(MustLease().prompts[0].id, 0);
  EXPECT_THAT(error(other.id, 0), HasSubstr("never held prompt 0"));
}

TEST_F(LeaseBookTest, MemoryOfFinishedUnitsIsBounded) {
  LeaseBook::Options options = DefaultOptions();
  options.prompts_per_lease = 1;
  options.prompts_per_step = 1;
  options.steps = 1 << 20;
  Start(options);
  const Lease first = MustLease();
  SubmitAll(first);
  TakeBatch();
  for (size_t step = 1; step < LeaseBook::kRememberedUnits; ++step) {
    book_->SetWeightVersion(static_cast<WeightVersion>(step));
    SubmitAll(MustLease(), static_cast<WeightVersion>(step));
    TakeBatch();
  }
  EXPECT_EQ(Submit(first.id, 0), SubmitOutcome::kAccepted) << "remembered";
  EXPECT_EQ(book_->ledger().trained, LeaseBook::kRememberedUnits);
  book_->SetWeightVersion(static_cast<WeightVersion>(LeaseBook::kRememberedUnits));
  SubmitAll(MustLease(), static_cast<WeightVersion>(LeaseBook::kRememberedUnits));
  TakeBatch();
  EXPECT_EQ(Submit(first.id, 0), SubmitOutcome::kLeaseExpired)
      << "forgotten, but never trained twice";
}

TEST_F(LeaseBookTest, DrainStopsLeasingButTakesWhatIsInFlight) {
  const std::vector<Lease> leases = {MustLease(), MustLease(), MustLease()};
  book_->Drain();
  EXPECT_TRUE(MustNotLease().draining);
  EXPECT_FALSE(MustNotLease().finished);
  for (const Lease& lease : leases) SubmitAll(lease);
  EXPECT_THAT(TakeBatch(), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(LeaseBookTest, CloseEndsEverything) {
  SubmitAll(MustLease());
  const Lease lease = MustLease();
  const uint64_t in_flight = book_->ledger().in_flight;
  EXPECT_GT(in_flight, lease.prompts.size()) << "leased ones and ready ones";
  book_->Close();
  EXPECT_EQ(book_->ledger().in_flight, 0);
  EXPECT_EQ(book_->ledger().expired, in_flight);
  EXPECT_TRUE(MustNotLease().draining);
  EXPECT_EQ(book_->WaitForBatch(absl::InfiniteDuration()).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(Submit(lease.id, 0), SubmitOutcome::kLeaseExpired);
}

LeaseBook::Options Asynchronous(int max_staleness, bool exact) {
  return {.prompts_per_lease = 2,
          .prompts_per_step = 5,
          .steps = 12,
          .max_staleness = max_staleness,
          .exact_staleness = exact,
          .min_scored_completions = 1,
          .lease_time_to_live = absl::Seconds(30)};
}

TEST_F(LeaseBookTest, NeverLeasesFurtherAheadThanWillBeAdmitted) {
  for (const int bound : {0, 1, 4, 16}) {
    Start(Asynchronous(bound, false));
    for (WeightVersion version = 0; version < 12; ++version) {
      book_->SetWeightVersion(version);
      AnswerEverything(version);
      const Ledger ledger = book_->ledger();
      EXPECT_LE(ledger.trained + ledger.in_flight, 5 * std::min<uint64_t>(version + 1 + bound, 12));
      if (version == 0) {
        EXPECT_EQ(ledger.in_flight, 5 * std::min<uint64_t>(1 + bound, 12));
      }
      EXPECT_EQ(TakeBatch().size(), 5);
    }
    EXPECT_EQ(book_->ledger().dropped_stale, 0) << "all that was leased was admitted";
    MustNotLease();
  }
}

class LookaheadTest : public LeaseBookFixture {
 protected:
  static constexpr uint64_t kStep = 4;

  void SetUp() override {
    Start({.prompts_per_lease = 1,
           .prompts_per_step = kStep,
           .steps = 1000,
           .max_staleness = 4,
           .min_scored_completions = 1,
           .lease_time_to_live = absl::Seconds(30)});
  }

  // Workers that answer whatever they may before the learner comes for its next batch; how many
  // groups were there for it.
  uint64_t StepWithQuickWorkers() {
    AnswerEverything(version_);
    const uint64_t ready = book_->ledger().in_flight;
    EXPECT_TRUE(book_->WaitForBatch(absl::ZeroDuration()).ok());
    book_->SetWeightVersion(++version_);
    return ready;
  }

  WeightVersion version_ = 0;
};

TEST_F(LookaheadTest, LeasesNoFurtherAheadThanKeepsTheLearnerBusy) {
  EXPECT_EQ(StepWithQuickWorkers(), 5 * kStep) << "as far as staleness allows, at first";
  for (int step = 0; step < 40; ++step) StepWithQuickWorkers();
  EXPECT_EQ(StepWithQuickWorkers(), 2 * kStep)
      << "the next batch is sampled while one is trained on";
}

TEST_F(LookaheadTest, LeasesFurtherAheadWhenABatchIsShort) {
  for (int step = 0; step < 40; ++step) StepWithQuickWorkers();
  // The workers get slower: what they had answered is used up, and a batch has to be waited for.
  ASSERT_TRUE(book_->WaitForBatch(absl::ZeroDuration()).ok());
  book_->SetWeightVersion(++version_);
  EXPECT_FALSE(book_->WaitForBatch(absl::ZeroDuration()).ok());
  EXPECT_EQ(StepWithQuickWorkers(), 3 * kStep);
  // Not for the same batch twice.
  AnswerEverything(version_);
  EXPECT_EQ(book_->ledger().in_flight, 3 * kStep);
}

TEST_F(LookaheadTest, LeasesFurtherAheadWhileLeasesHang) {
  for (int step = 0; step < 40; ++step) StepWithQuickWorkers();
  // Somebody takes all that may be leased and never answers.
  ASSERT_TRUE(book_->WaitForBatch(absl::ZeroDuration()).ok());
  book_->SetWeightVersion(++version_);
  while (std::holds_alternative<Lease>(*book_->LeasePrompts())) {
  }
  EXPECT_FALSE(book_->WaitForBatch(absl::ZeroDuration()).ok());
  EXPECT_TRUE(std::holds_alternative<Lease>(*book_->LeasePrompts())) << "for a worker that lives";
  while (std::holds_alternative<Lease>(*book_->LeasePrompts())) {
  }
  clock_.Advance(absl::Seconds(2));
  EXPECT_FALSE(book_->WaitForBatch(absl::ZeroDuration()).ok());
  EXPECT_TRUE(std::holds_alternative<Lease>(*book_->LeasePrompts())) << "one more a second";
}

// A worker that always answers at once keeps the pipeline full: the same course as with
// exact_staleness, which makes it so whatever the worker's pace.
TEST_F(LeaseBookTest, ExactStalenessTrainsOnEveryGroupAtTheBound) {
  for (const int bound : {0, 1, 3}) {
    Start(Asynchronous(bound, true));
    for (WeightVersion version = 0; version < 12; ++version) {
      book_->SetWeightVersion(version);
      // Groups are answered one by one; no batch is taken before the last.
      std::vector<Lease> leases;
      for (auto result = book_->LeasePrompts(); std::holds_alternative<Lease>(*result);
           result = book_->LeasePrompts()) {
        leases.push_back(std::get<Lease>(*result));
      }
      std::shuffle(leases.begin(), leases.end(), std::mt19937(version));
      for (const Lease& lease : leases) {
        EXPECT_EQ(book_->WaitForBatch(absl::ZeroDuration()).status().code(),
                  absl::StatusCode::kDeadlineExceeded);
        SubmitAll(lease, version);
      }
      const auto batch = book_->WaitForBatch(absl::ZeroDuration());
      ASSERT_TRUE(batch.ok()) << batch.status();
      ASSERT_EQ(batch->size(), 5);
      for (size_t i = 0; i < 5; ++i) {
        EXPECT_EQ((*batch)[i].prompt.id, 5 * static_cast<uint64_t>(version) + i);
        EXPECT_EQ(version - OldestWeightVersion((*batch)[i].group),
                  std::min<WeightVersion>(version, bound));
      }
    }
    EXPECT_EQ(book_->ledger().trained, 60);
    EXPECT_EQ(book_->ledger().in_flight, 0);
  }
}

TEST_F(LeaseBookTest, ExactStalenessWaitsForTheReplacementOfADrop) {
  Start(Asynchronous(1, true));
  std::vector<Lease> leases;
  for (int i = 0; i < 6; ++i) leases.push_back(MustLease());
  MustNotLease();
  EXPECT_EQ(SubmitUnverified(leases[0].id, 0), SubmitOutcome::kUnverified);
  EXPECT_EQ(Submit(leases[0].id, 1), SubmitOutcome::kAccepted);
  for (int i = 1; i < 6; ++i) SubmitAll(leases[i]);
  EXPECT_FALSE(book_->WaitForBatch(absl::ZeroDuration()).ok()) << "nine of ten";
  AnswerEverything();
  EXPECT_THAT(TakeBatch(), ElementsAre(1, 2, 3, 4, 5));
}

// Workers of all paces, some of which sample with older weights than the newest, die or get no
// score; a learner that trains whenever it can.
TEST_F(LeaseBookTest, NothingIsTrainedOnBeyondTheBoundWhateverTheWorkersDo) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    const int bound = static_cast<int>(seed % 4);
    Start(Asynchronous(bound, false));
    std::vector<std::pair<Lease, WeightVersion>> held;
    std::set<uint64_t> trained;
    WeightVersion version = 0;
    for (int turn = 0; turn < 100000 && version < 12; ++turn) {
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          if (auto result = book_->LeasePrompts(); std::holds_alternative<Lease>(*result)) {
            const Lease& lease = std::get<Lease>(*result);
            EXPECT_EQ(lease.min_weight_version, version);
            held.emplace_back(lease, version);
          }
          break;
        case 3:
        case 4:
        case 5: {
          if (held.empty()) break;
          // Mostly the oldest, sometimes one that overtakes it.
          const size_t which = random() % 4 == 0 ? random() % held.size() : 0;
          const auto [lease, sampled] = held[which];
          held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
          for (const Prompt& prompt : lease.prompts) {
            if (random() % 20 == 0) {
              SubmitUnverified(lease.id, prompt.id);
            } else {
              Submit(lease.id, prompt.id, sampled);
            }
          }
          break;
        }
        case 6: {
          const auto batch = book_->WaitForBatch(absl::ZeroDuration());
          if (!batch.ok()) break;
          EXPECT_EQ(batch->size(), 5);
          for (const ReadyGroup& ready : *batch) {
            EXPECT_LE(version - OldestWeightVersion(ready.group), bound);
            EXPECT_TRUE(trained.insert(ready.prompt.id).second) << "trained twice";
          }
          book_->SetWeightVersion(++version);
          break;
        }
        default:
          if (random() % 10 == 0) clock_.Advance(absl::Seconds(10));
          break;
      }
      const Ledger ledger = book_->ledger();
      ASSERT_LE(ledger.trained + ledger.in_flight, 5 * std::min<uint64_t>(version + 1 + bound, 12));
      ASSERT_TRUE(ledger.Balances());
    }
    EXPECT_EQ(version, 12) << "seed " << seed << ": no progress";
    EXPECT_EQ(trained.size(), 60);
  }
}

// Fails on demand.
class FlakySource : public PromptSource {
 public:
  absl::StatusOr<Prompt> At(uint64_t index) override {
    if (failing_at == index) return absl::UnavailableError("the data set's disk is gone");
    Prompt prompt;
    prompt.id = index;
    return prompt;
  }
  uint64_t failing_at = ~uint64_t{0};
};

TEST_F(LeaseBookTest, AFailingPromptSourceChangesNothing) {
  FlakySource source;
  LeaseBook book(DefaultOptions(), &source, &clock_);
  source.failing_at = 1;
  EXPECT_THAT(book.LeasePrompts(), HoldsStatus(absl::StatusCode::kUnavailable, "disk"));
  EXPECT_EQ(book.ledger(), Ledger());
  source.failing_at = ~uint64_t{0};
  const auto lease = book.LeasePrompts();
  ASSERT_TRUE(lease.ok());
  EXPECT_THAT(Ids(std::get<Lease>(*lease)), ElementsAre(0, 1));
}

}  // namespace
}  // namespace tpo
