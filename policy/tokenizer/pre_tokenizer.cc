#include "policy/tokenizer/pre_tokenizer.h"

#include <array>

namespace tpo {
namespace {

using unicode::kLetter;
using unicode::kNumber;
using unicode::kNumeric;
using unicode::kSpace;
using unicode::PropertyTable;

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kThreeDigitsPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kOneDigitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Walks over a text by the classes of its code points, the end being a class of its own.
class Scanner {
 public:
  // The classes that the patterns tell apart; exactly one for each code point.
  enum Class : uint8_t { kOther = 0, kL = kLetter, kN = kNumber, kS = kSpace, kEnd = 255 };

  Scanner(const PropertyTable& properties, std::string_view text)
      : properties_(properties), text_(text) {}

  // The class of the code point at `position`, and where the next one is.
  Class At(size_t position, size_t* next) const {
    if (position >= text_.size()) return kEnd;
    *next = position + 1;
    const auto byte = static_cast<unsigned char>(text_[position]);
    if (byte < 0x80) return kAsciiClass[byte];
    *next = position;
    return static_cast<Class>(properties_[unicode::NextCodePoint(text_, next)] &
                              (kLetter | kNumber | kSpace));
  }

  // Behind the longest run of `wanted` that begins at `position`, of at most `limit` code points.
  size_t Run(Class wanted, size_t position, size_t limit = std::string_view::npos) const {
    size_t next = position;
    for (; limit > 0 && At(position, &next) == wanted; --limit) position = next;
    return position;
  }

  size_t NewlinesRun(size_t position) const {
    while (position < text_.size() && IsNewline(text_[position])) ++position;
    return position;
  }

  // The contractions, at an apostrophe: their end, or 0 where there is none.
  size_t Contraction(size_t begin, bool ignore_case) const {
    if (text_[begin] != '\'') return 0;
    // The long s is the only other character that equals one of these letters but for its case.
    if (ignore_case && text_.substr(begin + 1, 2) == "\u017f") return begin + 3;
    const char first = Letter(begin + 1, ignore_case);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return begin + 2;
    const char second = Letter(begin + 2, ignore_case);
    const bool found = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                       (first == 'l' && second == 'l');
    return found ? begin + 3 : 0;
  }

  // `\s+(?!\S)|\s+`, at white space: all of a run but the last one, which the next word may take.
  size_t Spaces(size_t begin) const {
    size_t last = begin;
    size_t position = begin;
    size_t next = begin;
    while (At(position, &next) == kS) {
      last = position;
      position = next;
    }
    return position == text_.size() || last == begin ? position : last;
  }

  // `\s*[\r\n]+`, at white space: behind the last newline of the run, or 0 where it has none.
  size_t SpacesToNewline(size_t begin) const {
    size_t end = 0;
    size_t position = begin;
    size_t next = begin;
    while (At(position, &next) == kS) {
      if (IsNewline(text_[position])) end = next;
      position = next;
    }
    return end;
  }

  static bool IsNewline(char c) { return c == '\n' || c == '\r'; }

 private:
  static constexpr std::array<Class, 128> kAsciiClass = [] {
    std::array<Class, 128> classes{};
    for (int c = 0; c < 128; ++c) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      const bool space = (c >= '\t' && c <= '\r') || c == ' ';
      classes[c] = letter ? kL : c >= '0' && c <= '9' ? kN : space ? kS : kOther;
    }
    return classes;
  }();

  char Letter(size_t position, bool ignore_case) const {
    if (position >= text_.size()) return '\0';
    const char c = text_[position];
    return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }

  const PropertyTable& properties_;
  std::string_view text_;
};

size_t EndOfGpt2Word(const Scanner& scan, std::string_view text, size_t begin) {
  if (const size_t end = scan.Contraction(begin, /*ignore_case=*/false); end != 0) return end;
  size_t next = begin;
  Scanner::Class of_it = scan.At(begin, &next);
  if (text[begin] == ' ') {
    const Scanner::Class behind = scan.At(begin + 1, &next);
    if (behind == Scanner::kS || behind == Scanner::kEnd) return scan.Spaces(begin);
    of_it = behind;
  }
  return of_it == Scanner::kS ? scan.Spaces(begin) : scan.Run(of_it, next);
}

size_t EndOfCl100kWord(const Scanner& scan, std::string_view text, size_t begin,
                       size_t digits_per_word) {
  if (const size_t end = scan.Contraction(begin, /*ignore_case=*/true); end != 0) return end;
  size_t next = begin;
  const Scanner::Class of_it = scan.At(begin, &next);
  if (of_it == Scanner::kL) return scan.Run(Scanner::kL, next);
  if (of_it == Scanner::kN) return scan.Run(Scanner::kN, begin, digits_per_word);
  size_t after = next;
  const Scanner::Class behind = scan.At(next, &after);
  if (behind == Scanner::kL && !Scanner::IsNewline(text[begin])) {
    return scan.Run(Scanner::kL, after);
  }
  if (of_it == Scanner::kOther) return scan.NewlinesRun(scan.Run(Scanner::kOther, next));
  if (text[begin] == ' ' && behind == Scanner::kOther) {
    return scan.NewlinesRun(scan.Run(Scanner::kOther, after));
  }
  const size_t to_newline = scan.SpacesToNewline(begin);
  return to_newline != 0 ? to_newline : scan.Spaces(begin);
}

size_t EndOfDigitsPiece(const PropertyTable& properties, std::string_view text, size_t begin,
                        bool each) {
  size_t position = begin;
  const bool numeric = properties[unicode::NextCodePoint(text, &position)] & kNumeric;
  if (numeric && each) return position;
  while (position < text.size()) {
    size_t next = position;
    const auto byte = static_cast<unsigned char>(text[position]);
    const bool its = byte < 0x80
                         ? (++next, byte >= '0' && byte <= '9')
                         : (properties[unicode::NextCodePoint(text, &next)] & kNumeric) != 0;
    if (its != numeric) break;
    position = next;
  }
  return position;
}

}  // namespace

std::string_view PatternOfStep(PreTokenizerStep step) {
  switch (step) {
    case PreTokenizerStep::kGpt2:
      return kGpt2Pattern;
    case PreTokenizerStep::kThreeDigits:
      return kThreeDigitsPattern;
    case PreTokenizerStep::kOneDigit:
      return kOneDigitPattern;
    case PreTokenizerStep::kEachDigit:
    case PreTokenizerStep::kDigitRuns:
      break;
  }
  return "";
}

std::optional<PreTokenizerStep> StepOfPattern(std::string_view regular_expression) {
  for (const PreTokenizerStep step :
       {PreTokenizerStep::kGpt2, PreTokenizerStep::kThreeDigits, PreTokenizerStep::kOneDigit}) {
    if (regular_expression == PatternOfStep(step)) return step;
  }
  return std::nullopt;
}

size_t EndOfPiece(PreTokenizerStep step, const PropertyTable& properties, std::string_view text,
                  size_t begin) {
  const Scanner scan(properties, text);
  switch (step) {
    case PreTokenizerStep::kEachDigit:
      return EndOfDigitsPiece(properties, text, begin, /*each=*/true);
    case PreTokenizerStep::kDigitRuns:
      return EndOfDigitsPiece(properties, text, begin, /*each=*/false);
    case PreTokenizerStep::kGpt2:
      return EndOfGpt2Word(scan, text, begin);
    case PreTokenizerStep::kThreeDigits:
      return EndOfCl100kWord(scan, text, begin, 3);
    case PreTokenizerStep::kOneDigit:
      return EndOfCl100kWord(scan, text, begin, 1);
  }
  return text.size();
}

}  // namespace tpo
