#include "rollout/sampling_slots.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"

namespace tpo {
namespace {

RunInfo Registration(const std::string& worker_id) {
  RunInfo run;
  run.worker_id = worker_id;
  run.transformer = {.vocab_size = 2,
                     .max_positions = 4,
                     .d_model = 8,
                     .layers = 1,
                     .heads = 2,
                     .feed_forward = 16};
  return run;
}

TEST(SamplingSlotsTest, NoMoreAreTakenThanThereAre) {
  SamplingSlots slots(2);
  SamplingSlot* const first = slots.Take();
  SamplingSlot* const second = slots.Take();
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_NE(first, second);
  std::atomic<bool> given_back = false;
  std::thread third([&] {
    EXPECT_EQ(slots.Take(), second);
    EXPECT_TRUE(given_back) << "it was taken while another lease had it";
  });
  given_back = true;
  slots.GiveBack(second);
  third.join();
}

TEST(SamplingSlotsTest, CloseEndsTheWaitForASlot) {
  SamplingSlots slots(1);
  ASSERT_NE(slots.Take(), nullptr);
  std::thread waiting([&] { EXPECT_EQ(slots.Take(), nullptr); });
  slots.Close();
  waiting.join();
  EXPECT_EQ(slots.Take(), nullptr);
}

TEST(SamplingSlotsTest, AnotherRegistrationBeginsWithoutWeights) {
  SamplingSlots slots(1);
  SamplingSlot* const slot = slots.Take();
  ASSERT_TRUE(slot->PrepareFor(Registration("worker-1")).ok());
  EXPECT_NE(slot->policy, nullptr);
  EXPECT_EQ(slot->version, -1);
  slot->version = 7;
  ASSERT_TRUE(slot->PrepareFor(Registration("worker-1")).ok());
  EXPECT_EQ(slot->version, 7);
  ASSERT_TRUE(slot->PrepareFor(Registration("worker-2")).ok());
  EXPECT_EQ(slot->version, -1) << "the learner may have gone back to a checkpoint";
}

}  // namespace
}  // namespace tpo
