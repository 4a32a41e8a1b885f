// Methods of strings.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/chat_template/builtins.h"
#include "policy/chat_template/template_error.h"
#include "policy/tokenizer/unicode.h"

namespace tpo::jinja {
namespace {

// str.isspace.
bool IsSpace(std::string_view character) {
  size_t position = 0;
  const uint32_t c = unicode::NextCodePoint(character, &position);
  return (c >= 0x1C && c <= 0x1F) || (unicode::PropertyTable::Get()[c] & unicode::kSpace) != 0;
}

void RequireAscii(const std::string& text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      Unsupported("changing the case of characters beyond ASCII");
    }
  }
}

char UpperOf(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char LowerOf(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string Title(const std::string& text) {
  RequireAscii(text);
  std::string out = text;
  bool in_word = false;
  for (char& c : out) {
    c = in_word ? LowerOf(c) : UpperOf(c);
    in_word = LowerOf(c) >= 'a' && LowerOf(c) <= 'z';
  }
  return out;
}

Value Strings(const std::vector<std::string>& texts) {
  CheckItems(texts.size());
  std::vector<Value> items;
  items.reserve(texts.size());
  for (const std::string& text : texts) items.emplace_back(text);
  return Value::MakeList(std::move(items));
}

std::vector<std::string> SplitAtSpace(const std::string& text, int64_t limit) {
  std::vector<std::string> parts;
  const std::vector<std::string_view> characters = Characters(text);
  size_t i = 0;
  while (true) {
    while (i < characters.size() && IsSpace(characters[i])) ++i;
    if (i == characters.size()) return parts;
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      const auto offset = static_cast<size_t>(characters[i].data() - text.data());
      parts.push_back(text.substr(offset));
      return parts;
    }
    CheckItems(parts.size());
    std::string part;
    for (; i < characters.size() && !IsSpace(characters[i]); ++i) part += characters[i];
    parts.push_back(std::move(part));
  }
}

std::vector<std::string> Split(const std::string& text, const std::string& separator,
                               int64_t limit) {
  if (separator.empty()) Broken("empty separator");
  std::vector<std::string> parts;
  size_t begin = 0;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t end = FindText(text, separator, begin);
    if (end == std::string::npos) break;
    CheckItems(parts.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + separator.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::string Reversed(std::string_view text) { return {text.rbegin(), text.rend()}; }

std::vector<std::string> SplitFromRight(const std::string& text, const std::string& separator,
                                        int64_t limit) {
  std::vector<std::string> parts = Split(Reversed(text), Reversed(separator), limit);
  for (std::string& part : parts) part = Reversed(part);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

// At newlines of ASCII; the text after the last one counts unless it is empty.
std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find_first_of("\n\r\v\f\x1c\x1d\x1e", begin), text.size());
    CheckItems(lines.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return lines;
}

bool StartsOrEnds(const std::string& text, const Value& with, bool at_start) {
  if (with.IsTuple()) {
    return std::any_of(with.Items().begin(), with.Items().end(),
                       [&](const Value& item) { return StartsOrEnds(text, item, at_start); });
  }
  if (!with.IsString()) Broken(absl::StrCat("startswith or endswith of a ", with.TypeName()));
  return at_start ? text.starts_with(with.String()) : text.ends_with(with.String());
}

// In characters.
int64_t Find(const std::string& text, const std::string& what, bool from_right) {
  size_t found = from_right ? FindText(Reversed(text), Reversed(what)) : FindText(text, what);
  if (found == std::string::npos) return -1;
  if (from_right) found = text.size() - what.size() - found;
  return static_cast<int64_t>(Characters(std::string_view(text).substr(0, found)).size());
}

int64_t CountOf(const std::string& text, const std::string& what) {
  if (what.empty()) return static_cast<int64_t>(Characters(text).size()) + 1;
  int64_t count = 0;
  for (size_t begin = 0; (begin = FindText(text, what, begin)) != std::string::npos;
       begin += what.size()) {
    ++count;
  }
  return count;
}

std::string Join(const std::string& separator, const Value& items) {
  std::string out;
  bool first = true;
  for (const Value& item : Iterate(items)) {
    if (!item.IsString())
      Broken(absl::StrCat("join: expected str instance, ", item.TypeName(), " found"));
    absl::StrAppend(&out, first ? "" : separator, item.String());
    CheckSize(out.size());
    first = false;
  }
  return out;
}

// str.format with {}, {0} and {name}.
std::string Format(const std::string& text, const Arguments& arguments) {
  std::string out;
  size_t automatic = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{' && text[i] != '}') {
      out += text[i];
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == text[i]) {
      out += text[i++];
      continue;
    }
    const size_t end = text.find('}', i);
    if (text[i] == '}' || end == std::string::npos) Broken("a single brace in a format");
    const std::string field = text.substr(i + 1, end - i - 1);
    const Value* value = nullptr;
    size_t index = automatic;
    const auto [stop, error] = std::from_chars(field.data(), field.data() + field.size(), index);
    const bool is_index = error == std::errc() && stop == field.data() + field.size();
    if (field.empty()) ++automatic;
    if (field.empty() || is_index) {
      if (index < arguments.positional.size()) value = &arguments.positional[index];
    } else {
      for (const auto& [name, named] : arguments.named) {
        if (name == field) value = &named;
      }
    }
    if (value == nullptr) Unsupported(absl::StrCat("the format field {", field, "}"));
    out += value->Print();
    CheckSize(out.size());
    i = end;
  }
  return out;
}

bool AllDigits(const std::string& text) {
  RequireAscii(text);
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

using Method = Value (*)(const std::string& text, const BoundArguments& arguments);
struct StringMethodEntry {
  const char* name;
  std::initializer_list<const char*> parameters;
  Method method;
};

const Value* OrNull(const BoundArguments& arguments, size_t i) {
  return arguments.Has(i) ? &arguments[i] : nullptr;
}

Value SplitMethod(const std::string& text, const BoundArguments& arguments, bool from_right) {
  const int64_t limit = arguments.Integer(1, -1);
  if (!arguments.Has(0) || arguments[0].IsNone()) {
    if (from_right && limit >= 0) Unsupported("rsplit at white space with a limit");
    return Strings(SplitAtSpace(text, limit));
  }
  const std::string separator = arguments.Text(0, "");
  return Strings(from_right ? SplitFromRight(text, separator, limit)
                            : Split(text, separator, limit));
}

using Args = BoundArguments;
const StringMethodEntry kStringMethods[] = {
    {"strip",
     {"chars"},
     [](const std::string& t, const Args& a) {
       return Value(Strip(t, Side::kBoth, OrNull(a, 0)));
     }},
    {"lstrip",
     {"chars"},
     [](const std::string& t, const Args& a) {
       return Value(Strip(t, Side::kLeft, OrNull(a, 0)));
     }},
    {"rstrip",
     {"chars"},
     [](const std::string& t, const Args& a) {
       return Value(Strip(t, Side::kRight, OrNull(a, 0)));
     }},
    {"split",
     {"sep", "maxsplit"},
     [](const std::string& t, const Args& a) { return SplitMethod(t, a, false); }},
    {"rsplit",
     {"sep", "maxsplit"},
     [](const std::string& t, const Args& a) { return SplitMethod(t, a, true); }},
    {"splitlines", {}, [](const std::string& t, const Args&) { return Strings(SplitLines(t)); }},
    {"startswith",
     {"prefix"},
     [](const std::string& t, const Args& a) { return Value(StartsOrEnds(t, a[0], true)); }},
    {"endswith",
     {"suffix"},
     [](const std::string& t, const Args& a) { return Value(StartsOrEnds(t, a[0], false)); }},
    {"replace",
     {"old", "new", "count"},
     [](const std::string& t, const Args& a) {
       return Value(Replace(t, a[0].Print(), a[1].Print(), a.Integer(2, -1)));
     }},
    {"upper", {}, [](const std::string& t, const Args&) { return Value(Upper(t)); }},
    {"lower", {}, [](const std::string& t, const Args&) { return Value(Lower(t)); }},
    {"capitalize", {}, [](const std::string& t, const Args&) { return Value(Capitalize(t)); }},
    {"title", {}, [](const std::string& t, const Args&) { return Value(Title(t)); }},
    {"find",
     {"sub"},
     [](const std::string& t, const Args& a) { return Value(Find(t, a.Text(0, ""), false)); }},
    {"rfind",
     {"sub"},
     [](const std::string& t, const Args& a) { return Value(Find(t, a.Text(0, ""), true)); }},
    {"count",
     {"sub"},
     [](const std::string& t, const Args& a) { return Value(CountOf(t, a.Text(0, ""))); }},
    {"join",
     {"iterable"},
     [](const std::string& t, const Args& a) { return Value(Join(t, a[0])); }},
    {"isdigit", {}, [](const std::string& t, const Args&) { return Value(AllDigits(t)); }},
    {"removeprefix",
     {"prefix"},
     [](const std::string& t, const Args& a) {
       const std::string prefix = a.Text(0, "");
       return Value(t.starts_with(prefix) ? t.substr(prefix.size()) : t);
     }},
    {"removesuffix",
     {"suffix"},
     [](const std::string& t, const Args& a) {
       const std::string suffix = a.Text(0, "");
       return Value(t.ends_with(suffix) ? t.substr(0, t.size() - suffix.size()) : t);
     }},
};

}  // namespace

size_t FindText(std::string_view text, std::string_view what, size_t begin) {
  const void* const found =
      memmem(text.data() + begin, text.size() - begin, what.data(), what.size());
  if (found == nullptr) return std::string::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

std::string Strip(const std::string& text, Side side, const Value* characters) {
  std::vector<std::string_view> stripped;
  if (characters != nullptr && !characters->IsNone()) {
    if (!characters->IsString()) Broken("strip takes a string");
    stripped = Characters(characters->String());
    std::sort(stripped.begin(), stripped.end());
  }
  const auto goes = [&](std::string_view character) {
    if (characters == nullptr || characters->IsNone()) return IsSpace(character);
    return std::binary_search(stripped.begin(), stripped.end(), character);
  };
  const std::vector<std::string_view> all = Characters(text);
  size_t begin = 0, end = all.size();
  while (side != Side::kRight && begin < end && goes(all[begin])) ++begin;
  while (side != Side::kLeft && begin < end && goes(all[end - 1])) --end;
  std::string out;
  for (size_t i = begin; i < end; ++i) out += all[i];
  return out;
}

std::string Replace(const std::string& text, const std::string& from, const std::string& to,
                    int64_t count) {
  if (from.empty()) Unsupported("replacing the empty string");
  std::string out;
  size_t begin = 0;
  for (int64_t done = 0; count < 0 || done < count; ++done) {
    const size_t found = FindText(text, from, begin);
    if (found == std::string::npos) break;
    out.append(text, begin, found - begin).append(to);
    CheckSize(out.size());
    begin = found + from.size();
  }
  return out.append(text, begin);
}

std::string Upper(const std::string& text) {
  RequireAscii(text);
  std::string out = text;
  std::transform(out.begin(), out.end(), out.begin(), UpperOf);
  return out;
}

std::string Lower(const std::string& text) {
  RequireAscii(text);
  std::string out = text;
  std::transform(out.begin(), out.end(), out.begin(), LowerOf);
  return out;
}

std::string Capitalize(const std::string& text) {
  std::string out = Lower(text);
  if (!out.empty()) out[0] = UpperOf(out[0]);
  return out;
}

Value StringMethod(const Value& text, const std::string& name) {
  if (text.IsSafe()) Unsupported("other than output and ~ of what |safe marked");
  if (name == "format") {
    return Value::MakeFunction(name, [text](Interpreter&, const Arguments& arguments) {
      return Value(Format(text.String(), arguments));
    });
  }
  for (const StringMethodEntry& entry : kStringMethods) {
    if (name != entry.name) continue;
    return Value::MakeFunction(name, [text, &entry](Interpreter& interpreter,
                                                    const Arguments& arguments) {
      interpreter.Spend(text.String().size() / 16);
      return entry.method(text.String(), BoundArguments(entry.name, arguments, entry.parameters));
    });
  }
  return Undefined{absl::StrCat("str.", name)};
}

}  // namespace tpo::jinja
