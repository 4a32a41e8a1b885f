#include "core/role_book.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tpo {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RoleBookTest : public testing::Test {
 protected:
  FakeClock clock_;
  RoleBook book_{&clock_};
};

TEST_F(RoleBookTest, ARelayIsConnectedWhileItHasAStream) {
  book_.OnRelayOpened("a");
  clock_.Advance(absl::Seconds(5));
  EXPECT_THAT(book_.Read().relays,
              ElementsAre(RelayStatus{.name = "a", .connected = true, .since = absl::Seconds(5)}));
  book_.OnRelaySent("a", 3);
  // It comes again before the loss of its first connection is noticed.
  book_.OnRelayOpened("a");
  book_.OnRelayEnded("a");
  EXPECT_THAT(book_.Read().relays,
              ElementsAre(RelayStatus{
                  .name = "a", .connected = true, .since = absl::Seconds(5), .weight_version = 3}));
  book_.OnRelayEnded("a");
  clock_.Advance(absl::Seconds(2));
  EXPECT_THAT(
      book_.Read().relays,
      ElementsAre(RelayStatus{
          .name = "a", .connected = false, .since = absl::Seconds(2), .weight_version = 3}));
}

TEST_F(RoleBookTest, ForgetsRelaysThatAreLongGoneButNotThoseThatStay) {
  book_.OnRelayOpened("gone");
  book_.OnRelayEnded("gone");
  book_.OnRelayOpened("there");
  clock_.Advance(RoleBook::kMemory);
  ASSERT_THAT(book_.Read().relays, SizeIs(1));
  EXPECT_EQ(book_.Read().relays[0].name, "there");
}

TEST_F(RoleBookTest, KeepsABoundedNumberOfRelays) {
  for (size_t i = 0; i < RoleBook::kMostRelays + 10; ++i) {
    book_.OnRelayOpened(absl::StrCat("relay-", i));
    book_.OnRelayEnded(absl::StrCat("relay-", i));
  }
  EXPECT_THAT(book_.Read().relays, SizeIs(RoleBook::kMostShown));
  // Those that weren't taken up do no harm later on, and make room in time.
  clock_.Advance(RoleBook::kMemory);
  book_.OnRelayOpened("late");
  ASSERT_THAT(book_.Read().relays, SizeIs(1));
}

TEST_F(RoleBookTest, ShowsRelaysThatAreGoneBeforeOthersWhenThereAreTooMany) {
  for (size_t i = 0; i < RoleBook::kMostShown; ++i) book_.OnRelayOpened(absl::StrCat("a-", i));
  book_.OnRelayOpened("z");
  book_.OnRelayEnded("z");
  const std::vector<RelayStatus> relays = book_.Read().relays;
  ASSERT_THAT(relays, SizeIs(RoleBook::kMostShown));
  EXPECT_EQ(relays[0].name, "z");
}

TEST_F(RoleBookTest, AddsUpWhatWorkersSayOfVerifiers) {
  const VerifierStatus well = {"judge", "a:1", VerifierHealth::kHealthy, 10, 1};
  const VerifierStatus ill = {"judge", "a:1", VerifierHealth::kLeftAlone, 5, 5};
  const VerifierStatus other = {"judge", "b:1", VerifierHealth::kHealthy, 7, 0};
  book_.OnVerifiers("w1", {ill});
  book_.OnVerifiers("w1", {well});  // in the place of the former
  EXPECT_THAT(book_.Read().verifiers, ElementsAre(well));
  book_.OnVerifiers("w2", {ill, other});
  EXPECT_THAT(
      book_.Read().verifiers,
      ElementsAre(VerifierStatus{"judge", "a:1", VerifierHealth::kLeftAlone, 15, 6}, other));
  clock_.Advance(RoleBook::kMemory);
  EXPECT_THAT(book_.Read().verifiers, IsEmpty());
}

TEST_F(RoleBookTest, TakesABoundedReport) {
  std::vector<VerifierStatus> many;
  for (int i = 0; i < 1000; ++i) many.push_back({.verifier = absl::StrCat("v", i)});
  book_.OnVerifiers("w", many);
  EXPECT_THAT(book_.Read().verifiers, SizeIs(RoleBook::kMostVerifiers));
}

}  // namespace
}  // namespace tpo
