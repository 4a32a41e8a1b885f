#include "services/run_directory/tensorboard_event.h"

#include <string>

#include "gtest/gtest.h"

namespace tpo {
namespace {

// Bytes as the format's own writer makes them (checked against the tensorboard package; the whole
// file is read back by tensorboard_test.py).
TEST(TensorBoardEventTest, FramesARecordWithMaskedChecksums) {
  const std::string record = FrameTfRecord("abc");
  ASSERT_EQ(record.size(), 8U + 4U + 3U + 4U);
  EXPECT_EQ(record.substr(0, 8), std::string("\x03\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(12, 3), "abc");
}

TEST(TensorBoardEventTest, EncodesAScalar) {
  const std::string event = EncodeScalarsEvent(1.0, 300, {{"a", 0.5}});
  const std::string expected(
      "\x09\0\0\0\0\0\0\xf0\x3f"  // wall_time = 1.0
      "\x10\xac\x02"              // step = 300
      "\x2a\x0a"                  // summary
      "\x0a\x08"                  // value
      "\x0a\x01"
      "a"                // tag
      "\x15\0\0\0\x3f",  // simple_value = 0.5
      9 + 3 + 2 + 2 + 3 + 5);
  EXPECT_EQ(event, expected);
}

}  // namespace
}  // namespace tpo
