#include "verifier/math/exact_form.h"

#include "tests/verifier/math/math_test_support.h"

namespace tpo::math {
namespace {

Comparison Compared(std::string_view a, std::string_view b) {
  Budget budget({});
  return ExactAlgebra(budget).Compare(ParseText(a), ParseText(b));
}

TEST(ExactFormTest, ProvesEquality) {
  for (const auto& [a, b] : std::vector<std::pair<const char*, const char*>>{
           {"(x+1)^3", "x^3+3x^2+3x+1"},
           {"\\frac{x^2-1}{x-1}", "x+1"},
           {"\\frac1a+\\frac1b", "\\frac{a+b}{ab}"},
           {"\\sqrt{12}", "2\\sqrt3"},
           {"\\frac{1}{\\sqrt3+1}", "\\frac{\\sqrt3-1}{2}"},
           {"\\sqrt2\\sqrt3", "\\sqrt6"},
           {"\\sqrt[3]{54}", "3\\sqrt[3]{2}"},
           {"\\sqrt[3]{-8}", "-2"},
           {"\\sqrt{-4}", "2i"},
           {"(1+i)^2", "2i"},
           {"\\frac{1}{1+i}", "\\frac{1-i}{2}"},
           {"\\sqrt{\\frac{1}{2}}", "\\frac{\\sqrt2}{2}"},
           {"8^{2/3}", "4"},
           {"2^{100}", "1267650600228229401496703205376"},
           {"\\pi r^2", "r\\cdot r\\cdot\\pi"},
           {"\\sin x+\\sin x", "2\\sin x"},
           {"\\sqrt{x}\\sqrt{x}", "x"},
           {"5!", "120"},
           {"\\binom52", "10"},
           {"\\log_2 8", "3"},
           {"\\gcd(12,18)", "6"},
           {"|-3|", "3"},
           {"17 \\bmod 5", "2"}}) {
    EXPECT_EQ(Compared(a, b), Comparison::kEqual) << a << " and " << b;
  }
}

TEST(ExactFormTest, ProvesDifferenceWhereGeneratorsAreIndependent) {
  for (const auto& [a, b] : std::vector<std::pair<const char*, const char*>>{
           {"x+1", "x+2"},
           {"\\sqrt2", "1.41421356237309504880168872420969807857"},
           {"\\sqrt2+\\sqrt3", "\\sqrt5"},
           {"\\pi", "3.14159265358979323846264338327950288420"},
           {"10^{30}", "10^{30}+1"},
           {"\\frac{1}{x}", "x"},
           {"i", "1"}}) {
    EXPECT_EQ(Compared(a, b), Comparison::kDifferent) << a << " and " << b;
  }
}

TEST(ExactFormTest, DoesNotClaimWhatItCannotProve) {
  for (const auto& [a, b] : std::vector<std::pair<const char*, const char*>>{
           {"\\sin(2x)", "2\\sin x\\cos x"},
           {"\\sqrt{3+2\\sqrt2}", "1+\\sqrt2"},
           {"\\sqrt{x^2}", "x"},
           {"\\sqrt{1022117}", "\\sqrt{1009}\\sqrt{1013}"},
           {"\\frac{0}{x-x}", "1"},
           {"\\infty", "1"}}) {
    EXPECT_EQ(Compared(a, b), Comparison::kUnknown) << a << " and " << b;
  }
}

TEST(ExactFormTest, StaysWithinItsLimits) {
  for (const char* text : {"10^{10^{10}}", "100000000!", "\\binom{1000000000}{5}", "(x+y+z+w)^{99}",
                           "x^{99999999}", "(((9^9)^9)^9)^{99}", "2^{1/99999999}"}) {
    Budget budget({});
    EXPECT_EQ(ExactAlgebra(budget).Compare(ParseText(text), Number(5)), Comparison::kUnknown)
        << text;
    EXPECT_TRUE(budget.exhausted()) << text;
  }
}

TEST(ExactFormTest, FindsRationalValues) {
  Budget budget({});
  EXPECT_EQ(ExactAlgebra(budget).RationalValue(ParseText("\\frac{1}{2}+\\frac13")),
            mpq_class(5, 6));
  EXPECT_EQ(ExactAlgebra(budget).RationalValue(ParseText("50\\%")), mpq_class(1, 2));
  EXPECT_FALSE(ExactAlgebra(budget).RationalValue(ParseText("\\sqrt2")).has_value());
  EXPECT_FALSE(ExactAlgebra(budget).RationalValue(ParseText("x")).has_value());
}

}  // namespace
}  // namespace tpo::math
