// Finds the final answer in what a model wrote, and reads it.
//
// Candidates, best first; within one rank the last in the text wins, and the first that can be read
// is taken:
//   1. "final answer is …. I hope"     2. \boxed{…}, "final answer … is …", behind "####"
//   3. "answer: …"                     4. "answer …"
//   5. one word or letter behind "answer is" or "answer:"
//   6. any mathematics ($…$, \(…\), \[…\], $$…$$), any arithmetic, any number
// Neighbouring boxes, and mathematics joined by commas, "and" or "or", are one list.
#ifndef TPO_VERIFIER_MATH_ANSWER_EXTRACTION_H_
#define TPO_VERIFIER_MATH_ANSWER_EXTRACTION_H_

#include <string>
#include <string_view>
#include <vector>

#include "verifier/math/expression.h"

namespace tpo::math {

struct ExtractedAnswer {
  NodePtr value;         // null: no candidate could be read
  std::string source;    // the text of the value, else of the best candidate; empty: none at all
  std::string spelling;  // of the best candidate, free of looks: compared where values can't be
  std::string problem;   // why a candidate couldn't be read
};

// Spends from `budget`. A candidate beyond a limit is one that can't be read.
ExtractedAnswer ExtractAnswer(std::string_view completion, Budget& budget);

// A reference is a LaTeX expression as a whole, unless it has dollar signs, a box or "####".
ExtractedAnswer ExtractReference(std::string_view reference, Budget& budget);

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_ANSWER_EXTRACTION_H_
