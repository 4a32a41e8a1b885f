// Attributes, items, methods of dicts, and functions.
#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/chat_template/builtins.h"
#include "policy/chat_template/template_error.h"

namespace tpo::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // the sandbox's

Value DictMethod(const Value& dict, const std::string& name) {
  if (name == "get") {
    const auto get = [dict](Interpreter& interpreter, const Arguments& arguments) -> Value {
      const BoundArguments bound("get", arguments, {"key", "default"});
      const Value* found = dict.Entries().Find(bound[0], interpreter.budget());
      return found != nullptr ? *found : bound.Has(1) ? bound[1] : Value(None{});
    };
    return Value::MakeFunction(name, get, dict);
  }
  const bool keys = name == "keys", values = name == "values", items = name == "items";
  if (!keys && !values && !items) return Undefined{name};
  const auto view = [=](Interpreter& interpreter, const Arguments& arguments) {
    const BoundArguments none(name, arguments, {});
    std::vector<Value> result;
    interpreter.Spend(dict.Entries().entries.size());
    for (const auto& [key, value] : dict.Entries().entries) {
      result.push_back(keys ? key : values ? value : Value::MakeTuple({key, value}));
    }
    return Value::MakeView(absl::StrCat("dict_", name), std::move(result));
  };
  return Value::MakeFunction(name, view, dict);
}

Value Range(Interpreter& interpreter, const Arguments& arguments) {
  const BoundArguments bound("range", arguments, {"start", "stop", "step"});
  const bool only_stop = !bound.Has(1);
  const int64_t begin = only_stop ? 0 : bound.Integer(0);
  const int64_t end = bound.Integer(only_stop ? 0 : 1);
  const int64_t step = bound.Integer(2, 1);
  if (step == 0) Broken("range() arg 3 must not be zero");
  std::vector<Value> items;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (items.size() == static_cast<size_t>(kMaxRange)) {
      throw TemplateError(ErrorKind::kTooMuch, absl::StrCat("a range of more than ", kMaxRange));
    }
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  interpreter.Spend(items.size());
  return Value::MakeList(std::move(items));
}

std::vector<std::pair<Value, Value>> EntriesOf(Interpreter& interpreter,
                                               const Arguments& arguments) {
  DictObject dict;
  if (arguments.positional.size() > 1) Broken("a dict is made of one dict and names");
  for (const Value& value : arguments.positional) {
    if (!value.IsDict()) Unsupported(absl::StrCat("a dict made of a ", value.TypeName()));
    interpreter.Spend(value.Entries().entries.size());
    dict = value.Entries();
  }
  for (const auto& [name, value] : arguments.named) dict.Set(name, value, interpreter.budget());
  return std::move(dict.entries);
}

Value StrftimeNow(Interpreter& interpreter, const Arguments& arguments) {
  const BoundArguments bound("strftime_now", arguments, {"format"});
  const std::tm now = interpreter.now();
  const std::string format = bound.Text(0, "");
  if (format.find("%f") != std::string::npos) Unsupported("%f in strftime_now");
  if (format.empty()) return "";
  std::array<char, 1024> text{};
  const size_t size = std::strftime(text.data(), text.size(), format.c_str(), &now);
  return std::string(text.data(), size);
}

}  // namespace

BoundArguments::BoundArguments(const std::string& function, const Arguments& arguments,
                               std::initializer_list<const char*> parameters)
    : function_(function), parameters_(parameters), values_(parameters.size(), nullptr) {
  if (arguments.positional.size() > values_.size()) {
    Unsupported(absl::StrCat(function, " with ", arguments.positional.size(), " arguments"));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    size_t i = 0;
    while (i < parameters_.size() && name != parameters_[i]) ++i;
    if (i == parameters_.size()) Unsupported(absl::StrCat("argument '", name, "' of ", function));
    if (values_[i] != nullptr)
      Broken(absl::StrCat("argument '", name, "' of ", function, " given twice"));
    values_[i] = &value;
  }
}

const Value& BoundArguments::operator[](size_t parameter) const {
  if (!Has(parameter))
    Broken(absl::StrCat(function_, " needs the argument '", parameters_[parameter], "'"));
  return *values_[parameter];
}

int64_t BoundArguments::Integer(size_t parameter) const {
  const Value& value = (*this)[parameter];
  if (!value.IsInteger() && !value.IsBool()) {
    Broken(absl::StrCat("argument '", parameters_[parameter], "' of ", function_,
                        " has to be an integer"));
  }
  return value.Integer();
}

int64_t BoundArguments::Integer(size_t parameter, int64_t otherwise) const {
  return Has(parameter) ? Integer(parameter) : otherwise;
}

std::string BoundArguments::Text(size_t parameter, const std::string& otherwise) const {
  if (!Has(parameter)) return otherwise;
  const Value& value = *values_[parameter];
  if (!value.IsString()) {
    Broken(absl::StrCat("argument '", parameters_[parameter], "' of ", function_,
                        " has to be a string"));
  }
  return value.String();
}

bool BoundArguments::Truth(size_t parameter, bool otherwise) const {
  return Has(parameter) ? values_[parameter]->Truth() : otherwise;
}

void CheckAttributeName(const std::string& name) {
  if (name.starts_with('_')) {
    Broken(absl::StrCat("a namespace can't have the attribute '", name, "', which begins with _"));
  }
}

Value GetAttribute(Interpreter& interpreter, const Value& object, const std::string& name) {
  Budget& budget = interpreter.budget();
  if (object.IsUndefined()) Broken(absl::StrCat("'", object.UndefinedName(), "' is undefined"));
  if (object.IsString()) return StringMethod(object, name);
  if (object.IsNamespace()) {
    const Value* found = object.Attributes().Find(name, budget);
    return found != nullptr ? *found : Value(Undefined{name});
  }
  if (object.IsDict()) {
    Value method = DictMethod(object, name);
    if (!method.IsUndefined()) return method;
    for (const char* changing : {"pop", "update", "setdefault", "clear", "popitem", "copy"}) {
      if (name == changing && object.Entries().Find(name, budget) == nullptr) {
        Unsupported(absl::StrCat("dict.", name));
      }
    }
    const Value* found = object.Entries().Find(name, budget);
    return found != nullptr ? *found : Value(Undefined{name});
  }
  if (object.IsList()) {
    for (const char* method : {"append", "insert", "pop", "extend", "remove", "reverse", "sort",
                               "clear", "index", "count", "copy"}) {
      if (name == method) Unsupported(absl::StrCat("list.", name));
    }
  }
  return Undefined{absl::StrCat(object.TypeName(), ".", name)};
}

Value GetItem(Interpreter& interpreter, const Value& object, const Value& key) {
  if (object.IsUndefined()) Broken(absl::StrCat("'", object.UndefinedName(), "' is undefined"));
  if (object.IsDict()) {
    const Value* const found = object.Entries().Find(key, interpreter.budget());
    if (found != nullptr) return *found;
    if (key.IsString()) return GetAttribute(interpreter, object, key.String());
    return Undefined{key.IsNumber() || key.IsNone() ? key.Repr() : "an item of a dict"};
  }
  if (object.IsString() || object.IsList()) {
    if (key.IsInteger() || key.IsBool()) {
      const bool is_text = object.IsString();
      const std::vector<std::string_view> characters =
          is_text ? Characters(object.String()) : std::vector<std::string_view>();
      interpreter.Spend(characters.size() / 4);
      const auto size = static_cast<int64_t>(is_text ? characters.size() : object.Items().size());
      const int64_t index = key.Integer() < 0 ? key.Integer() + size : key.Integer();
      if (index >= 0 && index < size)
        return is_text ? Value(characters[index]) : object.Items()[index];
      return Undefined{absl::StrCat("item ", key.Integer())};
    }
  }
  if (key.IsString()) return GetAttribute(interpreter, object, key.String());
  return Undefined{absl::StrCat("an item of a ", object.TypeName())};
}

bool Contains(const Value& haystack, const Value& needle, Budget& budget) {
  if (haystack.IsString()) {
    if (!needle.IsString()) {
      Broken(
          absl::StrCat("'in <string>' requires string as left operand, not ", needle.TypeName()));
    }
    return FindText(haystack.String(), needle.String()) != std::string::npos;
  }
  if (haystack.IsDict()) return haystack.Entries().Find(needle, budget) != nullptr;
  const std::vector<Value> items = Iterate(haystack);
  budget.Spend(items.size() / 8);
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& item) { return Equal(item, needle, budget); });
}

std::map<std::string, Value> BuiltinFunctions() {
  std::map<std::string, Value> functions;
  const auto add = [&](const char* name, auto call) {
    functions[name] = Value::MakeFunction(name, call);
  };
  add("range", Range);
  add("strftime_now", StrftimeNow);
  add("dict", [](Interpreter& interpreter, const Arguments& arguments) {
    return Value::MakeDict(EntriesOf(interpreter, arguments));
  });
  add("namespace", [](Interpreter& interpreter, const Arguments& arguments) {
    auto entries = EntriesOf(interpreter, arguments);
    for (const auto& entry : entries) CheckAttributeName(entry.first.Print());
    return Value::MakeNamespace(std::move(entries));
  });
  add("raise_exception", [](Interpreter&, const Arguments& arguments) -> Value {
    const BoundArguments bound("raise_exception", arguments, {"message"});
    throw TemplateError(ErrorKind::kRaised, bound[0].Print());
  });
  return functions;
}

}  // namespace tpo::jinja
