#include "core/weight_store.h"

#include <atomic>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

TEST(WeightStoreTest, IsEmptyBeforeTheFirstPublication) {
  WeightStore store;
  EXPECT_EQ(store.Newest(), nullptr);
  EXPECT_THAT(store.WaitForNewer(-1, absl::ZeroDuration()),
              HoldsStatus(absl::StatusCode::kDeadlineExceeded, "above -1"));
}

TEST(WeightStoreTest, VersionsNeverGoBackwards) {
  WeightStore store;
  ASSERT_TRUE(store.Publish(MakeSnapshot(3)).ok());
  EXPECT_THAT(store.Publish(MakeSnapshot(3)),
              IsStatus(absl::StatusCode::kFailedPrecondition, "weight version 3"));
  EXPECT_THAT(store.Publish(MakeSnapshot(2)),
              IsStatus(absl::StatusCode::kFailedPrecondition, "weight version 2"));
  EXPECT_EQ(store.Newest()->version, 3);
  EXPECT_THAT(store.Publish(nullptr), IsStatus(absl::StatusCode::kInvalidArgument, "no snapshot"));
}

TEST(WeightStoreTest, AReaderKeepsItsSnapshot) {
  WeightStore store;
  ASSERT_TRUE(store.Publish(MakeSnapshot(0)).ok());
  const auto held = store.Newest();
  ASSERT_TRUE(store.Publish(MakeSnapshot(1)).ok());
  EXPECT_EQ(held->version, 0);
  EXPECT_TRUE(held->weights.VerifyChecksums().ok());
  EXPECT_EQ(held.use_count(), 1) << "the store must not keep old versions";
}

TEST(WeightStoreTest, AWaitEndsWithTheNextVersion) {
  WeightStore store;
  ASSERT_TRUE(store.Publish(MakeSnapshot(0)).ok());
  std::thread publisher([&store] { ASSERT_TRUE(store.Publish(MakeSnapshot(1)).ok()); });
  const auto newer = store.WaitForNewer(0, absl::InfiniteDuration());
  publisher.join();
  ASSERT_TRUE(newer.ok()) << newer.status();
  EXPECT_EQ((*newer)->version, 1);
}

TEST(WeightStoreTest, CloseEndsWaitsAndPublishing) {
  WeightStore store;
  ASSERT_TRUE(store.Publish(MakeSnapshot(0)).ok());
  std::thread closer([&store] { store.Close(); });
  EXPECT_THAT(store.WaitForNewer(0, absl::InfiniteDuration()),
              HoldsStatus(absl::StatusCode::kCancelled, "closed"));
  closer.join();
  EXPECT_TRUE(store.closed());
  EXPECT_THAT(store.Publish(MakeSnapshot(1)),
              IsStatus(absl::StatusCode::kFailedPrecondition, "closed"));
}

TEST(WeightStoreTest, SubscribersHearOfEachPublicationAndOfClose) {
  WeightStore store;
  int calls = 0;
  WeightVersion seen = -1;
  const uint64_t subscription = store.Subscribe([&] {
    ++calls;
    seen = store.Newest()->version;  // no lock is held, so this is allowed
  });
  ASSERT_TRUE(store.Publish(MakeSnapshot(0)).ok());
  ASSERT_TRUE(store.Publish(MakeSnapshot(1)).ok());
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(seen, 1);
  store.Close();
  store.Close();
  EXPECT_EQ(calls, 3) << "closing twice is heard of once";
  store.Unsubscribe(subscription);
}

TEST(WeightStoreTest, NoCallRunsAfterUnsubscribe) {
  WeightStore store;
  absl::Notification in_callback;
  absl::Notification let_callback_end;
  std::atomic<bool> callback_ended = false;
  const uint64_t subscription = store.Subscribe([&] {
    in_callback.Notify();
    let_callback_end.WaitForNotification();
    callback_ended = true;
  });
  std::thread publisher([&store] { ASSERT_TRUE(store.Publish(MakeSnapshot(0)).ok()); });
  in_callback.WaitForNotification();
  std::thread unsubscriber([&] {
    store.Unsubscribe(subscription);
    EXPECT_TRUE(callback_ended) << "Unsubscribe returned while the callback was running";
  });
  let_callback_end.Notify();
  publisher.join();
  unsubscriber.join();
  ASSERT_TRUE(store.Publish(MakeSnapshot(1)).ok());  // would notify twice and crash
}

TEST(WeightStoreTest, ReadersSeeVersionsInOrderAndWhole) {
  constexpr WeightVersion kVersions = 200;
  WeightStore store;
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&store] {
      WeightVersion have = -1;
      while (have < kVersions - 1) {
        const auto newer = store.WaitForNewer(have, absl::InfiniteDuration());
        ASSERT_TRUE(newer.ok());
        ASSERT_GT((*newer)->version, have);
        ASSERT_TRUE((*newer)->weights.VerifyChecksums().ok());
        have = (*newer)->version;
      }
    });
  }
  for (WeightVersion version = 0; version < kVersions; ++version) {
    ASSERT_TRUE(store.Publish(MakeSnapshot(version)).ok());
  }
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace tpo
