#include "verifier/math/parser.h"

#include "tests/verifier/math/math_test_support.h"

namespace tpo::math {
namespace {

std::string Parsed(std::string_view text) { return Show(ParseText(text)); }

TEST(ParserTest, Precedence) {
  EXPECT_EQ(Parsed("1+2x^2"), "(+ 1 (* 2 (^ x 2)))");
  EXPECT_EQ(Parsed("-x^2"), "(* -1 (^ x 2))");
  EXPECT_EQ(Parsed("1/2x"), "(* 1 (^ (* 2 x) -1))");
  EXPECT_EQ(Parsed("2\\cdot -3"), "(* 2 -3)");
  EXPECT_EQ(Parsed("x(x+1)"), "(* x (+ x 1))");
  EXPECT_EQ(Parsed("5!"), "(factorial 5)");
  EXPECT_EQ(Parsed("--3"), "3");
}

TEST(ParserTest, Fractions) {
  EXPECT_EQ(Parsed("\\frac{6}{4}"), "3/2");
  EXPECT_EQ(Parsed("\\frac12"), "1/2");
  EXPECT_EQ(Parsed("\\frac1{2}"), "1/2");
  EXPECT_EQ(Parsed("3/4"), "3/4");
  EXPECT_EQ(Parsed("3:4"), "3/4");
  EXPECT_EQ(Parsed("\\frac{x}{2}"), "(* x (^ 2 -1))");
  EXPECT_EQ(Parsed("2\\frac12"), "5/2");
  EXPECT_EQ(Parsed("-2\\frac12"), "-5/2");
  EXPECT_EQ(Parsed("2 1/2"), "5/2");
  EXPECT_EQ(Parsed("0.1\\overline{6}"), "1/6");
}

TEST(ParserTest, LeadingZerosAreNotOctal) {
  EXPECT_EQ(Parsed("010"), "10");
  EXPECT_EQ(Parsed("0.010"), "1/100.");
  EXPECT_EQ(Parsed("0.\\overline{09}"), "1/11");
}

TEST(ParserTest, Functions) {
  EXPECT_EQ(Parsed("\\sin 2x \\cos x"), "(* (sin (* 2 x)) (cos x))");
  EXPECT_EQ(Parsed("\\sin(x)y"), "(* (sin x) y)");
  EXPECT_EQ(Parsed("\\sin^2 x"), "(^ (sin x) 2)");
  EXPECT_EQ(Parsed("\\tan^{-1}(1)"), "(atan 1)");
  EXPECT_EQ(Parsed("\\log_2 8"), "(log 8 2)");
  EXPECT_EQ(Parsed("\\log_{2}(8)"), "(log 8 2)");
  EXPECT_EQ(Parsed("\\ln x"), "(log x #e)");
  EXPECT_EQ(Parsed("\\log x"), "(log x 10)");
  EXPECT_EQ(Parsed("\\sqrt[3]{8}"), "(^ 8 1/3)");
  EXPECT_EQ(Parsed("\\sqrt2x"), "(* (^ 2 1/2) x)");
  EXPECT_EQ(Parsed("\\exp(x)"), "(^ #e x)");
  EXPECT_EQ(Parsed("\\binom{5}{2}"), "(binomial 5 2)");
  EXPECT_EQ(Parsed("|x-|y||"), "(abs (+ x (* -1 (abs y))))");
  EXPECT_EQ(Parsed("\\lfloor x\\rfloor"), "(floor x)");
  EXPECT_EQ(Parsed("\\sum_{i=1}^{3} i"), "(sum i 1 3 i)");
}

TEST(ParserTest, BracketsAreGroupsIntervalsAndTuples) {
  EXPECT_EQ(Parsed("(x)"), "x");
  EXPECT_EQ(Parsed("(1,2]"), "(interval open closed 1 2)");
  EXPECT_EQ(Parsed("[1,\\infty)"), "(interval closed open 1 #infinity)");
  EXPECT_EQ(Parsed("(1,2,3)"), "(tuple 1 2 3)");
  EXPECT_EQ(Parsed("\\{1,2\\}"), "(set 1 2)");
  EXPECT_EQ(Parsed("\\{\\}"), "setempty");
  EXPECT_EQ(Parsed("(1,2)\\cup[3,4]"),
            "(union (interval open open 1 2) (interval closed closed 3 4))");
  EXPECT_EQ(Parsed("\\mathbb{R}\\setminus\\{0\\}"), "(minus setR (set 0))");
}

TEST(ParserTest, ListsAndRelations) {
  EXPECT_EQ(Parsed("1,2"), "(list 1 2)");
  EXPECT_EQ(Parsed("1,2;3,4"), "(list (tuple 1 2) (tuple 3 4))");
  EXPECT_EQ(Parsed("1<x\\le 2"), "(relation < <= 1 x 2)");
  EXPECT_EQ(Parsed("x\\in[1,2]"), "(relation = x (interval closed closed 1 2))");
  EXPECT_EQ(Parsed("x \\approx 3.1"), "31/10.");
  EXPECT_EQ(Parsed("\\pi \\approx 3.1"), "#pi");
}

TEST(ParserTest, PlusMinusGivesTwoElements) {
  EXPECT_EQ(Parsed("\\pm 2"), "(list 2 -2)");
  EXPECT_EQ(Parsed("x=1\\mp 2"), "(list (relation = x (+ 1 -2)) (relation = x (+ 1 2)))");
  EXPECT_EQ(Parsed("\\frac{1\\pm x}{2}"),
            "(list (* (+ 1 x) (^ 2 -1)) (* (+ 1 (* -1 x)) (^ 2 -1)))");
  EXPECT_EQ(Parsed("\\{\\pm 1\\}"), "(set 1 -1)");
}

TEST(ParserTest, NamesAndText) {
  EXPECT_EQ(Parsed("x_{1}"), "x_1");
  EXPECT_EQ(Parsed("\\alpha_1"), "alpha_1");
  EXPECT_EQ(Parsed("\\text{ (B) }"), "b");
  EXPECT_EQ(Parsed("\\text{no solution}"), "nosolution");
  EXPECT_EQ(Parsed("e^{i\\pi}"), "(^ #e (* #i #pi))");
}

TEST(ParserTest, Matrices) {
  EXPECT_EQ(Parsed("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"), "(matrix 1 2 3 4)");
  EXPECT_EQ(ParseText("\\begin{array}{c}1\\\\2\\end{array}")->rows, 2);
  EXPECT_FALSE(TryParse("\\begin{pmatrix}1&2\\\\3\\end{pmatrix}").ok());
}

TEST(ParserTest, RefusesAndSaysWhere) {
  for (const char* text : {"",
                           "3-",
                           "\\frac{1}",
                           "(1",
                           "[1",
                           "\\foo",
                           "2 3",
                           "x=",
                           "\\sqrt",
                           "^2",
                           "1++",
                           "{",
                           "\\{1",
                           "|x",
                           "(1]",
                           "\\int x",
                           "\\frac{dy}{dx}",
                           "\\text",
                           "x_",
                           "0.0.\\overline{8}",
                           "\\begin{cases}x\\end{cases}"}) {
    EXPECT_EQ(TryParse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_THAT(std::string(TryParse("1+").status().message()),
              testing::HasSubstr("expected an operand at token 3"));
}

TEST(ParserTest, StopsAtItsLimits) {
  const std::string deep = std::string(300, '(') + "1" + std::string(300, ')');
  EXPECT_EQ(TryParse(deep).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(TryParse("5" + std::string(200, '!')).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(TryParse("1e999999999").status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(TryParse("1+1+1+1", {.max_steps = 10}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace tpo::math
