// Where the prompts are, as the lease book tells those who watch it.
#include "tests/core/lease_book_fixture.h"

namespace tpo {
namespace {

class LeaseBookOccupancyTest : public LeaseBookFixture {
 protected:
  void ExpectOccupancy(uint64_t leased, uint64_t ready, uint64_t leasable) {
    const LeaseBook::Occupancy now = book_->occupancy();
    EXPECT_EQ(now.leased, leased);
    EXPECT_EQ(now.ready, ready);
    EXPECT_EQ(now.leasable, leasable);
    EXPECT_EQ(now.leased + now.ready, book_->ledger().in_flight);
  }
};

TEST_F(LeaseBookOccupancyTest, FollowsPromptsFromLeasableToTrained) {
  ExpectOccupancy(0, 0, 5);
  const Lease first = MustLease();
  ExpectOccupancy(2, 0, 3);
  Submit(first.id, first.prompts[0].id);
  ExpectOccupancy(1, 1, 3);
  Submit(first.id, first.prompts[1].id);
  AnswerEverything();
  ExpectOccupancy(0, 5, 0);
  TakeBatch();
  ExpectOccupancy(0, 0, 0);
  book_->SetWeightVersion(1);
  ExpectOccupancy(0, 0, 5);
}

TEST_F(LeaseBookOccupancyTest, PromptsOfAnExpiredLeaseCanBeLeasedAgain) {
  MustLease();
  clock_.Advance(absl::Seconds(31));
  book_->ExpireLeases();
  ExpectOccupancy(0, 0, 5);
}

TEST_F(LeaseBookOccupancyTest, TellsTheAgeOfTheOldestLease) {
  EXPECT_EQ(book_->occupancy().oldest_lease_age, absl::ZeroDuration());
  const Lease first = MustLease();
  clock_.Advance(absl::Seconds(10));
  const Lease second = MustLease();
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(book_->occupancy().oldest_lease_age, absl::Seconds(15));
  SubmitAll(first);
  EXPECT_EQ(book_->occupancy().oldest_lease_age, absl::Seconds(5));
  SubmitAll(second);
  EXPECT_EQ(book_->occupancy().oldest_lease_age, absl::ZeroDuration());
}

TEST_F(LeaseBookOccupancyTest, NothingIsLeasableWhenTheRunEnds) {
  book_->Drain();
  ExpectOccupancy(0, 0, 0);
}

}  // namespace
}  // namespace tpo
