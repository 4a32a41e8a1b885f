#include "core/counter_random.h"

#include <set>

#include "gmock/gmock.h"

namespace tpo {
namespace {

using testing::ElementsAre;

// Known answers published with the Random123 library.
TEST(PhiloxTest, GivesThePublishedAnswers) {
  EXPECT_THAT(Philox4x32({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(
      Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
      ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(
      Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(UniformAtTest, EachPartOfTheKeyMatters) {
  const std::set<double> values = {
      UniformAt(1, RandomStream::kCompletion, 2, 3, 4),
      UniformAt(9, RandomStream::kCompletion, 2, 3, 4),
      UniformAt(1, RandomStream::kPrompt, 2, 3, 4),
      UniformAt(1, RandomStream::kCompletion, 9, 3, 4),
      UniformAt(1, RandomStream::kCompletion, 2 + (uint64_t{1} << 32), 3, 4),
      UniformAt(1, RandomStream::kCompletion, 2, 9, 4),
      UniformAt(1, RandomStream::kCompletion, 2, 3, 9),
  };
  EXPECT_EQ(values.size(), 7);
  EXPECT_EQ(UniformAt(1, RandomStream::kCompletion, 2, 3, 4),
            UniformAt(1, RandomStream::kCompletion, 2, 3, 4));
}

// A changed value would change every run ever recorded, so these are pinned.
TEST(UniformAtTest, NumbersNeverChange) {
  EXPECT_EQ(UniformAt(0, RandomStream::kPrompt, 0, 0, 0), 0x1.d1378f5bb8b9cp-2);
  EXPECT_EQ(UniformAt(20260407, RandomStream::kCompletion, 123456789012, 7, 13),
            0x1.5443c959d16ep-6);
}

TEST(UniformAtTest, IsUniformAndHasAllItsBits) {
  constexpr int kDraws = 100000;
  constexpr int kBins = 16;
  int counts[kBins] = {};
  bool has_low_bits = false;
  for (int i = 0; i < kDraws; ++i) {
    const double value =
        UniformAt(5, RandomStream::kCompletion, static_cast<uint64_t>(i / 100), 0, i % 100);
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ++counts[static_cast<int>(value * kBins)];
    has_low_bits |=
        value * 0x1.0p32 != static_cast<double>(static_cast<uint64_t>(value * 0x1.0p32));
  }
  // Six standard deviations of a binomial count.
  for (const int count : counts) EXPECT_NEAR(count, kDraws / kBins, 460);
  EXPECT_TRUE(has_low_bits);
}

}  // namespace
}  // namespace tpo
