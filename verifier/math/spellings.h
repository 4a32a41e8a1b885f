// The many ways to spell one thing: tables for the lexer.
#ifndef TPO_VERIFIER_MATH_SPELLINGS_H_
#define TPO_VERIFIER_MATH_SPELLINGS_H_

#include <string_view>

namespace tpo::math {

// Commands that only concern looks.
bool IsLayoutCommand(std::string_view command);

// Commands that stand before a delimiter: \left, \Bigr, …
bool IsDelimiterSize(std::string_view command);

// Commands whose argument is text or a font: \text, \mathrm, …
bool IsTextCommand(std::string_view command);

// The one name for a command: "dfrac" → "frac", "leq" → "<=", "geqslant" → ">=". A result that is a
// symbol (see TokenKind::kSymbol) becomes one.
std::string_view CanonicalCommand(std::string_view command);

// What a whole word of plain letters means: "pi" → "pi", "sin" → "sin", "and" → ",". Empty:
// letters.
std::string_view MeaningOfWord(std::string_view word);

// The LaTeX of a UTF-8 character, and its length in bytes; empty for one without a meaning.
struct Spelling {
  std::string_view latex;
  size_t length = 0;
};
Spelling SpellCharacter(std::string_view text);

// Units, currencies and things counted, in the singular: "cm", "dollar", "apple".
bool IsUnit(std::string_view word);

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_SPELLINGS_H_
