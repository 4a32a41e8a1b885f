#include "policy/chat_template/interpreter.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/chat_template/arithmetic.h"
#include "policy/chat_template/builtins.h"
#include "policy/chat_template/template_error.h"

namespace tpo::jinja {
namespace {

constexpr int kMaxDepth = 400;
constexpr size_t kBytesAStep = 32;  // of strings that are made

// A bound of a slice with `size` items, as Python cuts it to them.
int64_t SliceBound(const Value& bound, int64_t otherwise, int64_t size, int64_t low, int64_t high) {
  if (bound.IsUndefined() || bound.IsNone()) return otherwise;
  if (!bound.IsInteger() && !bound.IsBool()) Broken("slice indices must be integers or None");
  const int64_t value = bound.Integer();
  return std::clamp(value < 0 ? value + size : value, low, high);
}

}  // namespace

struct Interpreter::Scope {
  ScopePointer parent;
  std::map<std::string, Value> variables;
};

class Interpreter::Depth {
 public:
  explicit Depth(Interpreter* interpreter) : interpreter_(interpreter) {
    if (++interpreter_->depth_ > kMaxDepth) {
      throw TemplateError(ErrorKind::kTooMuch, "calls and expressions are nested too deeply");
    }
  }
  ~Depth() { --interpreter_->depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  Interpreter* const interpreter_;
};

Interpreter::Interpreter(absl::Time now, absl::TimeZone time_zone)
    : now_(now), time_zone_(time_zone) {}

std::string Interpreter::Run(const Block& block, const std::map<std::string, Value>& variables) {
  globals_ = std::make_shared<Scope>();
  globals_->variables = BuiltinFunctions();
  for (const auto& [name, value] : variables) globals_->variables[name] = value;
  scope_ = std::make_shared<Scope>();
  scope_->parent = globals_;
  return Captured(block);
}

std::string Interpreter::Captured(const Block& block) {
  std::string text;
  std::string* const outer = std::exchange(out_, &text);
  RunBlock(block);
  out_ = outer;
  return text;
}

Interpreter::Flow Interpreter::RunBlock(const Block& block) {
  for (const auto& statement : block) {
    const Flow flow = RunStatement(*statement);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::RunStatement(const Statement& statement) {
  const Depth depth(this);
  try {
    Spend(1);
    const Flow flow = RunUnchecked(statement);
    CheckSize(out_->size());
    return flow;
  } catch (const TemplateError& error) {
    if (error.line() != 0) throw;
    throw TemplateError(error.kind(), error.what(), statement.line);
  }
}

Interpreter::Flow Interpreter::RunUnchecked(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::kText:
      Append(statement.text);
      break;
    case StatementKind::kOutput:
      Append(Evaluate(*statement.expression).Print());
      break;
    case StatementKind::kIf:
      return RunIf(statement);
    case StatementKind::kFor:
      return RunFor(statement);
    case StatementKind::kSet:
    case StatementKind::kSetAttribute:
      RunSet(statement);
      break;
    case StatementKind::kMacro:
      DefineMacro(statement);
      break;
    case StatementKind::kScope: {
      const ScopePointer outer = scope_;
      scope_ = std::make_shared<Scope>();
      scope_->parent = outer;
      const Flow flow = RunBlock(statement.body);
      scope_ = outer;
      return flow;
    }
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

void Interpreter::Append(const std::string& text) {
  Spend(text.size() / kBytesAStep);
  out_->append(text);
}

Interpreter::Flow Interpreter::RunIf(const Statement& statement) {
  for (const auto& [condition, body] : statement.branches) {
    if (Evaluate(*condition).Truth()) return RunBlock(body);
  }
  return RunBlock(statement.otherwise);
}

void Interpreter::Assign(const Statement& statement, const Value& value) {
  if (!statement.unpack) {
    scope_->variables[statement.targets[0]] = value;
    return;
  }
  const std::vector<Value> items = Iterate(value);
  if (items.size() != statement.targets.size()) {
    Broken(absl::StrCat(items.size(), " values for ", statement.targets.size(), " names"),
           statement.line);
  }
  for (size_t i = 0; i < items.size(); ++i) scope_->variables[statement.targets[i]] = items[i];
}

std::vector<Value> Interpreter::SelectItems(const Statement& statement) {
  const Value iterable = Evaluate(*statement.expression);
  std::vector<Value> items = Iterate(iterable);
  Spend(items.size());
  if (statement.condition == nullptr) return items;
  std::vector<Value> selected;
  const ScopePointer outer = scope_;
  for (const Value& item : items) {
    scope_ = std::make_shared<Scope>();
    scope_->parent = outer;
    Assign(statement, item);
    if (Evaluate(*statement.condition).Truth()) selected.push_back(item);
  }
  scope_ = outer;
  return selected;
}

Interpreter::Flow Interpreter::RunFor(const Statement& statement) {
  const std::vector<Value> items = SelectItems(statement);
  if (items.empty()) return RunBlock(statement.otherwise);
  const ScopePointer outer = scope_;
  const auto count = static_cast<int64_t>(items.size());
  Flow flow = Flow::kNext;
  bool reached_an_end = false;  // of the body; where none was, Jinja runs the else as well
  for (int64_t i = 0; i < count && flow != Flow::kBreak; ++i) {
    Spend(5);
    scope_ = std::make_shared<Scope>();
    scope_->parent = outer;
    Assign(statement, items[i]);
    const auto cycle = [i](Interpreter&, const Arguments& arguments) -> Value {
      if (arguments.positional.empty()) Broken("no items for cycling given");
      return arguments.positional[i % arguments.positional.size()];
    };
    scope_->variables["loop"] = Value::MakeDict({
        {"index", i + 1},
        {"index0", i},
        {"revindex", count - i},
        {"revindex0", count - i - 1},
        {"first", i == 0},
        {"last", i + 1 == count},
        {"length", count},
        {"previtem", i > 0 ? items[i - 1] : Value(Undefined{"loop.previtem"})},
        {"nextitem", i + 1 < count ? items[i + 1] : Value(Undefined{"loop.nextitem"})},
        {"cycle", Value::MakeFunction("cycle", cycle)},
    });
    flow = RunBlock(statement.body);
    reached_an_end |= flow == Flow::kNext;
  }
  scope_ = outer;
  return reached_an_end ? Flow::kNext : RunBlock(statement.otherwise);
}

void Interpreter::RunSet(const Statement& statement) {
  const Value value = statement.expression == nullptr ? Value(Captured(statement.body))
                                                      : Evaluate(*statement.expression);
  if (statement.kind == StatementKind::kSet) {
    Assign(statement, value);
    return;
  }
  Expression name;
  name.name = statement.text;
  name.line = statement.line;
  const Value target = Lookup(name);
  if (!target.IsNamespace()) {
    Broken(absl::StrCat("'", statement.text, "' has to be a namespace for its attribute to be set"),
           statement.line);
  }
  CheckAttributeName(statement.targets[0]);
  target.SetAttribute(statement.targets[0], value, budget_);
}

void Interpreter::DefineMacro(const Statement& statement) {
  // Weak, for the scope holds the macro.
  const std::weak_ptr<Scope> definition_scope = scope_;
  scope_->variables[statement.text] = Value::MakeFunction(
      statement.text,
      [&statement, definition_scope](Interpreter& self, const Arguments& arguments) {
        const ScopePointer scope = definition_scope.lock();
        if (scope == nullptr) Unsupported("a macro called outside of the loop that defines it");
        return self.CallMacro(statement, scope, arguments);
      });
}

Value Interpreter::CallMacro(const Statement& macro, const ScopePointer& definition_scope,
                             const Arguments& arguments) {
  const size_t count = macro.targets.size();
  if (arguments.positional.size() > count) {
    Broken(absl::StrCat("macro '", macro.text, "' takes no more than ", count, " arguments"));
  }
  const ScopePointer caller = scope_;
  const auto local = std::make_shared<Scope>();
  local->parent = definition_scope;
  scope_ = local;
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    local->variables[macro.targets[i]] = arguments.positional[i];
  }
  for (const auto& [name, value] : arguments.named) {
    const bool known =
        std::find(macro.targets.begin(), macro.targets.end(), name) != macro.targets.end();
    if (!known || !local->variables.emplace(name, value).second) {
      Broken(absl::StrCat("macro '", macro.text, "' takes no argument '", name,
                          "', or has it already"));
    }
  }
  const size_t first_default = count - macro.defaults.size();
  for (size_t i = 0; i < count; ++i) {
    if (local->variables.contains(macro.targets[i])) continue;
    local->variables[macro.targets[i]] = i >= first_default
                                             ? Evaluate(*macro.defaults[i - first_default])
                                             : Value(Undefined{macro.targets[i]});
  }
  std::string text = Captured(macro.body);
  scope_ = caller;
  return text;
}

Value Interpreter::Call(const Value& function, const Arguments& arguments) {
  if (function.IsUndefined()) Broken(absl::StrCat("'", function.UndefinedName(), "' is undefined"));
  if (!function.IsFunction())
    Broken(absl::StrCat("'", function.TypeName(), "' object is not callable"));
  return function.Function_().call(*this, arguments);
}

Value Interpreter::Evaluate(const Expression& expression) {
  const Depth depth(this);
  try {
    Value value = EvaluateUnchecked(expression);
    Spend(1 + (value.IsString() ? value.String().size() / kBytesAStep
               : value.IsList() ? value.Items().size() / 2
                                : 0));
    return value;
  } catch (const TemplateError& error) {
    if (error.line() != 0) throw;
    throw TemplateError(error.kind(), error.what(), expression.line);
  }
}

Value Interpreter::EvaluateUnchecked(const Expression& expression) {
  switch (expression.kind) {
    case ExpressionKind::kLiteral:
      return expression.value;
    case ExpressionKind::kName:
      return Lookup(expression);
    case ExpressionKind::kList:
    case ExpressionKind::kTuple:
      return EvaluateParts(expression);
    case ExpressionKind::kDict:
      return EvaluateDict(expression);
    case ExpressionKind::kAttribute:
      return GetAttribute(*this, Evaluate(*expression.parts[0]), expression.name);
    case ExpressionKind::kItem:
      return GetItem(*this, Evaluate(*expression.parts[0]), Evaluate(*expression.parts[1]));
    case ExpressionKind::kSlice:
      return EvaluateSlice(expression);
    case ExpressionKind::kCall: {
      const Value function = Evaluate(*expression.parts[0]);
      return Call(function, EvaluateArguments(expression));
    }
    case ExpressionKind::kFilter: {
      const Value input = Evaluate(*expression.parts[0]);
      return ApplyFilter(*this, expression.name, input, EvaluateArguments(expression));
    }
    case ExpressionKind::kTest: {
      const Value input = Evaluate(*expression.parts[0]);
      return ApplyTest(*this, expression.name, input, EvaluateArguments(expression));
    }
    case ExpressionKind::kNot:
      return !Evaluate(*expression.parts[0]).Truth();
    case ExpressionKind::kNegative:
    case ExpressionKind::kPositive:
      return EvaluateSign(expression);
    case ExpressionKind::kBinary:
      return EvaluateBinary(expression);
    case ExpressionKind::kCompare:
      return EvaluateComparison(expression);
    case ExpressionKind::kAnd:
    case ExpressionKind::kOr:
      return EvaluateLogical(expression);
    case ExpressionKind::kConditional:
      if (Evaluate(*expression.parts[1]).Truth()) return Evaluate(*expression.parts[0]);
      return expression.parts[2] == nullptr ? Value(Undefined{"an if without else"})
                                            : Evaluate(*expression.parts[2]);
  }
  return Value();
}

Value Interpreter::Lookup(const Expression& name) {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    const auto found = scope->variables.find(name.name);
    if (found != scope->variables.end()) return found->second;
  }
  for (const char* known :
       {"caller", "varargs", "kwargs", "self", "super", "lipsum", "cycler", "joiner"}) {
    if (name.name == known) Unsupported(absl::StrCat("'", name.name, "'"), name.line);
  }
  return Undefined{name.name};
}

Value Interpreter::EvaluateParts(const Expression& expression) {
  std::vector<Value> items;
  for (const auto& part : expression.parts) items.push_back(Evaluate(*part));
  return expression.kind == ExpressionKind::kList ? Value::MakeList(std::move(items))
                                                  : Value::MakeTuple(std::move(items));
}

Value Interpreter::EvaluateDict(const Expression& expression) {
  DictObject dict;
  for (size_t i = 0; i < expression.parts.size(); i += 2) {
    Value key = Evaluate(*expression.parts[i]);
    dict.Set(std::move(key), Evaluate(*expression.parts[i + 1]), budget_);
  }
  return Value::MakeDict(std::move(dict.entries));
}

Value Interpreter::EvaluateSlice(const Expression& expression) {
  const Value object = Evaluate(*expression.parts[0]);
  Value bounds[3];
  for (int i = 0; i < 3; ++i) {
    if (expression.parts[i + 1] != nullptr) bounds[i] = Evaluate(*expression.parts[i + 1]);
  }
  if (object.IsUndefined()) Broken(absl::StrCat("'", object.UndefinedName(), "' is undefined"));
  if (!object.IsString() && !object.IsList()) {
    return Undefined{absl::StrCat("a slice of a ", object.TypeName())};
  }
  const bool is_text = object.IsString();
  const std::vector<std::string_view> characters =
      is_text ? Characters(object.String()) : std::vector<std::string_view>();
  const auto size = static_cast<int64_t>(is_text ? characters.size() : object.Items().size());
  Spend(size / 4);
  const int64_t step = SliceBound(bounds[2], 1, 0, INT64_MIN, INT64_MAX);
  if (step == 0) Broken("slice step cannot be zero");
  const bool forward = step > 0;
  const int64_t low = forward ? 0 : -1, high = forward ? size : size - 1;
  const int64_t begin = SliceBound(bounds[0], forward ? low : high, size, low, high);
  const int64_t end = SliceBound(bounds[1], forward ? high : low, size, low, high);
  std::string text;
  std::vector<Value> selected;
  // Compared as distances, for begin + step may be beyond 64 bits.
  for (int64_t i = begin; forward ? i < end : i > end;) {
    if (is_text) {
      text += characters[i];
    } else {
      selected.push_back(object.Items()[i]);
    }
    const bool done = forward ? step >= end - i : step <= end - i;
    if (done) break;
    i += step;
  }
  if (is_text) return text;
  return object.IsTuple() ? Value::MakeTuple(std::move(selected))
                          : Value::MakeList(std::move(selected));
}

Value Interpreter::EvaluateBinary(const Expression& expression) {
  const Value a = Evaluate(*expression.parts[0]);
  const Value b = Evaluate(*expression.parts[1]);
  return Arithmetic(expression.name, a, b);
}

Value Interpreter::EvaluateComparison(const Expression& expression) {
  Value left = Evaluate(*expression.parts[0]);
  for (size_t i = 0; i < expression.comparisons.size(); ++i) {
    Value right = Evaluate(*expression.parts[i + 1]);
    if (!Compare(expression.comparisons[i], left, right, budget_)) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::EvaluateLogical(const Expression& expression) {
  const bool stops_at = expression.kind == ExpressionKind::kOr;
  for (size_t i = 0; i + 1 < expression.parts.size(); ++i) {
    Value value = Evaluate(*expression.parts[i]);
    if (value.Truth() == stops_at) return value;
  }
  return Evaluate(*expression.parts.back());
}

Value Interpreter::EvaluateSign(const Expression& expression) {
  const Value value = Evaluate(*expression.parts[0]);
  const bool negative = expression.kind == ExpressionKind::kNegative;
  if (value.IsFloat()) return negative ? -value.Float() : value.Float();
  // Refuses what isn't a number.
  return Arithmetic(negative ? "-" : "+", int64_t{0}, value);
}

Arguments Interpreter::EvaluateArguments(const Expression& expression) {
  Arguments arguments;
  const size_t positional = expression.arguments.size() - expression.argument_names.size();
  for (size_t i = 0; i < expression.arguments.size(); ++i) {
    Value value = Evaluate(*expression.arguments[i]);
    if (i < positional) {
      arguments.positional.push_back(std::move(value));
    } else {
      arguments.named.emplace_back(expression.argument_names[i - positional], std::move(value));
    }
  }
  return arguments;
}

}  // namespace tpo::jinja
