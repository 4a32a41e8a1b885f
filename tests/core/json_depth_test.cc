#include "core/json_depth.h"

#include <string>

#include "gtest/gtest.h"

namespace tpo {
namespace {

TEST(JsonDepthTest, CountsTheDeepestLevel) {
  EXPECT_EQ(JsonDepth(""), 0);
  EXPECT_EQ(JsonDepth("1.5"), 0);
  EXPECT_EQ(JsonDepth("[]"), 1);
  EXPECT_EQ(JsonDepth(R"({"a": [{"b": 1}], "c": []})"), 3);
  EXPECT_EQ(JsonDepth("[[1], [[2]], [3]]"), 3);
}

TEST(JsonDepthTest, TextIsNoNesting) {
  EXPECT_EQ(JsonDepth(R"(["[[[[{{{{"])"), 1);
  EXPECT_EQ(JsonDepth(R"(["\"[[[["])"), 1);
  EXPECT_EQ(JsonDepth(R"(["\\", [1]])"), 2);
  EXPECT_EQ(JsonDepth(R"({"[": "\\\"[", "}": {}})"), 2);
}

TEST(JsonDepthTest, CountsUpToWhereAParserGivesUp) {
  EXPECT_EQ(JsonDepth(std::string(1'000'000, '[')), 1'000'000);
  EXPECT_GE(JsonDepth("[[1] x [[["), 2);
  EXPECT_EQ(JsonDepth(R"(["\)"), 1);
  EXPECT_EQ(JsonDepth("]]]]"), 0);
}

}  // namespace
}  // namespace tpo
