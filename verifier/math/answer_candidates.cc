#include "verifier/math/answer_candidates.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"

namespace tpo::math {
namespace {

constexpr size_t kNone = std::string_view::npos;
constexpr size_t kLongestArithmetic = 200;
constexpr size_t kMostParts = 6;
constexpr int kMostBoxes = 32;  // looked at, from the end

bool StartsWith(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

// The next occurrence of a text from a position that only moves forward: linear over all calls.
class Finder {
 public:
  Finder(std::string_view text, std::string_view wanted) : text_(text), wanted_(wanted) {}

  size_t From(size_t position) {
    if (next_ != kNone && next_ < position) next_ = text_.find(wanted_, position);
    return next_;
  }

 private:
  const std::string_view text_;
  const std::string_view wanted_;
  size_t next_ = 0;
};

struct Delimiters {
  std::string_view open;
  std::string_view close;
  bool one_line;
};

constexpr Delimiters kDelimiters[] = {
    {"$$", "$$", false}, {"\\[", "\\]", false}, {"$", "$", true}, {"\\(", "\\)", true}};

class MathematicsFinder {
 public:
  explicit MathematicsFinder(std::string_view text)
      : text_(text),
        newline_(text, "\n"),
        closers_{Finder(text, "$$"), Finder(text, "\\]"), Finder(text, "$"), Finder(text, "\\)")} {}

  std::vector<Candidate> Run() {
    std::vector<Candidate> found;
    size_t at = 0;
    while (at < text_.size()) {
      std::optional<Candidate> next = At(at);
      if (!next) {
        ++at;
        continue;
      }
      at = next->end;
      const bool joins = !found.empty() && found.back().parts.size() < kMostParts &&
                         Joins(text_.substr(found.back().end, next->begin - found.back().end));
      if (joins) {
        found.back().end = next->end;
        found.back().parts.push_back(std::move(next->parts.front()));
      } else {
        found.push_back(*std::move(next));
      }
    }
    return found;
  }

 private:
  std::optional<Candidate> At(size_t at) {
    const char before = at > 0 ? text_[at - 1] : ' ';
    if (before == '\\' || (text_[at] != '$' && text_[at] != '\\')) return std::nullopt;
    if (StartsWith(text_.substr(at, 6), "\\frac{")) return BareFraction(at);
    for (size_t i = 0; i < 4; ++i) {
      const Delimiters& delimiters = kDelimiters[i];
      if (!StartsWith(text_.substr(at, 2), delimiters.open)) continue;
      if (delimiters.open == "$" && absl::ascii_isdigit(before)) continue;
      const size_t begin = at + delimiters.open.size();
      size_t close = closers_[i].From(begin);
      while (close != kNone && close > 0 && text_[close - 1] == '\\') {
        close = closers_[i].From(close + 1);
      }
      if (close == kNone || close == begin) continue;
      if (delimiters.one_line && newline_.From(begin) < close) continue;
      return Found(at, begin, close, close + delimiters.close.size());
    }
    return std::nullopt;
  }

  std::optional<Candidate> BareFraction(size_t at) const {
    size_t end = at + 5;
    for (int group = 0; group < 2; ++group) {
      if (end >= text_.size() || text_[end] != '{') return std::nullopt;
      size_t digit = end + 1;
      while (digit < text_.size() &&
             (absl::ascii_isdigit(text_[digit]) || text_[digit] == '.' || text_[digit] == '-')) {
        ++digit;
      }
      if (digit == end + 1 || digit >= text_.size() || text_[digit] != '}') return std::nullopt;
      end = digit + 1;
    }
    const size_t begin = at > 0 && text_[at - 1] == '-' ? at - 1 : at;
    return Found(begin, begin, end, end);
  }

  Candidate Found(size_t begin, size_t inner, size_t inner_end, size_t end) const {
    std::string part(text_.substr(inner, inner_end - inner));
    size_t after = end;
    while (after < text_.size() && (text_[after] == ' ' || text_[after] == '\\')) ++after;
    for (const std::string_view percent : {"%", "percent", "pct"}) {
      if (!StartsWith(text_.substr(after, percent.size()), percent)) continue;
      if (part.find("\\%") == std::string::npos) part = "{" + part + "}\\%";
      return {begin, after + percent.size(), {std::move(part)}};
    }
    return {begin, end, {std::move(part)}};
  }

  static bool Joins(std::string_view between) {
    if (between.size() > 12) return false;
    std::string words;
    for (const char c : between) {
      if (!absl::ascii_isspace(c)) words += c;
    }
    return words == "," || words == "and" || words == "or" || words == ",and" || words == ",or";
  }

  const std::string_view text_;
  Finder newline_;
  Finder closers_[4];
};

bool IsArithmetic(char c) {
  return absl::ascii_isdigit(c) || c == ' ' || c == '.' || c == '+' || c == '-' || c == '*' ||
         c == '/' || c == '^' || c == '(' || c == ')';
}

// The end of a number at `at`, thousands and decimals included; `at` when there is none.
size_t NumberEnd(std::string_view text, size_t at) {
  const auto digit = [&](size_t i) { return i < text.size() && absl::ascii_isdigit(text[i]); };
  size_t end = at;
  if (end < text.size() && text[end] == '-') ++end;
  const size_t first = end;
  while (digit(end)) ++end;
  if (end == first) return digit(end + 1) && text[end] == '.' ? NumberEnd(text, end + 1) : at;
  const bool grouped = end - first <= 3 && text[first] != '0';
  while (grouped && end < text.size() && (text[end] == ',' || text[end] == ' ') && digit(end + 1) &&
         digit(end + 2) && digit(end + 3) && !digit(end + 4)) {
    end += 4;
  }
  if (end < text.size() && (text[end] == '.' || text[end] == ',') && digit(end + 1)) {
    ++end;
    while (digit(end)) ++end;
  }
  return end;
}

// "1,234" is 1234, "3,14" is 3.14.
std::string Plain(std::string_view number) {
  std::string plain;
  for (size_t i = 0; i < number.size(); ++i) {
    if (number[i] != ',' && number[i] != ' ') {
      plain += number[i];
      continue;
    }
    size_t digits = 0;
    while (i + 1 + digits < number.size() && absl::ascii_isdigit(number[i + 1 + digits])) ++digits;
    if (digits != 3 || number[0] == '0') plain += '.';
  }
  return plain;
}

std::optional<Candidate> ArithmeticAt(std::string_view text, size_t at) {
  size_t end = at;
  const size_t limit = std::min(text.size(), at + kLongestArithmetic);
  while (end < limit && IsArithmetic(text[end])) ++end;
  if (end == at) return std::nullopt;
  if (end < text.size() && std::string_view(".,:$\n\r\t*").find(text[end]) == kNone &&
      IsArithmetic(text[end - 1]) && text[end - 1] != ' ') {
    return std::nullopt;
  }
  while (end > at && !absl::ascii_isdigit(text[end - 1]) && text[end - 1] != ')') --end;
  const std::string_view arithmetic = text.substr(at, end - at);
  const size_t first = arithmetic.find_first_of("0123456789");
  if (first == kNone || first > 3) return std::nullopt;
  if (arithmetic.find_first_of("+*/^(-", first) == kNone) return std::nullopt;
  return Candidate{at, end, {std::string(arithmetic)}};
}

std::optional<Candidate> NumberAt(std::string_view text, size_t at) {
  const size_t end = NumberEnd(text, at);
  if (end == at) return std::nullopt;
  std::string number = Plain(text.substr(at, end - at));
  size_t after = end;
  while (after < text.size() && (text[after] == ' ' || text[after] == '\\')) ++after;
  for (const std::string_view percent : {"%", "percentage", "percent", "Percent", "pct"}) {
    if (StartsWith(text.substr(after, percent.size()), percent)) {
      return Candidate{at, after + percent.size(), {number + "\\%"}};
    }
  }
  return Candidate{at, end, {std::move(number)}};
}

struct Box {
  size_t begin = 0;
  size_t end = 0;
  std::string content;
};

// Nothing for a box that isn't closed: what was cut off there may be anything.
std::optional<Box> BoxAt(std::string_view text, size_t at, size_t name_length) {
  size_t open = at + name_length;
  while (open < text.size() && absl::ascii_isspace(text[open])) ++open;
  if (open >= text.size()) return std::nullopt;
  if (text[open] != '{') {
    return Box{at, text.size(),
               std::string(text.substr(open, text.find_first_of("$\n", open) - open))};
  }
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) {
      return Box{at, i + 1, std::string(text.substr(open + 1, i - open - 1))};
    }
  }
  return std::nullopt;
}

bool SameList(std::string_view between, const Box& box, const Box& next) {
  if (between.size() < 10) return true;
  if (between.size() >= 70 || box.content == next.content) return false;
  if (between.find('$') != kNone || between.find("\\(") != kNone) return false;
  if (between.find_first_of(",;") != kNone) return true;
  return between.find(" and ") != kNone || between.find(" or ") != kNone;
}

}  // namespace

std::vector<Candidate> FindMathematics(std::string_view text) {
  return MathematicsFinder(text).Run();
}

std::vector<Candidate> FindNumbers(std::string_view text) {
  static constexpr std::string_view kCurrencies[] = {"$", "\\$", "€", "£", "¥", "₹"};
  std::vector<Candidate> found;
  size_t at = 0;
  bool boundary = true;
  while (at < text.size()) {
    if (!boundary) {
      boundary = absl::ascii_isspace(text[at]) || text[at] == '=';
      ++at;
      continue;
    }
    size_t start = at;
    while (start < text.size() && text[start] == '*') ++start;
    std::optional<Candidate> next = ArithmeticAt(text, start);
    for (const std::string_view currency : kCurrencies) {
      if (StartsWith(text.substr(start, currency.size()), currency)) {
        start += currency.size();
        break;
      }
    }
    if (!next) next = NumberAt(text, start);
    if (next) {
      at = std::max(at + 1, next->end);
      boundary = at < text.size() && (absl::ascii_isspace(text[at]) || text[at] == '=');
      if (boundary) ++at;
      found.push_back(*std::move(next));
    } else {
      boundary = absl::ascii_isspace(text[at]) || text[at] == '=';
      ++at;
    }
  }
  return found;
}

std::vector<Candidate> FindBoxes(std::string_view text) {
  std::vector<Box> boxes;  // from the last to the first
  size_t limit = text.size();
  for (int attempt = 0; attempt < kMostBoxes && boxes.size() < kMostParts; ++attempt) {
    const std::string_view rest = text.substr(0, limit);
    const size_t boxed = rest.rfind("\\boxed");
    const size_t framed = rest.rfind("\\fbox");
    if (boxed == kNone && framed == kNone) break;
    const bool is_boxed = framed == kNone || (boxed != kNone && boxed > framed);
    const size_t at = is_boxed ? boxed : framed;
    std::optional<Box> box = BoxAt(rest, at, is_boxed ? 6 : 5);
    limit = at;
    if (!box) {
      if (boxes.empty()) continue;
      break;
    }
    if (!boxes.empty()) {
      const Box& next = boxes.back();
      if (box->end > next.begin) continue;
      if (!SameList(text.substr(box->end, next.begin - box->end), *box, next)) break;
      if (box->content == next.content) continue;
    }
    boxes.push_back(*std::move(box));
  }
  if (boxes.empty()) return {};
  Candidate candidate = {boxes.back().begin, boxes.front().end, {}};
  for (auto box = boxes.rbegin(); box != boxes.rend(); ++box) {
    candidate.parts.push_back(std::move(box->content));
  }
  return {candidate};
}

}  // namespace tpo::math
