#include "verifier/math/real_set.h"

#include "tests/verifier/math/math_test_support.h"
#include "verifier/math/exact_form.h"

namespace tpo::math {
namespace {

bool Same(std::string_view a, std::string_view b) {
  Budget budget({});
  const std::optional<RealSet> x = RealSet::Of(ParseText(a), budget);
  const std::optional<RealSet> y = RealSet::Of(ParseText(b), budget);
  EXPECT_TRUE(x.has_value()) << a;
  EXPECT_TRUE(y.has_value()) << b;
  return x && y && x->SameAs(*y, [&budget](const NodePtr& p, const NodePtr& q) {
    return ExactAlgebra(budget).Compare(p, q) == Comparison::kEqual;
  });
}

bool IsSet(std::string_view text) {
  Budget budget({});
  return RealSet::Of(ParseText(text), budget).has_value();
}

TEST(RealSetTest, OneSetInManyForms) {
  EXPECT_TRUE(Same("(0,2)\\cup(2,5)", "(0,5)\\setminus\\{2\\}"));
  EXPECT_TRUE(Same("(0,2]\\cup(2,5)", "(0,5)"));
  EXPECT_TRUE(Same("(1,3)\\cap[2,5]", "[2,3)"));
  EXPECT_TRUE(Same("\\mathbb{R}", "(-\\infty,\\infty)"));
  EXPECT_TRUE(Same("\\mathbb{R}\\setminus\\{2\\}", "(2,\\infty)\\cup(-\\infty,2)"));
  EXPECT_TRUE(Same("\\{1,2\\}\\cup\\{3\\}", "\\{3,2,1\\}"));
  EXPECT_TRUE(Same("(1,2)\\cap(3,4)", "\\emptyset"));
  EXPECT_TRUE(Same("[\\sqrt8,3]", "[2\\sqrt2,3]"));
  EXPECT_TRUE(Same("[0,1)\\cup\\{1\\}", "[0,1]"));
}

TEST(RealSetTest, DifferentSets) {
  EXPECT_FALSE(Same("(0,2)\\cup(2,5)", "(0,5)"));
  EXPECT_FALSE(Same("(0,5)", "[0,5)"));
  EXPECT_FALSE(Same("(0,5)", "(0,6)"));
  EXPECT_FALSE(Same("(0,\\infty)", "(0,5)"));
}

TEST(RealSetTest, LinearInequalitiesAreSets) {
  EXPECT_TRUE(Same("x>2", "(2,\\infty)"));
  EXPECT_TRUE(Same("3-x\\ge 1", "(-\\infty,2]"));
  EXPECT_TRUE(Same("1<2x+1\\le 5", "(0,2]"));
  EXPECT_TRUE(Same("x\\ne 2", "(-\\infty,2)\\cup(2,\\infty)"));
  EXPECT_TRUE(Same("x<\\sqrt2", "(-\\infty,\\sqrt2)"));
}

TEST(RealSetTest, LeavesTheRestAlone) {
  EXPECT_FALSE(IsSet("x^2<4"));
  EXPECT_FALSE(IsSet("x<y"));
  EXPECT_FALSE(IsSet("(a,b)"));
  EXPECT_FALSE(IsSet("\\mathbb{Z}"));
  EXPECT_FALSE(IsSet("\\{i\\}"));
}

}  // namespace
}  // namespace tpo::math
