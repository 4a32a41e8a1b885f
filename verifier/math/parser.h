// Reads an answer: LaTeX or plain text into a tree.
//
// The grammar, loosest first; docs/math_verifier.md says what each form means when it is compared.
//
//   answer    list of elements, separated by ',' or ';'; with both, ';' separates tuples
//   element   chain of = < <= > >= != \in \approx; one with \pm stands for two elements
//   set       \cup, \setminus, then \cap, of sums
//   sum       + - of products
//   product   \cdot * / \div : \bmod of runs; a run is a sequence without operators: 2x, 2\frac12
//   power     an operand with ^ ! ^\circ \% behind it
//   operand   number, letter with subscript, \frac, \sqrt, brackets, |x|, functions, matrices,
//   \text
//
// A function without brackets takes all of the product up to the next function: \sin 2x \cos x.
// A run binds tighter than a slash: 1/2x is 1/(2x).
#ifndef TPO_VERIFIER_MATH_PARSER_H_
#define TPO_VERIFIER_MATH_PARSER_H_

#include <vector>

#include "absl/status/statusor.h"
#include "verifier/math/expression.h"
#include "verifier/math/lexer.h"

namespace tpo::math {

// INVALID_ARGUMENT: not an expression; the message says at which token. RESOURCE_EXHAUSTED: the
// budget is; the message says of what.
absl::StatusOr<NodePtr> Parse(const std::vector<MathToken>& tokens, Budget& budget);

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_PARSER_H_
