// Turns LaTeX, or plain text such as "3/4" or "sqrt(2)", into tokens, with everything that only
// concerns looks taken away: spacing, \left and \right, sizes, fonts, dollar signs, currency.
//
// Spellings of one thing become one token: \dfrac and \frac, \leq and \le and ≤, "and" and a comma,
// "percent" and \%. Trailing units go too ("5\text{ cm}^2", "5 cm"), as does a thousands separator.
//
// Total: any bytes give tokens; what can't be part of an expression is a kUnknown token. Linear in
// the length of the text.
#ifndef TPO_VERIFIER_MATH_LEXER_H_
#define TPO_VERIFIER_MATH_LEXER_H_

#include <string>
#include <string_view>
#include <vector>

#include "verifier/math/budget.h"

namespace tpo::math {

enum class TokenKind {
  kNumber,       // text: digits, perhaps with a decimal point
  kLetter,       // text: one letter
  kCommand,      // text: the name without the backslash
  kText,         // text: what \text{…} holds
  kEnvironment,  // text: of \begin{…}
  kEnd,          // text: of \end{…}
  kRow,          // the row separator
  kSymbol,       // text: one of ( ) [ ] { } \{ \} + - * / : = < > <= >= != ^ _ ! | , ; & '
  kUnknown,
};

struct MathToken {
  TokenKind kind = TokenKind::kUnknown;
  std::string text;
  bool space_before = false;
  bool operator==(const MathToken& other) const { return kind == other.kind && text == other.text; }
};

// Empty with `budget` exhausted when the text is longer than Limits::max_answer_bytes.
std::vector<MathToken> Tokenize(std::string_view text, Budget& budget);

// Drops units and other words at the end of an answer, unless nothing would be left.
void DropTrailingUnits(std::vector<MathToken>& tokens);

// One spelling for all that differ only in looks: for comparing what can't be parsed.
std::string Spell(const std::vector<MathToken>& tokens);

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_LEXER_H_
