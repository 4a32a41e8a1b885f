// Functions with an exact value at rational arguments: factorial, binomial, gcd, floor, …
#ifndef TPO_VERIFIER_MATH_INTEGER_FUNCTIONS_H_
#define TPO_VERIFIER_MATH_INTEGER_FUNCTIONS_H_

#include <gmpxx.h>

#include <optional>
#include <string_view>
#include <vector>

#include "verifier/math/budget.h"

namespace tpo::math {

// Nothing for a function without an exact value there; with `budget` exhausted when the value would
// be too large.
std::optional<mpq_class> ApplyToRationals(std::string_view function,
                                          const std::vector<mpq_class>& arguments, Budget& budget);

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_INTEGER_FUNCTIONS_H_
