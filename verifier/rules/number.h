// Numbers in texts, exactly: decimals as they are written, of any size, without a detour over
// floating point.
//
// A number is an optional sign, digits with an optional decimal point, and an optional exponent:
// 42, -3.5, .5, +1e-3. It doesn't start within a word (the 2 of x2 is none), a sign belongs to it
// only where no operand stands before it (3-5 is 3 and 5), and a currency sign may stand between
// sign and digits. "inf" and "nan" are no numbers. Fractions aren't carried out: 3/4 is 3 and 4.
//
// Pure functions; time is linear in the text.
#ifndef TPO_VERIFIER_RULES_NUMBER_H_
#define TPO_VERIFIER_RULES_NUMBER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tpo {

// ± digits * 10^exponent.
struct Number {
  bool negative = false;
  std::string digits;  // the first and the last aren't 0; empty: zero
  int64_t exponent = 0;

  friend bool operator==(const Number&, const Number&) = default;
};

struct NumberSyntax {
  bool thousands_separators = true;  // 1,234,567 is one number
  bool percent = false;              // 50% is 0.5
};

std::optional<Number> FirstNumber(std::string_view text, const NumberSyntax& syntax);
std::optional<Number> LastNumber(std::string_view text, const NumberSyntax& syntax);
// The text is a number, and nothing else but white space around it, a currency sign or a percent
// sign.
std::optional<Number> OnlyNumber(std::string_view text, const NumberSyntax& syntax);

// The shortest decimal that is this double and no other. REQUIRES: it is finite.
Number NumberOf(double value);

// Whether |a - r| <= max(absolute, relative * |r|), exactly. Of numbers with more than a thousand
// digits the first thousand count. REQUIRES: tolerances are finite and not negative.
bool IsClose(const Number& a, const Number& r, double absolute, double relative);

// Whether `value` is a whole multiple of `unit`, exactly. REQUIRES: neither is beyond what a double
// holds, and the unit isn't 0.
bool IsMultiple(const Number& value, const Number& unit);

// As it would be written, for explanations.
std::string ToText(const Number& number);

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_NUMBER_H_
