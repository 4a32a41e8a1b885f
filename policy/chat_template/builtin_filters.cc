// x|…
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "policy/chat_template/builtins.h"
#include "policy/chat_template/template_error.h"

namespace tpo::jinja {
namespace {

using Filter = Value (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);

// str(), but of a string nothing.
std::string TextOf(const Value& input) { return input.Print(); }

Value Trim(Interpreter&, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("trim", arguments, {"chars"});
  return Strip(TextOf(input), Side::kBoth, bound.Has(0) ? &bound[0] : nullptr);
}

Value Length(Interpreter&, const Value& input, const Arguments&) {
  if (input.IsUndefined()) return int64_t{0};
  if (input.IsString()) return static_cast<int64_t>(Characters(input.String()).size());
  if (input.IsList() || input.IsView()) return static_cast<int64_t>(input.Items().size());
  if (input.IsDict()) return static_cast<int64_t>(input.Entries().entries.size());
  Broken(absl::StrCat("object of type '", input.TypeName(), "' has no len()"));
}

Value First(Interpreter&, const Value& input, const Arguments&) {
  const std::vector<Value> items = Iterate(input);
  return items.empty() ? Value(Undefined{"first of nothing"}) : items.front();
}

Value Last(Interpreter&, const Value& input, const Arguments&) {
  const std::vector<Value> items = Iterate(input);
  return items.empty() ? Value(Undefined{"last of nothing"}) : items.back();
}

// a.b.0 of `attribute`.
Value ByPath(Interpreter& interpreter, Value value, const Value& path) {
  if (path.IsInteger()) return GetItem(interpreter, value, path);
  if (!path.IsString()) Broken("an attribute has to be a string or an integer");
  const std::string& text = path.String();
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    int64_t index = 0;
    const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = error == std::errc() && stop == part.data() + part.size();
    value = GetItem(interpreter, value, is_index ? Value(index) : Value(part));
    begin = end + 1;
  }
  return value;
}

Value Join(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("join", arguments, {"d", "attribute"});
  const std::string separator = bound.Has(0) ? bound[0].Print() : "";
  std::string out;
  bool first = true;
  for (const Value& item : Iterate(input)) {
    const std::string text =
        bound.Has(1) ? ByPath(interpreter, item, bound[1]).Print() : item.Print();
    absl::StrAppend(&out, first ? "" : separator, text);
    CheckSize(out.size());
    first = false;
  }
  return out;
}

Value Default(Interpreter&, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("default", arguments, {"default_value", "boolean"});
  const bool missing = input.IsUndefined() || (bound.Truth(1, false) && !input.Truth());
  return !missing ? input : bound.Has(0) ? bound[0] : Value("");
}

Value ReplaceFilter(Interpreter&, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("replace", arguments, {"old", "new", "count"});
  return Replace(TextOf(input), bound[0].Print(), bound[1].Print(), bound.Integer(2, -1));
}

Value UpperFilter(Interpreter&, const Value& input, const Arguments&) {
  return Upper(TextOf(input));
}
Value LowerFilter(Interpreter&, const Value& input, const Arguments&) {
  return Lower(TextOf(input));
}
Value CapitalizeFilter(Interpreter&, const Value& input, const Arguments&) {
  return Capitalize(TextOf(input));
}
Value String(Interpreter&, const Value& input, const Arguments&) { return TextOf(input); }

// Jinja's own: words begin after white space or one of -([{<.
Value TitleFilter(Interpreter&, const Value& input, const Arguments&) {
  std::string text = Lower(TextOf(input));
  bool at_begin = true;
  for (char& c : text) {
    if (at_begin && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    at_begin = c == ' ' || (c >= '\t' && c <= '\r') ||
               std::string_view("-([{<").find(c) != std::string_view::npos;
  }
  return text;
}

Value List(Interpreter&, const Value& input, const Arguments&) {
  return Value::MakeList(Iterate(input));
}

Value Items(Interpreter& interpreter, const Value& input, const Arguments&) {
  if (input.IsUndefined()) return Value::MakeGenerator({});
  if (!input.IsDict()) Broken("Can only get item pairs from a mapping.");
  return Value::MakeGenerator(
      interpreter.Call(GetAttribute(interpreter, input, "items"), {}).Items());
}

Value Tojson(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("tojson", arguments,
                             {"ensure_ascii", "indent", "separators", "sort_keys"});
  // In transformers indent comes second; Jinja's own filter has it first.
  JsonStyle style;
  style.ensure_ascii = bound.Truth(0, false);
  style.sort_keys = bound.Truth(3, false);
  if (bound.Has(1) && !bound[1].IsNone()) {
    style.indent = static_cast<int>(std::clamp<int64_t>(bound.Integer(1, 0), 0, 100));
    style.item_separator = std::string(1, ',');
  }
  if (bound.Has(2) && !bound[2].IsNone()) {
    const std::vector<Value> separators = Iterate(bound[2]);
    if (separators.size() != 2) Broken("separators are two strings");
    style.item_separator = separators[0].Print();
    style.key_separator = separators[1].Print();
  }
  return ToJson(input, style, interpreter.budget());
}

Value Int(Interpreter&, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("int", arguments, {"default"});
  Value otherwise = bound.Has(0) ? bound[0] : Value(int64_t{0});
  if (input.IsInteger() || input.IsBool()) return input.Integer();
  double number = 0;
  if (input.IsFloat()) {
    number = input.Float();
  } else if (input.IsString()) {
    const std::string text = Strip(input.String(), Side::kBoth, nullptr);
    const char* const begin = text.data() + (text.starts_with('+') ? 1 : 0);
    const char* const end = text.data() + text.size();
    int64_t integer = 0;
    if (const auto [stop, error] = std::from_chars(begin, end, integer);
        error == std::errc() && stop == end) {
      return integer;
    }
    const auto [stop, error] = std::from_chars(begin, end, number);
    if (error != std::errc() || stop != end) return otherwise;
  } else {
    return otherwise;
  }
  if (!(std::fabs(number) < 9e18)) return otherwise;
  return static_cast<int64_t>(number);
}

Value FloatFilter(Interpreter&, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("float", arguments, {"default"});
  Value otherwise = bound.Has(0) ? bound[0] : Value(0.0);
  if (input.IsNumber()) return input.Float();
  if (!input.IsString()) return otherwise;
  const std::string text = Strip(input.String(), Side::kBoth, nullptr);
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && stop == text.data() + text.size() ? Value(number) : otherwise;
}

Value Abs(Interpreter&, const Value& input, const Arguments&) {
  if (input.IsFloat()) return std::fabs(input.Float());
  if (!input.IsNumber() || input.Integer() == INT64_MIN)
    Broken(absl::StrCat("abs of a ", input.TypeName()));
  return std::abs(input.Integer());
}

Value Round(Interpreter&, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("round", arguments, {"precision", "method"});
  if (!input.IsNumber()) Broken(absl::StrCat("round of a ", input.TypeName()));
  if (bound.Integer(0, 0) != 0) Unsupported("round with a precision");
  const std::string method = bound.Text(1, "common");
  if (method == "common") return std::nearbyint(input.Float());  // to even, as Python rounds
  if (method == "ceil") return std::ceil(input.Float());
  if (method == "floor") return std::floor(input.Float());
  Broken("method must be common, ceil or floor");
}

Value Indent(Interpreter&, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("indent", arguments, {"width", "first", "blank"});
  const std::string indentation =
      bound.Has(0) && bound[0].IsString()
          ? bound[0].String()
          : std::string(std::clamp<int64_t>(bound.Integer(0, 4), 0, 1000), ' ');
  const std::string text = TextOf(input) + "\n";
  std::string out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    const bool is_first = begin == 0;
    if (!is_first) out += '\n';
    if (is_first ? bound.Truth(1, false) : !line.empty() || bound.Truth(2, false))
      out += indentation;
    out += line;
    CheckSize(out.size());
    begin = end + 1;
  }
  return out;
}

// Ignores the case of strings unless told.
Value Folded(Interpreter& interpreter, const Value& value, bool case_sensitive) {
  if (!value.IsString() || case_sensitive) return value;
  interpreter.Spend(value.String().size() / 16);
  return Lower(value.String());
}

std::vector<Value> SortedBy(Interpreter& interpreter, const std::vector<Value>& items,
                            const std::vector<Value>& keys, bool reverse) {
  Budget& budget = interpreter.budget();
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return reverse ? Less(keys[b], keys[a], budget) : Less(keys[a], keys[b], budget);
  });
  std::vector<Value> sorted;
  sorted.reserve(order.size());
  for (const size_t i : order) sorted.push_back(items[i]);
  return sorted;
}

Value Sort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const std::vector<Value> items = Iterate(input);
  std::vector<Value> keys;
  keys.reserve(items.size());
  for (const Value& item : items) {
    keys.push_back(Folded(interpreter, bound.Has(2) ? ByPath(interpreter, item, bound[2]) : item,
                          bound.Truth(1, false)));
  }
  return Value::MakeList(SortedBy(interpreter, items, keys, bound.Truth(0, false)));
}

Value Dictsort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  if (!input.IsDict()) Broken(absl::StrCat("dictsort of a ", input.TypeName()));
  const std::string by = bound.Text(1, "key");
  if (by != "key" && by != "value") Broken("You can only sort by either \"key\" or \"value\"");
  std::vector<Value> items, keys;
  for (const auto& [key, value] : input.Entries().entries) {
    items.push_back(Value::MakeTuple({key, value}));
    keys.push_back(Folded(interpreter, by == "key" ? key : value, bound.Truth(0, false)));
  }
  return Value::MakeList(SortedBy(interpreter, items, keys, bound.Truth(2, false)));
}

Value Unique(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const BoundArguments bound("unique", arguments, {"case_sensitive"});
  std::vector<Value> items, keys;
  for (const Value& item : Iterate(input)) {
    const Value key = Folded(interpreter, item, bound.Truth(0, false));
    interpreter.Spend(keys.size() / 4);
    const auto same = [&](const Value& other) { return Equal(other, key, interpreter.budget()); };
    if (std::any_of(keys.begin(), keys.end(), same)) continue;
    keys.push_back(key);
    items.push_back(item);
  }
  return Value::MakeGenerator(std::move(items));
}

Value Reverse(Interpreter&, const Value& input, const Arguments&) {
  if (input.IsGenerator()) Unsupported("reverse of what isn't a list yet; put |list before it");
  std::vector<Value> items = Iterate(input);
  std::reverse(items.begin(), items.end());
  if (!input.IsString()) return Value::MakeGenerator(std::move(items));
  std::string text;
  for (const Value& item : items) text += item.String();
  return text;
}

Value MinOrMax(Interpreter& interpreter, const Value& input, bool max) {
  const std::vector<Value> items = Iterate(input);
  if (items.empty()) return Undefined{"min or max of nothing"};
  for (const Value& item : items) {
    if (item.IsString()) Unsupported("min or max of strings");
  }
  const auto less = [&](const Value& a, const Value& b) {
    return Less(a, b, interpreter.budget());
  };
  return max ? *std::max_element(items.begin(), items.end(), less)
             : *std::min_element(items.begin(), items.end(), less);
}
Value Min(Interpreter& i, const Value& v, const Arguments&) { return MinOrMax(i, v, false); }
Value Max(Interpreter& i, const Value& v, const Arguments&) { return MinOrMax(i, v, true); }

Value Safe(Interpreter&, const Value& input, const Arguments&) {
  return Value(input.Print()).MarkedSafe();
}

// The arguments behind the first `count`.
Arguments Behind(const Arguments& arguments, size_t count) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<ptrdiff_t>(count));
  return rest;
}

Value Map(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  std::vector<Value> items;
  if (!input.Truth()) return Value::MakeGenerator({});
  if (arguments.positional.empty()) {
    const BoundArguments bound("map", arguments, {"", "attribute", "default"});
    for (const Value& item : Iterate(input)) {
      Value value = ByPath(interpreter, item, bound[1]);
      items.push_back(value.IsUndefined() && bound.Has(2) ? bound[2] : value);
    }
  } else {
    const Arguments rest = Behind(arguments, 1);
    for (const Value& item : Iterate(input)) {
      items.push_back(ApplyFilter(interpreter, arguments.positional[0].Print(), item, rest));
    }
  }
  return Value::MakeGenerator(std::move(items));
}

// select, reject, and the same by an attribute of the items.
Value Selected(Interpreter& interpreter, const Value& input, const Arguments& arguments,
               bool by_attribute, bool wanted) {
  if (!input.Truth()) return Value::MakeGenerator({});
  const size_t skipped = by_attribute ? 1 : 0;
  if (arguments.positional.size() < skipped) Broken("an attribute is missing");
  const bool has_test = arguments.positional.size() > skipped;
  const Arguments rest = has_test ? Behind(arguments, skipped + 1) : Arguments();
  std::vector<Value> items;
  for (const Value& item : Iterate(input)) {
    const Value subject = by_attribute ? ByPath(interpreter, item, arguments.positional[0]) : item;
    const bool passes =
        has_test ? ApplyTest(interpreter, arguments.positional[skipped].Print(), subject, rest)
                 : subject.Truth();
    if (passes == wanted) items.push_back(item);
  }
  return Value::MakeGenerator(std::move(items));
}

Value Select(Interpreter& i, const Value& v, const Arguments& a) {
  return Selected(i, v, a, false, true);
}
Value Reject(Interpreter& i, const Value& v, const Arguments& a) {
  return Selected(i, v, a, false, false);
}
Value SelectAttr(Interpreter& i, const Value& v, const Arguments& a) {
  return Selected(i, v, a, true, true);
}
Value RejectAttr(Interpreter& i, const Value& v, const Arguments& a) {
  return Selected(i, v, a, true, false);
}

// What a filter has to go through, in steps.
size_t Extent(const Value& input) {
  if (input.IsString()) return input.String().size() / 16;
  if (input.IsList() || input.IsView() || input.IsGenerator()) return input.Items().size();
  return input.IsDict() ? input.Entries().entries.size() : 1;
}

using Table = absl::flat_hash_map<std::string, std::pair<Filter, bool>>;

// Name, function, does it take arguments?
const Table& Filters() {
  static const Table& table = *new Table{
      {"abs", {Abs, false}},
      {"capitalize", {CapitalizeFilter, false}},
      {"count", {Length, false}},
      {"d", {Default, true}},
      {"default", {Default, true}},
      {"dictsort", {Dictsort, true}},
      {"first", {First, false}},
      {"float", {FloatFilter, true}},
      {"indent", {Indent, true}},
      {"int", {Int, true}},
      {"items", {Items, false}},
      {"join", {Join, true}},
      {"last", {Last, false}},
      {"length", {Length, false}},
      {"list", {List, false}},
      {"lower", {LowerFilter, false}},
      {"map", {Map, true}},
      {"max", {Max, false}},
      {"min", {Min, false}},
      {"reject", {Reject, true}},
      {"rejectattr", {RejectAttr, true}},
      {"replace", {ReplaceFilter, true}},
      {"reverse", {Reverse, false}},
      {"round", {Round, true}},
      {"safe", {Safe, false}},
      {"select", {Select, true}},
      {"selectattr", {SelectAttr, true}},
      {"sort", {Sort, true}},
      {"string", {String, false}},
      {"title", {TitleFilter, false}},
      {"tojson", {Tojson, true}},
      {"trim", {Trim, true}},
      {"unique", {Unique, true}},
      {"upper", {UpperFilter, false}},
  };
  return table;
}

}  // namespace

Value ApplyFilter(Interpreter& interpreter, const std::string& name, const Value& input,
                  const Arguments& arguments) {
  const auto found = Filters().find(name);
  if (found == Filters().end()) Unsupported(absl::StrCat("the filter '", name, "'"));
  if (input.IsSafe() && name != "safe") Unsupported("other than output and ~ of what |safe marked");
  if (!found->second.second) const BoundArguments none(name, arguments, {});
  interpreter.Spend(Extent(input));
  return found->second.first(interpreter, input, arguments);
}

}  // namespace tpo::jinja
