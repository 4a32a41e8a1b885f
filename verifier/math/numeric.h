// Approximate values, with a bound on their error: what decides where exact algebra can't.
//
// Complex, in long double: 64 bits of mantissa on x86-64. Roots and logarithms are principal
// values, except that odd roots of negative real numbers are real.
#ifndef TPO_VERIFIER_MATH_NUMERIC_H_
#define TPO_VERIFIER_MATH_NUMERIC_H_

#include <complex>
#include <map>
#include <optional>
#include <string>

#include "verifier/math/exact_form.h"
#include "verifier/math/expression.h"

namespace tpo::math {

struct Approximation {
  enum class State {
    kFinite,
    kOutOfRange,  // larger than any long double, or nearer to 0 without being 0
    kUndefined,   // 1/0, or not known how to evaluate
  };
  State state = State::kFinite;
  std::complex<long double> value;
  long double error = 0.0L;  // bounds |value - exact|
};

// With a value for every variable; one that is missing makes the result undefined.
Approximation Evaluate(const NodePtr& node, const std::map<std::string, long double>& variables,
                       Budget& budget);

// The value of a constant real expression.
std::optional<long double> RealValue(const NodePtr& node, Budget& budget);

// Compares at several points, the same in every run, with variables positive and negative.
// Equality is likely, not proven: both sides agree at all points within their errors.
Comparison CompareNumerically(const NodePtr& a, const NodePtr& b, Budget& budget);

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_NUMERIC_H_
