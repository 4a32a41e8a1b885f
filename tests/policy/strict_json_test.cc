#include "policy/strict_json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

using testing::HasSubstr;

template <typename Json>
class StrictJsonTest : public testing::Test {
 protected:
  absl::StatusOr<Json> Parse(std::string_view text) { return ParseStrictJson<Json>(text); }

  void ExpectRefused(std::string_view text, const std::string& reason) {
    EXPECT_THAT(Parse(text), HoldsStatus(absl::StatusCode::kInvalidArgument, reason))
        << text.substr(0, 80);
  }
};

using Kinds = testing::Types<nlohmann::json, nlohmann::ordered_json>;
TYPED_TEST_SUITE(StrictJsonTest, Kinds);

std::string Nested(size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }

TYPED_TEST(StrictJsonTest, GivesWhatTheLibraryGives) {
  for (const std::string text :
       {R"({"b": {"x": [1, -2, 2.5e3, 18446744073709551615], "": {}}, "a": "\u00e9\n", "c": null})",
        "[[], {}, [[true, false]], [{\"k\": [1]}]]", "3", "\"text\"", "null", " [ ] "}) {
    const auto parsed = this->Parse(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->dump(), TypeParam::parse(text).dump());
  }
}

TYPED_TEST(StrictJsonTest, RefusesWhatIsNoJson) {
  for (const std::string text :
       {"", "{", "[1,]", "nul", "{} x", "{\"a\" 1}", "NaN", "\"\xff\"", "[1]]"}) {
    this->ExpectRefused(text, "parse error");
  }
  this->ExpectRefused("[1e400]", "number overflow");
}

TYPED_TEST(StrictJsonTest, RefusesAKeyThatOccursTwiceInOneObject) {
  this->ExpectRefused(R"({"a": 1, "b": 2, "a": 1})", "'a' occurs twice");
  this->ExpectRefused(R"([{"x": {"a": 1, "\u0061": 1}}])", "'a' occurs twice");
  EXPECT_TRUE(this->Parse(R"({"a": {"a": [{"a": 1}, {"a": 1}]}, "b": {"a": 1}})").ok());
}

TYPED_TEST(StrictJsonTest, RefusesWhatIsNestedTooDeep) {
  EXPECT_TRUE(this->Parse(Nested(100)).ok());
  this->ExpectRefused(Nested(101), "nested deeper than 100 levels");
  this->ExpectRefused(Nested(1'000'000), "nested deeper than 100 levels");
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"\":";
  this->ExpectRefused(objects, "nested deeper than 100 levels");
}

// The library's parser with a callback took half a minute for a fifth of this; its time grows with
// the square.
TYPED_TEST(StrictJsonTest, WideTextTakesNoLonger) {
  std::string members = "{";
  std::string objects = "{\"list\":[{}";
  for (int i = 0; members.size() < 5'000'000; ++i)
    absl::StrAppend(&members, i == 0 ? "\"k" : ",\"k", i, "\":{}");
  while (objects.size() < 5'000'000) objects += ",{}";
  EXPECT_GT(this->Parse(members + "}").value().size(), 300'000u);
  EXPECT_GT(this->Parse(objects + "]}").value()["list"].size(), 1'000'000u);
}

}  // namespace
}  // namespace tpo
