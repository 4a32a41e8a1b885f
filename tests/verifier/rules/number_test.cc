#include "verifier/rules/number.h"

#include <limits>

#include "gmock/gmock.h"

namespace tpo {
namespace {

std::string First(std::string_view text, NumberSyntax syntax = {}) {
  const auto number = FirstNumber(text, syntax);
  return number.has_value() ? ToText(*number) : "none";
}
std::string Last(std::string_view text, NumberSyntax syntax = {}) {
  const auto number = LastNumber(text, syntax);
  return number.has_value() ? ToText(*number) : "none";
}
std::string Only(std::string_view text, NumberSyntax syntax = {}) {
  const auto number = OnlyNumber(text, syntax);
  return number.has_value() ? ToText(*number) : "none";
}

struct Case {
  const char* text;
  const char* first;
  const char* last;
};

TEST(NumberTest, FindsTheFirstAndTheLast) {
  const Case cases[] = {
      {"", "none", "none"},
      {"nothing", "none", "none"},
      {"42", "42", "42"},
      {"it is 7, no, 42.", "7", "42"},
      {"-3.50", "-35e-1", "-35e-1"},
      {".5 and 5.", "5e-1", "5"},
      {"0.0 or -0", "0", "0"},
      {"1,234,567.5", "12345675e-1", "12345675e-1"},
      {"1,23 4,5678", "1", "5678"},
      {"1234,567", "1234", "567"},
      {"1e3, 2.5E-4", "1e3", "25e-5"},
      {"5e", "5", "5"},
      {"3-5", "3", "5"},
      {"3 - 5", "3", "5"},
      {"(2)-5 50%-60%", "2", "6e1"},
      {"x = -5", "-5", "-5"},
      {"\u22125", "-5", "-5"},
      {"$5.25, -$3, $-4", "525e-2", "-4"},
      {"-\u20ac7", "-7", "-7"},
      {"x2 H2O abc123", "none", "none"},
      {"5cm 2nd", "5", "2"},
      {"1.2.3", "12e-1", "3"},
      {"inf nan NaN -inf Infinity", "none", "none"},
      {"\u7b54\u6848\u662f42\u5143", "42", "42"},
      {"\u0664\u0662", "none", "none"},  // digits of other scripts aren't read
      {"+1e+2", "1e2", "1e2"},
      {"3/4", "3", "4"},
      {"000120", "12e1", "12e1"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(First(c.text), c.first) << c.text;
    EXPECT_EQ(Last(c.text), c.last) << c.text;
  }
}

TEST(NumberTest, SeparatorsAndPercentsAreRead) {
  const NumberSyntax percent{.thousands_separators = true, .percent = true};
  const NumberSyntax plain{.thousands_separators = false, .percent = false};
  EXPECT_EQ(Last("1,234", plain), "234");
  EXPECT_EQ(Last("50%", percent), "5e-1");
  EXPECT_EQ(Last("12.5 %", percent), "125e-3");
  EXPECT_EQ(Last("50\\%", percent), "5e-1");
  EXPECT_EQ(Last("50%"), "5e1");
  EXPECT_EQ(Last("50 percent", percent), "5e1");
}

TEST(NumberTest, AWholeTextIsANumberAndNothingElse) {
  for (const char* text : {"42", " 42\n", "+42", "$42", "42%", "4.2e1", "42.0"})
    EXPECT_EQ(Only(text), "42") << text;
  for (const char* text : {"", " ", "42.", "42 43", "x42", "42x", "1,23", "--42", "forty-two"})
    EXPECT_EQ(Only(text), "none") << text;
}

bool Close(std::string_view a, std::string_view r, double absolute, double relative) {
  return IsClose(*OnlyNumber(a, {}), *OnlyNumber(r, {}), absolute, relative);
}

TEST(NumberTest, ComparesExactlyWithinTolerances) {
  EXPECT_TRUE(Close("42.0", "42", 0, 0));
  EXPECT_TRUE(Close("4.2e1", "42", 0, 0));
  EXPECT_FALSE(Close("12345678901234567890", "12345678901234567891", 0, 0));
  EXPECT_FALSE(Close("0.1", "0.10000000000000000001", 0, 0));
  // Doubles would say no: 3.14 - 3.13 > 0.01.
  EXPECT_TRUE(Close("3.13", "3.14", 0.01, 0));
  EXPECT_FALSE(Close("3.1299999999999999999", "3.14", 0.01, 0));
  EXPECT_TRUE(Close("-99", "-100", 0, 0.01));
  EXPECT_FALSE(Close("-98.99", "-100", 0, 0.01));
  EXPECT_TRUE(Close("101", "100", 0.5, 0.01)) << "the larger tolerance counts";
  EXPECT_FALSE(Close("1e-9", "0", 0, 1)) << "a part of nothing is nothing";
}

TEST(NumberTest, HugeNumbersCostNothing) {
  const std::string digits(1'000'000, '9');
  EXPECT_EQ(Last(digits + " and 1").substr(0, 3), "1");
  EXPECT_TRUE(Close("1e999999999999999999", "1e999999999999999999", 0.1, 0.1));
  EXPECT_FALSE(Close("1e999999999999999999", "5", 1e300, 1));
  EXPECT_TRUE(Close("1e-999999999999999999", "0", 1e-300, 0));
  EXPECT_FALSE(Close(digits, "1", 1, 1));
  EXPECT_TRUE(Close("3." + std::string(100'000, '1'), "3.11", 0.01, 0));
}

TEST(NumberTest, DoublesAreTheirShortestDecimals) {
  EXPECT_EQ(ToText(NumberOf(0.1)), "1e-1");
  EXPECT_EQ(ToText(NumberOf(-1500)), "-15e2");
  EXPECT_EQ(ToText(NumberOf(0)), "0");
  EXPECT_EQ(ToText(NumberOf(std::numeric_limits<double>::denorm_min())), "5e-324");
}

TEST(NumberTest, KnowsMultiplesInDecimals) {
  const auto multiple = [](double value, double unit) {
    return IsMultiple(NumberOf(value), NumberOf(unit));
  };
  EXPECT_TRUE(multiple(0.3, 0.1));
  EXPECT_TRUE(multiple(-4.5, 1.5));
  EXPECT_TRUE(multiple(0, 7));
  EXPECT_FALSE(multiple(1, 0.3));
  EXPECT_FALSE(multiple(1e300, 3e-300));
  EXPECT_TRUE(IsMultiple(*OnlyNumber("9007199254740993", {}), NumberOf(3)));
}

}  // namespace
}  // namespace tpo
