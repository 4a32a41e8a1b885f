// Carries out what isn't left to exact_form.h and numeric.h: finite sums and products over an
// index, and arithmetic on matrices.
#ifndef TPO_VERIFIER_MATH_SIMPLIFY_H_
#define TPO_VERIFIER_MATH_SIMPLIFY_H_

#include "verifier/math/expression.h"

namespace tpo::math {

// Null with `budget` exhausted. What can't be carried out, such as a sum of a matrix and a number,
// stays as it is.
NodePtr Simplify(const NodePtr& node, Budget& budget);

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_SIMPLIFY_H_
