#include "verifier/math/answer_extraction.h"

#include "tests/verifier/math/math_test_support.h"

namespace tpo::math {
namespace {

std::string Extracted(std::string_view completion) {
  Budget budget({});
  const ExtractedAnswer answer = ExtractAnswer(completion, budget);
  return answer.value == nullptr ? "-" : Show(answer.value);
}

std::string Reference(std::string_view reference) {
  Budget budget({});
  const ExtractedAnswer answer = ExtractReference(reference, budget);
  return answer.value == nullptr ? "-" : Show(answer.value);
}

TEST(AnswerExtractionTest, TheLastBoxWins) {
  EXPECT_EQ(Extracted("So \\boxed{\\frac{1}{2}}."), "1/2");
  EXPECT_EQ(Extracted("First \\boxed{3}. That was wrong: it is in fact \\boxed{4}."), "4");
  EXPECT_EQ(Extracted("\\boxed{21} is wrong, the answer is $\\boxed{20}$"), "20");
  EXPECT_EQ(Extracted("$\\boxed{5}$. Check: $2\\cdot 5=10$."), "5");
  EXPECT_EQ(Extracted("\\boxed {7}"), "7");
}

TEST(AnswerExtractionTest, NeighbouringBoxesAreOneList) {
  EXPECT_EQ(Extracted("\\boxed{1} and \\boxed{2}"), "(list 1 2)");
  EXPECT_EQ(Extracted("\\boxed{1}, \\boxed{2}, \\boxed{3}"), "(list 1 2 3)");
}

TEST(AnswerExtractionTest, AnOpenBoxIsNoAnswer) { EXPECT_EQ(Extracted("\\boxed{30"), "-"); }

TEST(AnswerExtractionTest, WordsPointToTheAnswer) {
  EXPECT_EQ(Extracted("The final answer is $5$. I hope it is correct. Or $6$?"), "5");
  EXPECT_EQ(Extracted("The answer is $5$, as $2+3$ shows."), "5");
  EXPECT_EQ(Extracted("**Answer:** $x+1$"), "(+ x 1)");
  EXPECT_EQ(Extracted("Answer: 12 apples, since there were 7 in 3 baskets"), "12");
  EXPECT_EQ(Extracted("We get 3.\n#### 1,234"), "1234");
  EXPECT_EQ(Extracted("The answer is 2 + 3 = 5"), "5");
}

TEST(AnswerExtractionTest, ElseTheLastMathematicsOrNumber) {
  EXPECT_EQ(Extracted("We have $x=3$, so $y=4$."), "(relation = y 4)");
  EXPECT_EQ(Extracted("Thus \\(5\\) and that is it"), "5");
  EXPECT_EQ(Extracted("\\[ 7 \\]"), "7");
  EXPECT_EQ(Extracted("She has 3 cats and 12 dogs."), "12");
  EXPECT_EQ(Extracted("It costs $3.50"), "7/2.");
  EXPECT_EQ(Extracted("That is 45% of all"), "(% 45)");
  EXPECT_EQ(Extracted("The ratio is 3/4."), "3/4");
  EXPECT_EQ(Extracted("The solutions are $1$, $2$ and $3$."), "(list 1 2 3)");
  EXPECT_EQ(Extracted("XDY2K"), "-");
}

TEST(AnswerExtractionTest, WordsAndLettersBehindAnswer) {
  EXPECT_EQ(Extracted("The answer is (B)."), "b");
  EXPECT_EQ(Extracted("Answer: **C**"), "c");
  EXPECT_EQ(Extracted("The answer is yes."), "yes");
  EXPECT_EQ(Extracted("The answer is as follows. $x$"), "x");
}

TEST(AnswerExtractionTest, NothingToFind) {
  for (const char* text : {"", "I don't know.", "$$", "\\boxed{}", "$\\foo$"}) {
    EXPECT_EQ(Extracted(text), "-") << text;
  }
}

TEST(AnswerExtractionTest, WhatCannotBeReadIsPassedOver) {
  EXPECT_EQ(Extracted("$5$ and $\\foo$"), "5");
  EXPECT_EQ(Extracted("$3x=6=6=2$"), "(relation = = = (* 3 x) 6 6 2)");
  EXPECT_EQ(Extracted("$\\foo = 1 = 2$"), "2");
}

TEST(AnswerExtractionTest, OnlyTheEndOfALongTextIsSearched) {
  Budget budget({.max_completion_bytes = 20});
  const std::string text = "$1$" + std::string(100, ' ');
  EXPECT_EQ(ExtractAnswer(text, budget).value, nullptr);
}

TEST(AnswerExtractionTest, References) {
  EXPECT_EQ(Reference("\\frac12"), "1/2");
  EXPECT_EQ(Reference("$\\frac12$"), "1/2");
  EXPECT_EQ(Reference("so \\boxed{4}"), "4");
  EXPECT_EQ(Reference("3 + 4 = 7\n#### 7"), "7");
  EXPECT_EQ(Reference("\\$10"), "10");
  EXPECT_EQ(Reference("5\\text{ cm}"), "5");
}

}  // namespace
}  // namespace tpo::math
