#include "policy/chat_template/lexer.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "policy/chat_template/template_error.h"
#include "policy/tokenizer/unicode.h"

namespace tpo::jinja {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool StartsName(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool InName(char c) { return StartsName(c) || IsDigit(c); }

// All line ends become '\n', and one at the very end goes.
std::string Normalized(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text.push_back(source[i] == '\r' ? '\n' : source[i]);
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string StripRight(std::string text) {
  while (!text.empty() && IsSpace(text.back())) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(Normalized(source)) {}

  std::vector<Token> Run() {
    while (position_ < source_.size()) {
      const size_t tag = FindTag();
      const std::string text = source_.substr(position_, tag - position_);
      if (tag == source_.size()) {
        AddText(text);
        position_ = tag;
        break;
      }
      const bool is_variable = source_[tag + 1] == '{';
      const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
      AddText(BeforeTag(text, sign, is_variable));
      Advance(tag);
      if (source_[tag + 1] == '#') {
        SkipComment();
      } else if (!is_variable && IsRawTag("raw", tag)) {
        ReadRaw();
      } else {
        ReadTag(is_variable, sign == '-' || sign == '+' ? 3 : 2);
      }
    }
    Add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  size_t FindTag() const {
    for (size_t at = source_.find('{', position_); at != std::string::npos;
         at = source_.find('{', at + 1)) {
      if (at + 1 < source_.size() &&
          (source_[at + 1] == '{' || source_[at + 1] == '%' || source_[at + 1] == '#')) {
        return at;
      }
    }
    return source_.size();
  }

  // The text before a tag, without what the tag's sign or lstrip_blocks takes from it.
  std::string BeforeTag(const std::string& text, char sign, bool is_variable) const {
    if (sign == '-') return StripRight(text);
    if (sign == '+' || is_variable) return text;
    const size_t newline = text.rfind('\n');
    const size_t line_begin = newline == std::string::npos ? 0 : newline + 1;
    if (line_begin == 0 && !at_line_start_) return text;
    const bool blank =
        std::all_of(text.begin() + static_cast<ptrdiff_t>(line_begin), text.end(), IsSpace);
    return blank ? text.substr(0, line_begin) : text;
  }

  void Add(TokenKind kind, std::string text, Value value = Value()) {
    tokens_.push_back({kind, std::move(text), std::move(value), line_});
  }

  void AddText(std::string text) {
    if (!text.empty()) Add(TokenKind::kText, std::move(text));
  }

  // Moves to `to`, counting lines.
  void Advance(size_t to) {
    to = std::min(to, source_.size());
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(position_),
                                         source_.begin() + static_cast<ptrdiff_t>(to), '\n'));
    position_ = to;
  }

  bool At(std::string_view text) const {
    return source_.compare(position_, text.size(), text) == 0;
  }

  // At the end of a tag, `end` being its last two characters: moves behind it and the white space
  // that its sign or trim_blocks takes. False: this isn't the end.
  bool SkipTagEnd(std::string_view end, bool is_block) {
    const bool strip = At(absl::StrCat("-", absl::string_view(end.data(), end.size())));
    const bool keep = is_block && At(absl::StrCat("+", absl::string_view(end.data(), end.size())));
    if (!strip && !keep && !At(end)) return false;
    size_t to = position_ + end.size() + (strip || keep ? 1 : 0);
    if (strip) {
      while (to < source_.size() && IsSpace(source_[to])) ++to;
    } else if (is_block && !keep && to < source_.size() && source_[to] == '\n') {
      ++to;
    }
    Advance(to);
    at_line_start_ = source_[to - 1] == '\n';
    return true;
  }

  void SkipComment() {
    const int begin_line = line_;
    const size_t end = source_.find("#}", position_ + 2);
    if (end == std::string::npos) Broken("a comment without end", begin_line);
    const char sign = source_[end - 1];
    Advance(end - (end > position_ + 2 && (sign == '-' || sign == '+') ? 1 : 0));
    SkipTagEnd("#}", /*is_block=*/true);
  }

  // Is there a tag {% name %} at `at`?
  bool IsRawTag(std::string_view name, size_t at) const {
    at += 2;
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) ++at;
    while (at < source_.size() && IsSpace(source_[at])) ++at;
    if (source_.compare(at, name.size(), name) != 0) return false;
    at += name.size();
    while (at < source_.size() && IsSpace(source_[at])) ++at;
    return source_.compare(at, 2, "%}") == 0 || source_.compare(at, 3, "-%}") == 0 ||
           source_.compare(at, 3, "+%}") == 0;
  }

  void ReadRaw() {
    const int begin_line = line_;
    size_t behind = source_.find("%}", position_) + 2;
    if (source_[behind - 3] == '-') {
      while (behind < source_.size() && IsSpace(source_[behind])) ++behind;
    }
    Advance(behind);
    at_line_start_ = source_[behind - 1] == '\n';
    size_t end = source_.find("{%", position_);
    while (end != std::string::npos && !IsRawTag("endraw", end)) end = source_.find("{%", end + 2);
    if (end == std::string::npos) Broken("raw without endraw", begin_line);
    const std::string text = source_.substr(position_, end - position_);
    AddText(BeforeTag(text, source_[end + 2], /*is_variable=*/false));
    Advance(source_.find("endraw", end) + 6);
    while (IsSpace(source_[position_])) Advance(position_ + 1);
    SkipTagEnd("%}", /*is_block=*/true);
  }

  void ReadTag(bool is_variable, size_t begin_size) {
    const int begin_line = line_;
    Add(is_variable ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, "");
    Advance(position_ + begin_size);
    std::string open;  // brackets; a tag doesn't end within them
    while (true) {
      while (position_ < source_.size() && IsSpace(source_[position_])) Advance(position_ + 1);
      if (position_ >= source_.size()) Broken("a tag without end", begin_line);
      const int end_line = line_;
      if (open.empty() && SkipTagEnd(is_variable ? "}}" : "%}", !is_variable)) {
        Add(is_variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, "");
        tokens_.back().line = end_line;
        return;
      }
      ReadToken(&open);
    }
  }

  void ReadToken(std::string* open) {
    const char c = source_[position_];
    if (StartsName(c)) {
      size_t end = position_;
      while (end < source_.size() && InName(source_[end])) ++end;
      Add(TokenKind::kName, source_.substr(position_, end - position_));
      position_ = end;
    } else if (IsDigit(c)) {
      ReadNumber();
    } else if (c == '"' || c == '\'') {
      ReadString(c);
    } else {
      ReadOperator(open);
    }
  }

  void ReadNumber() {
    std::string digits;
    size_t end = position_;
    bool is_float = false;
    const auto take_digits = [&] {
      for (; end < source_.size() && (IsDigit(source_[end]) || source_[end] == '_'); ++end) {
        if (source_[end] != '_') digits += source_[end];
      }
    };
    const auto digit_at = [&](size_t at) { return at < source_.size() && IsDigit(source_[at]); };
    take_digits();
    if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
      is_float = true;
      digits += source_[end++];
      take_digits();
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const bool is_signed =
          end + 1 < source_.size() && (source_[end + 1] == '-' || source_[end + 1] == '+');
      if (digit_at(end + (is_signed ? 2 : 1))) {
        is_float = true;
        digits += 'e';
        if (is_signed && source_[end + 1] == '-') digits += '-';
        end += is_signed ? 2 : 1;
        take_digits();
      }
    }
    if (end < source_.size() && InName(source_[end])) {
      Unsupported(absl::StrCat("the number ", source_.substr(position_, end - position_ + 1)),
                  line_);
    }
    int64_t integer = 0;
    double number = 0;
    const char* const last = digits.data() + digits.size();
    const std::errc error = is_float ? std::from_chars(digits.data(), last, number).ec
                                     : std::from_chars(digits.data(), last, integer).ec;
    if (error != std::errc()) Unsupported(absl::StrCat("the number ", digits), line_);
    Add(TokenKind::kLiteral, digits, is_float ? Value(number) : Value(integer));
    position_ = end;
  }

  void ReadString(char quote) {
    const int begin_line = line_;
    std::string text;
    size_t at = position_ + 1;
    while (at < source_.size() && source_[at] != quote) {
      if (source_[at] == '\\') {
        at = ReadEscape(at, &text);
      } else {
        text.push_back(source_[at++]);
      }
    }
    if (at >= source_.size()) Broken("a string without end", begin_line);
    Advance(at + 1);
    Add(TokenKind::kLiteral, "", Value(std::move(text)));
    tokens_.back().line = begin_line;
  }

  // Returns the position behind the escape at `at`, as in a Python string.
  size_t ReadEscape(size_t at, std::string* text) const {
    if (at + 1 >= source_.size()) return at + 1;
    const char c = source_[at + 1];
    constexpr std::string_view kFrom = "\\'\"abfnrtv";
    constexpr std::string_view kTo = "\\'\"\a\b\f\n\r\t\v";
    if (const size_t found = kFrom.find(c); found != std::string_view::npos) {
      text->push_back(kTo[found]);
      return at + 2;
    }
    if (c == '\n') return at + 2;
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits > 0 && at + 2 + digits <= source_.size()) {
      uint32_t code_point = 0;
      const char* const begin = source_.data() + at + 2;
      const auto [end, error] = std::from_chars(begin, begin + digits, code_point, 16);
      if (error != std::errc() || end != begin + digits || code_point > 0x10FFFF ||
          (code_point >= 0xD800 && code_point < 0xE000)) {
        Broken("a bad escape in a string", line_);
      }
      unicode::AppendUtf8(code_point, text);
      return at + 2 + digits;
    }
    if (IsDigit(c) || c == 'N' || digits > 0) {
      Unsupported(absl::StrCat("the escape \\", std::string(1, c), " in a string"), line_);
    }
    text->push_back('\\');
    return at + 1;
  }

  void ReadOperator(std::string* open) {
    static constexpr std::string_view kOperators[] = {
        "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<",
        ">",  "=",  ".",  ",",  "|",  "(",  ")", "[", "]", "{", "}", ":"};
    for (const std::string_view candidate : kOperators) {
      if (!At(candidate)) continue;
      const char c = candidate[0];
      if (c == '(' || c == '[' || c == '{') open->push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
      if (c == ')' || c == ']' || c == '}') {
        if (open->empty() || open->back() != c)
          Broken(absl::StrCat("unexpected '", std::string(1, c), "'"), line_);
        open->pop_back();
      }
      Add(TokenKind::kOperator, std::string(candidate));
      position_ += candidate.size();
      return;
    }
    Broken(absl::StrCat("unexpected character '", source_.substr(position_, 1), "'"), line_);
  }

  const std::string source_;
  size_t position_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> Tokenize(std::string_view source) { return Lexer(source).Run(); }

}  // namespace tpo::jinja
