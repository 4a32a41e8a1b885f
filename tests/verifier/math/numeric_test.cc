#include "verifier/math/numeric.h"

#include <cmath>

#include "tests/verifier/math/math_test_support.h"

namespace tpo::math {
namespace {

Comparison Compared(std::string_view a, std::string_view b) {
  Budget budget({});
  return CompareNumerically(ParseText(a), ParseText(b), budget);
}

Approximation At(std::string_view text, const std::map<std::string, long double>& variables = {}) {
  Budget budget({});
  return Evaluate(ParseText(text), variables, budget);
}

TEST(NumericTest, ErrorsBoundTheDistanceToTheTruth) {
  const std::pair<const char*, long double> kTruths[] = {
      {"\\sqrt2", std::sqrt(2.0L)},
      {"\\sin 1", std::sin(1.0L)},
      {"e^{10}", std::exp(10.0L)},
      {"\\ln 7", std::log(7.0L)},
      {"2^{0.5}\\cdot 3", 3 * std::sqrt(2.0L)},
      {"\\frac13", 1.0L / 3.0L},
      {"\\arctan 1", std::atan(1.0L)},
      {"(10^{9}+\\sqrt2)-10^{9}", std::sqrt(2.0L)},
      {"\\binom{10}{3}", 120.0L},
      {"\\sqrt[3]{-8}", -2.0L}};
  for (const auto& [text, truth] : kTruths) {
    const Approximation value = At(text);
    ASSERT_EQ(value.state, Approximation::State::kFinite) << text;
    EXPECT_LE(std::abs(value.value - truth), 4 * value.error) << text;
    EXPECT_LT(value.error, 1e-8L * std::abs(truth)) << text;
  }
}

TEST(NumericTest, SaysWhatHasNoValue) {
  EXPECT_EQ(At("\\frac{1}{1-1}").state, Approximation::State::kUndefined);
  EXPECT_EQ(At("\\ln 0").state, Approximation::State::kUndefined);
  EXPECT_EQ(At("\\tan\\frac{\\pi}{2}").state, Approximation::State::kUndefined);
  EXPECT_EQ(At("x").state, Approximation::State::kUndefined);
  EXPECT_EQ(At("10^{10^{10}}").state, Approximation::State::kOutOfRange);
  EXPECT_EQ(At("10^{-10^{10}}").state, Approximation::State::kOutOfRange);
}

TEST(NumericTest, FindsIdentities) {
  for (const auto& [a, b] :
       std::vector<std::pair<const char*, const char*>>{{"\\sin 2x", "2\\sin x\\cos x"},
                                                        {"\\sin^2x+\\cos^2x", "1"},
                                                        {"\\sqrt{3+2\\sqrt2}", "1+\\sqrt2"},
                                                        {"\\sqrt{x^2}", "|x|"},
                                                        {"e^{2x}", "(e^x)^2"},
                                                        {"e^{i\\pi}", "-1"},
                                                        {"n!", "n(n-1)!"},
                                                        {"\\cosh x", "\\frac{e^x+e^{-x}}{2}"},
                                                        {"\\ln 6", "\\ln 2+\\ln 3"},
                                                        {"\\cos 36^\\circ", "\\cos 36"}}) {
    EXPECT_EQ(Compared(a, b), Comparison::kEqual) << a << " and " << b;
  }
}

TEST(NumericTest, TellsApart) {
  for (const auto& [a, b] :
       std::vector<std::pair<const char*, const char*>>{{"\\sqrt{x^2}", "x"},
                                                        {"\\ln(x^2)", "2\\ln x"},
                                                        {"\\sqrt x\\sqrt y", "\\sqrt{xy}"},
                                                        {"\\sin x", "x"},
                                                        {"e^x", "e^x+0.0000000001"},
                                                        {"\\frac{1}{0}", "5"},
                                                        {"10^{10^{10}}", "5"}}) {
    EXPECT_EQ(Compared(a, b), Comparison::kDifferent) << a << " and " << b;
  }
}

TEST(NumericTest, LeavesOpenWhatIsOutOfRange) {
  EXPECT_EQ(Compared("10^{10^{10}}", "10^{10^{11}}"), Comparison::kUnknown);
  EXPECT_EQ(Compared("x^{99999999}", "x^{99999998}"), Comparison::kUnknown);
  EXPECT_EQ(Compared("\\frac{1}{0}", "\\frac{2}{0}"), Comparison::kUnknown);
}

TEST(NumericTest, RealValuesAreReal) {
  Budget budget({});
  EXPECT_FALSE(RealValue(ParseText("i"), budget).has_value());
  EXPECT_NEAR(static_cast<double>(*RealValue(ParseText("\\pi"), budget)), 3.14159265358979, 1e-13);
}

}  // namespace
}  // namespace tpo::math
