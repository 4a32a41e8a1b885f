#include "verifier/rules/number.h"

#include <gmpxx.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tpo {
namespace {

constexpr size_t kMostDigits = 1000;
// Numbers beyond these powers of ten are taken for 0, or for farther from any other than a
// tolerance.
constexpr int64_t kLargestMagnitude = 2000;
constexpr int64_t kLargestExponent = 1'000'000'000;
constexpr std::string_view kMinusSign = "\u2212";
constexpr std::string_view kCurrencies[] = {"$", "\u20ac", "\u00a3", "\u00a5"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
// Of ASCII only: not all languages put a space between a word and a number.
bool IsWordByte(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

bool DropSuffix(std::string_view suffix, std::string_view* text) {
  if (!text->ends_with(suffix)) return false;
  text->remove_suffix(suffix.size());
  return true;
}

void DropCurrency(std::string_view* before) {
  for (const std::string_view currency : kCurrencies) {
    if (DropSuffix(currency, before)) return;
  }
}

// Takes a sign from the end of the text before a number, unless an operand before it makes it an
// operator. Whether it was a minus.
bool DropSign(std::string_view* before) {
  std::string_view rest = *before;
  const bool minus = DropSuffix("-", &rest) || DropSuffix(kMinusSign, &rest);
  if (!minus && !DropSuffix("+", &rest)) return false;
  const bool after_operand =
      !rest.empty() && (IsWordByte(rest.back()) || rest.back() == ')' || rest.back() == '%');
  if (after_operand) return false;
  *before = rest;
  return minus;
}

Number Normalised(bool negative, std::string digits, int64_t exponent) {
  const size_t last = digits.find_last_not_of('0');
  if (last == std::string::npos) return {};
  exponent += static_cast<int64_t>(digits.size() - last - 1);
  digits.resize(last + 1);
  digits.erase(0, digits.find_first_not_of('0'));
  return {.negative = negative, .digits = std::move(digits), .exponent = exponent};
}

// The numbers of a text, from left to right.
class Scanner {
 public:
  Scanner(std::string_view text, const NumberSyntax& syntax) : text_(text), syntax_(syntax) {}

  struct Found {
    size_t begin = 0;   // of the sign or the currency sign, if there is one
    size_t digits = 0;  // of the first digit or the decimal point
    size_t end = 0;
    bool negative = false;
  };

  std::optional<Found> Next() {
    while (next_ < text_.size()) {
      const size_t i = next_;
      if (StartsNumber(i)) {
        next_ = EndOfNumber(i);
        return FoundAt(i);
      }
      next_ = AfterWord(i);
    }
    return std::nullopt;
  }

  Number Read(const Found& found) const {
    std::string digits;
    int64_t exponent = 0;
    bool fraction = false;
    size_t i = found.digits;
    for (; i < found.end && text_[i] != 'e' && text_[i] != 'E'; ++i) {
      if (text_[i] == '.') fraction = true;
      if (!IsDigit(text_[i])) continue;
      digits.push_back(text_[i]);
      if (fraction) --exponent;
    }
    if (i < found.end) exponent += ReadExponent(i + 1);
    if (syntax_.percent && AfterPercent(found.end) > found.end) exponent -= 2;
    return Normalised(found.negative, std::move(digits), exponent);
  }

  // Behind a percent sign that follows, perhaps after a blank or LaTeX's backslash; else `at`.
  size_t AfterPercent(size_t at) const {
    std::string_view rest = text_.substr(at);
    if (rest.starts_with(' ')) rest.remove_prefix(1);
    if (rest.starts_with('\\')) rest.remove_prefix(1);
    return rest.starts_with('%') ? text_.size() - rest.size() + 1 : at;
  }

 private:
  bool DigitAt(size_t i) const { return i < text_.size() && IsDigit(text_[i]); }
  bool StartsNumber(size_t i) const {
    if (IsDigit(text_[i])) return true;
    return text_[i] == '.' && DigitAt(i + 1) && (i == 0 || !IsDigit(text_[i - 1]));
  }

  Found FoundAt(size_t digits) const {
    std::string_view before = text_.substr(0, digits);
    DropCurrency(&before);
    const bool with_currency = before.size() < digits;
    const bool negative = DropSign(&before);
    if (!with_currency) DropCurrency(&before);
    return {.begin = before.size(), .digits = digits, .end = next_, .negative = negative};
  }

  size_t AfterDigits(size_t i) const {
    while (DigitAt(i)) ++i;
    return i;
  }

  size_t EndOfNumber(size_t begin) const {
    size_t end = AfterDigits(begin);
    if (syntax_.thousands_separators && end > begin && end - begin <= 3) {
      while (end < text_.size() && text_[end] == ',' && IsGroup(end + 1)) end += 4;
    }
    if (end < text_.size() && text_[end] == '.' && DigitAt(end + 1)) end = AfterDigits(end + 1);
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      const size_t sign =
          end + 1 < text_.size() && (text_[end + 1] == '-' || text_[end + 1] == '+');
      if (DigitAt(end + 1 + sign)) end = AfterDigits(end + 1 + sign);
    }
    return end;
  }

  // Exactly three digits.
  bool IsGroup(size_t i) const {
    return DigitAt(i) && DigitAt(i + 1) && DigitAt(i + 2) && !DigitAt(i + 3);
  }

  int64_t ReadExponent(size_t i) const {
    const bool negative = text_[i] == '-';
    if (!IsDigit(text_[i])) ++i;
    int64_t value = 0;
    for (; DigitAt(i); ++i) value = std::min(value * 10 + (text_[i] - '0'), kLargestExponent);
    return negative ? -value : value;
  }

  // Where to look next after a byte that starts no number: behind the word that it starts.
  size_t AfterWord(size_t i) const {
    if (!IsWordByte(text_[i])) return i + 1;
    while (i < text_.size() && IsWordByte(text_[i])) ++i;
    return i;
  }

  const std::string_view text_;
  const NumberSyntax syntax_;
  size_t next_ = 0;
};

mpz_class PowerOfTen(int64_t exponent) {
  mpz_class power;
  mpz_ui_pow_ui(power.get_mpz_t(), 10, static_cast<unsigned long>(exponent));
  return power;
}

int64_t Magnitude(const Number& number) {
  return static_cast<int64_t>(number.digits.size()) + number.exponent;
}

// REQUIRES: no larger than kLargestMagnitude.
mpq_class ToRational(const Number& number) {
  if (number.digits.empty() || Magnitude(number) < -kLargestMagnitude) return 0;
  const size_t dropped =
      number.digits.size() > kMostDigits ? number.digits.size() - kMostDigits : 0;
  const int64_t exponent = number.exponent + static_cast<int64_t>(dropped);
  const mpz_class digits(number.digits.substr(0, kMostDigits), 10);
  mpq_class value = digits;
  if (exponent >= 0) {
    value *= PowerOfTen(exponent);
  } else {
    value /= PowerOfTen(-exponent);
  }
  return number.negative ? mpq_class(-value) : value;
}

}  // namespace

std::optional<Number> FirstNumber(std::string_view text, const NumberSyntax& syntax) {
  Scanner scanner(text, syntax);
  const auto found = scanner.Next();
  if (!found.has_value()) return std::nullopt;
  return scanner.Read(*found);
}

std::optional<Number> LastNumber(std::string_view text, const NumberSyntax& syntax) {
  Scanner scanner(text, syntax);
  std::optional<Scanner::Found> last;
  while (const auto found = scanner.Next()) last = found;
  if (!last.has_value()) return std::nullopt;
  return scanner.Read(*last);
}

std::optional<Number> OnlyNumber(std::string_view text, const NumberSyntax& syntax) {
  const absl::string_view bare = absl::StripAsciiWhitespace({text.data(), text.size()});
  Scanner scanner({bare.data(), bare.size()}, syntax);
  const auto found = scanner.Next();
  if (!found.has_value() || found->begin != 0) return std::nullopt;
  if (scanner.AfterPercent(found->end) != bare.size()) return std::nullopt;
  return scanner.Read(*found);
}

Number NumberOf(double value) {
  std::array<char, 64> text = {};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific);
  return OnlyNumber({text.data(), end.ptr}, {}).value_or(Number());
}

bool IsClose(const Number& a, const Number& r, double absolute, double relative) {
  if (a == r) return true;
  if (absolute == 0 && relative == 0) return false;
  if (std::max(Magnitude(a), Magnitude(r)) > kLargestMagnitude) return false;
  const mpq_class reference = ToRational(r);
  const mpq_class tolerance = std::max(ToRational(NumberOf(absolute)),
                                       mpq_class(ToRational(NumberOf(relative)) * abs(reference)));
  return abs(ToRational(a) - reference) <= tolerance;
}

bool IsMultiple(const Number& value, const Number& unit) {
  const mpq_class quotient = ToRational(value) / ToRational(unit);
  return quotient.get_den() == 1;
}

std::string ToText(const Number& number) {
  if (number.digits.empty()) return "0";
  return absl::StrCat(number.negative ? "-" : "", number.digits.substr(0, 40),
                      number.digits.size() > 40 ? "..." : "",
                      number.exponent == 0 ? "" : absl::StrCat("e", number.exponent));
}

}  // namespace tpo
