// Where in a text answers may stand. Linear in the length of the text.
#ifndef TPO_VERIFIER_MATH_ANSWER_CANDIDATES_H_
#define TPO_VERIFIER_MATH_ANSWER_CANDIDATES_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tpo::math {

struct Candidate {
  size_t begin = 0;  // of what to replace or anchor, with delimiters
  size_t end = 0;
  std::vector<std::string> parts;  // LaTeX; several are elements of a list
};

// $…$, $$…$$, \(…\), \[…\] and bare \frac{1}{2}, in order; neighbours joined by commas, "and" or
// "or" are one.
std::vector<Candidate> FindMathematics(std::string_view text);

// Numbers and arithmetic such as 1/2 or 3 + 4, in order.
std::vector<Candidate> FindNumbers(std::string_view text);

// The last \boxed{…}, with those just before it; empty when there is none.
std::vector<Candidate> FindBoxes(std::string_view text);

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_ANSWER_CANDIDATES_H_
