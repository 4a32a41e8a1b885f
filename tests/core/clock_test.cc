#include "core/clock.h"

#include <gtest/gtest.h>

namespace tpo {
namespace {

TEST(FakeClockTest, StandsStillUntilAdvanced) {
  FakeClock clock;
  const absl::Duration start = clock.Now();
  EXPECT_EQ(clock.Now(), start);
  clock.Advance(absl::Seconds(3));
  clock.Advance(absl::Milliseconds(5));
  EXPECT_EQ(clock.Now() - start, absl::Milliseconds(3005));
}

TEST(MonotonicClockTest, NeverGoesBackwards) {
  const Clock& clock = Clock::Monotonic();
  absl::Duration last = clock.Now();
  for (int i = 0; i < 10000; ++i) {
    const absl::Duration now = clock.Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace tpo
