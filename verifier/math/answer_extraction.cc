#include "verifier/math/answer_extraction.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "verifier/math/answer_candidates.h"
#include "verifier/math/lexer.h"
#include "verifier/math/parser.h"

namespace tpo::math {
namespace {

constexpr size_t kNone = std::string_view::npos;
constexpr int kMostAttempts = 24;
constexpr size_t kAnchorReach = 50;
constexpr size_t kEquationReach = 100;
constexpr size_t kLongestWord = 40;
constexpr size_t kMostSpace = 20;

absl::StatusOr<NodePtr> ParseTokens(std::vector<MathToken> tokens, Budget& budget) {
  DropTrailingUnits(tokens);
  absl::StatusOr<NodePtr> value = Parse(tokens, budget);
  if (value.ok() || budget.exhausted()) return value;
  // Of a chain of equations the last side may be readable on its own.
  size_t equals = 0;
  size_t last = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].kind != TokenKind::kSymbol) continue;
    if (tokens[i].text == "," || tokens[i].text == ";") return value;
    if (tokens[i].text == "=") {
      ++equals;
      last = i;
    }
  }
  if (equals < 2) return value;
  return Parse({tokens.begin() + static_cast<ptrdiff_t>(last) + 1, tokens.end()}, budget);
}

class Extraction {
 public:
  explicit Extraction(Budget& budget) : budget_(budget) {}

  // True once a value is there, or nothing more may be tried.
  bool Try(const Candidate& candidate) {
    if (++attempts_ > kMostAttempts) return true;
    std::vector<NodePtr> values;
    std::string source;
    std::string spelling;
    for (const std::string& part : candidate.parts) {
      const std::vector<MathToken> tokens = Tokenize(part, budget_);
      source += (source.empty() ? "" : ", ") + part;
      std::vector<MathToken> bare = tokens;
      DropTrailingUnits(bare);
      spelling += (spelling.empty() ? "" : ", ") + Spell(bare);
      absl::StatusOr<NodePtr> value = ParseTokens(tokens, budget_);
      if (value.ok()) {
        values.push_back(*std::move(value));
      } else if (answer_.problem.empty()) {
        answer_.problem = std::string(value.status().message());
      }
      // Another candidate may well be within the limits.
      budget_.Recover();
    }
    if (answer_.spelling.empty()) answer_.spelling = std::move(spelling);
    if (answer_.source.empty() || values.size() == candidate.parts.size()) {
      answer_.source = std::move(source);
    }
    if (values.size() == candidate.parts.size()) {
      answer_.value = values.size() == 1 ? values.front() : Join(values);
    }
    return answer_.value != nullptr || budget_.exhausted();
  }

  // The last in the text first; of those that end together the longest.
  bool TryAll(std::vector<Candidate> candidates) {
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.end != b.end ? a.end > b.end : a.begin < b.begin;
    });
    return std::any_of(candidates.begin(), candidates.end(),
                       [this](const Candidate& candidate) { return Try(candidate); });
  }

  ExtractedAnswer Take() { return std::move(answer_); }

 private:
  NodePtr Join(const std::vector<NodePtr>& values) {
    std::vector<NodePtr> elements;
    for (const NodePtr& value : values) {
      if (value->kind == Kind::kList) {
        elements.insert(elements.end(), value->children.begin(), value->children.end());
      } else {
        elements.push_back(value);
      }
    }
    return Compound(Kind::kList, std::move(elements), budget_);
  }

  Budget& budget_;
  int attempts_ = 0;
  ExtractedAnswer answer_;
};

// All about one text: candidates and the words in front of them.
class Text {
 public:
  explicit Text(std::string_view text)
      : text_(text),
        lower_(absl::AsciiStrToLower(std::string(text))),
        mathematics_(FindMathematics(text)),
        numbers_(FindNumbers(text)) {}

  ExtractedAnswer Extract(Budget& budget) const {
    Extraction extraction(budget);
    const bool done = extraction.TryAll(BehindFinalAnswer(true)) ||
                      extraction.TryAll(BoxedOrFinal()) || extraction.TryAll(BehindAnswer(true)) ||
                      extraction.TryAll(BehindAnswer(false)) ||
                      extraction.TryAll(WordBehindAnswer()) || extraction.TryAll(Everything());
    static_cast<void>(done);
    return extraction.Take();
  }

 private:
  std::vector<size_t> Occurrences(std::string_view words) const {
    std::vector<size_t> found;
    for (size_t at = lower_.find(words); at != kNone; at = lower_.find(words, at + words.size())) {
      found.push_back(at + words.size());
    }
    return found;
  }

  size_t SkipSpace(size_t at) const {
    const size_t limit = std::min(text_.size(), at + kMostSpace);
    while (at < limit && absl::ascii_isspace(text_[at])) ++at;
    return at;
  }

  // The first candidate that begins in [from, to]; the candidates are in order.
  static const Candidate* FirstWithin(const std::vector<Candidate>& candidates, size_t from,
                                      size_t to) {
    const auto found = std::lower_bound(
        candidates.begin(), candidates.end(), from,
        [](const Candidate& candidate, size_t position) { return candidate.begin < position; });
    return found != candidates.end() && found->begin <= to ? &*found : nullptr;
  }

  // "final answer is X", or with up to 100 characters before "is"; `hopeful`: "… X. I hope".
  std::vector<Candidate> BehindFinalAnswer(bool hopeful) const {
    std::vector<Candidate> found;
    for (const size_t end : Occurrences("final answer")) {
      const std::string_view window = std::string_view(lower_).substr(end, kEquationReach + 3);
      for (size_t is = window.find(" is"); is != kNone; is = window.find(" is", is + 1)) {
        size_t at = end + is + 3;
        if (at < text_.size() && text_[at] == ':') ++at;
        at = SkipSpace(at);
        const size_t before = found.size();
        for (const std::vector<Candidate>* candidates : {&mathematics_, &numbers_}) {
          const Candidate* const next = FirstWithin(*candidates, at, at + 2);
          if (next == nullptr) continue;
          if (hopeful && lower_.substr(next->end, 10).find("i hope") == std::string::npos) continue;
          found.push_back(*next);
        }
        if (found.size() > before) break;
      }
    }
    return found;
  }

  std::vector<Candidate> BoxedOrFinal() const {
    std::vector<Candidate> found = FindBoxes(text_);
    std::vector<Candidate> final = BehindFinalAnswer(false);
    // A box is searched from the end of the text; what stands behind it can't be the better answer.
    if (found.empty()) found = std::move(final);
    const size_t mark = text_.rfind("####");
    if (found.empty() && mark != kNone) {
      const size_t begin = mark + 4;
      const size_t end = std::min(text_.find('\n', begin), text_.size());
      found.push_back({begin, end, {std::string(text_.substr(begin, end - begin))}});
    }
    return found;
  }

  std::vector<Candidate> BehindAnswer(bool colon) const {
    std::vector<Candidate> found;
    for (const size_t end : Occurrences(colon ? "answer:" : "answer")) {
      const Candidate* const latex = FirstWithin(mathematics_, end, end + kAnchorReach);
      if (latex != nullptr) found.push_back(*latex);
      const Candidate* const number = NumberBehind(end);
      if (number != nullptr) found.push_back(*number);
    }
    return found;
  }

  // On the same line: behind the last "=", else the nearest.
  const Candidate* NumberBehind(size_t from) const {
    const std::string_view line = Line(from, kEquationReach);
    for (size_t equals = line.rfind('='); equals != kNone;
         equals = equals == 0 ? kNone : line.rfind('=', equals - 1)) {
      const size_t begin = SkipSpace(from + equals + 1);
      const Candidate* const value = FirstWithin(numbers_, begin, begin + 2);
      if (value != nullptr) return value;
    }
    const size_t reach = from + std::min(line.size(), kAnchorReach);
    for (size_t begin = from; begin <= reach;) {
      const Candidate* const number = FirstWithin(numbers_, begin, reach);
      if (number == nullptr) return nullptr;
      const size_t after = SkipSpace(number->end);
      if (after >= text_.size() || text_[after] != '=') return number;
      begin = number->begin + 1;
    }
    return nullptr;
  }

  // At most `length` characters of the line, from a position on.
  std::string_view Line(size_t from, size_t length) const {
    const std::string_view rest = text_.substr(from, length);
    return rest.substr(0, rest.find('\n'));
  }

  // "the answer is (B).", "Answer: yes"
  std::vector<Candidate> WordBehindAnswer() const {
    std::vector<Candidate> found;
    for (const size_t end : Occurrences("answer")) {
      size_t at = end;
      if (absl::StartsWith(lower_.substr(at, 3), " is")) at += 3;
      if (at < text_.size() && text_[at] == ':') ++at;
      if (at == end) continue;
      at = SkipSpace(at);
      while (at < text_.size() && (text_[at] == '*' || text_[at] == '(')) ++at;
      size_t stop = at;
      while (stop < text_.size() && absl::ascii_isalpha(text_[stop])) ++stop;
      const size_t length = stop - at;
      size_t after = stop;
      while (after < text_.size() && (text_[after] == '*' || text_[after] == ')')) ++after;
      const bool ends = after >= text_.size() ||
                        std::string_view(".\n\r,;").find(text_[after]) != kNone ||
                        (after > stop && text_[after] == ' ');
      if (length == 0 || length > kLongestWord || !ends) continue;
      const std::string word(text_.substr(at, length));
      found.push_back({at, stop, {"\\text{" + word + "}"}});
    }
    return found;
  }

  std::vector<Candidate> Everything() const {
    std::vector<Candidate> all;
    // No more than can be tried anyway.
    for (const std::vector<Candidate>* candidates : {&mathematics_, &numbers_}) {
      const size_t count = std::min<size_t>(candidates->size(), kMostAttempts);
      all.insert(all.end(), candidates->end() - static_cast<ptrdiff_t>(count), candidates->end());
    }
    return all;
  }

  const std::string_view text_;
  const std::string lower_;
  const std::vector<Candidate> mathematics_;
  const std::vector<Candidate> numbers_;
};

}  // namespace

ExtractedAnswer ExtractAnswer(std::string_view completion, Budget& budget) {
  const size_t longest = budget.limits().max_completion_bytes;
  if (completion.size() > longest) completion.remove_prefix(completion.size() - longest);
  return Text(completion).Extract(budget);
}

ExtractedAnswer ExtractReference(std::string_view reference, Budget& budget) {
  const auto has = [reference](std::string_view text) { return reference.find(text) != kNone; };
  const size_t escaped =
      static_cast<size_t>(std::count(reference.begin(), reference.end(), '$')) % 2;
  if ((has("$") && escaped == 0 && !has("\\$")) || has("\\boxed") || has("####") || has("\\(") ||
      has("\\[")) {
    return ExtractAnswer(reference, budget);
  }
  Extraction extraction(budget);
  extraction.Try({0, reference.size(), {std::string(reference)}});
  return extraction.Take();
}

}  // namespace tpo::math
