#include "core/crc32c.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/weight_snapshot.h"

namespace tpo {
namespace {

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

// RFC 3720, appendix B.4, and the usual check value.
TEST(Crc32cTest, GivesThePublishedAnswers) {
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xE3069283);
  EXPECT_EQ(Crc32c(Bytes(std::string(32, '\0'))), 0x8A9136AA);
  EXPECT_EQ(Crc32c(Bytes(std::string(32, '\xff'))), 0x62A8AB43);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending.push_back(c);
  EXPECT_EQ(Crc32c(Bytes(ascending)), 0x46DD794E);
  EXPECT_EQ(Crc32c(Bytes("")), 0);
}

TEST(Crc32cTest, PiecesGiveTheChecksumOfTheWhole) {
  const std::string text = "a text in two pieces";
  for (size_t size = 0; size <= text.size(); ++size) {
    const uint32_t first = ExtendCrc32c(0, Bytes(text).subspan(0, size));
    EXPECT_EQ(ExtendCrc32c(first, Bytes(text).subspan(size)), Crc32c(Bytes(text))) << size;
  }
}

TEST(Crc32cTest, ThoseOfPiecesGiveThatOfTheWhole) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text.push_back(static_cast<char>(i * 37 + i / 256));
  for (const size_t size : {0, 1, 2, 63, 64, 65, 4096, 4999, 5000}) {
    const auto first = Bytes(text).subspan(0, size);
    const auto second = Bytes(text).subspan(size);
    EXPECT_EQ(CombineCrc32c(Crc32c(first), Crc32c(second), second.size()), Crc32c(Bytes(text)))
        << size;
  }
}

// Zeros, twice as many each time, up to more than 32 bits count. The checksum of 2^33 of them is
// from a power of the matrix that a zero byte multiplies the remainder by.
TEST(Crc32cTest, PiecesMayBeOfAnyLength) {
  uint32_t zeros = Crc32c(Bytes(std::string(1, '\0')));
  for (int doublings = 0; doublings < 33; ++doublings) {
    zeros = CombineCrc32c(zeros, zeros, uint64_t{1} << doublings);
    if (doublings == 4) {
      EXPECT_EQ(zeros, 0x8A9136AA) << "as published for 32 of them";
    }
  }
  EXPECT_EQ(zeros, 0x48674BC7);
}

TEST(Crc32cTest, TablesAgreeWithTheInstructionAtEveryLengthAndAlignment) {
  std::string text;
  for (int i = 0; i < 100; ++i) text.push_back(static_cast<char>(i * 37 + 11));
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t size = 0; begin + size <= text.size(); ++size) {
      const auto bytes = Bytes(text).subspan(begin, size);
      ASSERT_EQ(Crc32c(bytes), Crc32cByTables(bytes)) << begin << " " << size;
    }
  }
}

}  // namespace
}  // namespace tpo
