#include "policy/chat_template/expression_parser.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/chat_template/template_error.h"

namespace tpo::jinja {
namespace {

constexpr int kMaxDepth = 60;
constexpr int kMaxChain = 200;

std::string Described(const Token& token) {
  switch (token.kind) {
    case TokenKind::kBlockEnd:
    case TokenKind::kVariableEnd:
    case TokenKind::kEnd:
      return "the end of the tag";
    case TokenKind::kLiteral:
      return token.value.Repr();
    default:
      return absl::StrCat("'", token.text, "'");
  }
}

}  // namespace

// Counts how deep expressions are nested, for the parser and the interpreter recurse with them.
class ExpressionParser::Nesting {
 public:
  explicit Nesting(ExpressionParser* parser) : parser_(parser) {
    if (++parser_->depth_ > kMaxDepth) {
      throw TemplateError(ErrorKind::kTooMuch, "an expression nested too deeply",
                          parser_->Current().line);
    }
  }
  ~Nesting() { --parser_->depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  ExpressionParser* const parser_;
};

void ExpressionParser::Unexpected() const {
  Broken(absl::StrCat("unexpected ", Described(Current())), Current().line);
}

// What is chained nests to the left.
void ExpressionParser::CheckChain(int length) const {
  if (length > kMaxChain) {
    throw TemplateError(ErrorKind::kTooMuch, "too many operators in a row", Current().line);
  }
}

bool ExpressionParser::SkipName(std::string_view name) {
  const bool found = AtName(name);
  if (found) ++position_;
  return found;
}

bool ExpressionParser::SkipOperator(std::string_view text) {
  const bool found = AtOperator(text);
  if (found) ++position_;
  return found;
}

void ExpressionParser::ExpectOperator(std::string_view text) {
  if (!SkipOperator(text)) {
    Broken(absl::StrCat("expected '", std::string(text), "' before ", Described(Current())),
           Current().line);
  }
}

void ExpressionParser::ExpectKind(TokenKind kind, std::string_view description) {
  if (Current().kind != kind) {
    Broken(absl::StrCat("expected ", std::string(description), " before ", Described(Current())),
           Current().line);
  }
  ++position_;
}

std::string ExpressionParser::ExpectName() {
  if (Current().kind != TokenKind::kName) Unexpected();
  return Take().text;
}

ExpressionPointer ExpressionParser::Make(ExpressionKind kind, ExpressionPointer part) const {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = Current().line;
  if (part != nullptr) made->parts.push_back(std::move(part));
  return made;
}

ExpressionPointer ExpressionParser::ParseExpression(bool with_conditional) {
  const Nesting nesting(this);
  return with_conditional ? ParseConditional() : ParseOr();
}

ExpressionPointer ExpressionParser::ParseExpressionOrTuple(bool with_conditional) {
  ExpressionPointer first = ParseExpression(with_conditional);
  if (!AtOperator(",")) return first;
  ExpressionPointer tuple = Make(ExpressionKind::kTuple, std::move(first));
  while (SkipOperator(",")) {
    const TokenKind kind = Current().kind;
    if (kind == TokenKind::kBlockEnd || kind == TokenKind::kVariableEnd) break;
    tuple->parts.push_back(ParseExpression(with_conditional));
  }
  return tuple;
}

ExpressionPointer ExpressionParser::ParseConditional() {
  ExpressionPointer expression = ParseOr();
  for (int chained = 0; AtName("if"); ++chained) {
    CheckChain(chained);
    ExpressionPointer made = Make(ExpressionKind::kConditional, std::move(expression));
    Take();
    made->parts.push_back(ParseOr());
    made->parts.push_back(SkipName("else") ? ParseExpression() : nullptr);
    expression = std::move(made);
  }
  return expression;
}

ExpressionPointer ExpressionParser::ParseOr() {
  ExpressionPointer first = ParseAnd();
  if (!AtName("or")) return first;
  ExpressionPointer made = Make(ExpressionKind::kOr, std::move(first));
  while (SkipName("or")) made->parts.push_back(ParseAnd());
  return made;
}

ExpressionPointer ExpressionParser::ParseAnd() {
  ExpressionPointer first = ParseNot();
  if (!AtName("and")) return first;
  ExpressionPointer made = Make(ExpressionKind::kAnd, std::move(first));
  while (SkipName("and")) made->parts.push_back(ParseNot());
  return made;
}

ExpressionPointer ExpressionParser::ParseNot() {
  if (!AtName("not")) return ParseComparison();
  const Nesting nesting(this);
  ExpressionPointer made = Make(ExpressionKind::kNot);
  Take();
  made->parts.push_back(ParseNot());
  return made;
}

ExpressionPointer ExpressionParser::ParseComparison() {
  ExpressionPointer left = ParseSum();
  ExpressionPointer made;
  while (true) {
    std::string comparison;
    for (const char* candidate : {"==", "!=", "<", "<=", ">", ">="}) {
      if (AtOperator(candidate)) comparison = candidate;
    }
    if (AtName("in")) comparison = "in";
    if (AtName("not") && tokens_[position_ + 1].kind == TokenKind::kName &&
        tokens_[position_ + 1].text == "in") {
      comparison = "not in";
      Take();
    }
    if (comparison.empty()) return made == nullptr ? std::move(left) : std::move(made);
    if (made == nullptr) made = Make(ExpressionKind::kCompare, std::move(left));
    Take();
    made->comparisons.push_back(comparison);
    made->parts.push_back(ParseSum());
  }
}

ExpressionPointer ExpressionParser::ParseBinary(std::initializer_list<std::string_view> operators,
                                                ExpressionPointer (ExpressionParser::*next)()) {
  ExpressionPointer left = (this->*next)();
  int chained = 0;
  while (true) {
    bool found = false;
    for (const std::string_view candidate : operators) {
      if (!AtOperator(candidate)) continue;
      CheckChain(++chained);
      left = Make(ExpressionKind::kBinary, std::move(left));
      left->name = std::string(candidate);
      Take();
      left->parts.push_back((this->*next)());
      found = true;
      break;
    }
    if (!found) return left;
  }
}

ExpressionPointer ExpressionParser::ParseSum() {
  return ParseBinary({"+", "-"}, &ExpressionParser::ParseConcatenation);
}

ExpressionPointer ExpressionParser::ParseConcatenation() {
  return ParseBinary({"~"}, &ExpressionParser::ParseProduct);
}

ExpressionPointer ExpressionParser::ParseProduct() {
  return ParseBinary({"*", "/", "//", "%"}, &ExpressionParser::ParsePower);
}

ExpressionPointer ExpressionParser::ParsePower() {
  ExpressionPointer left = ParseUnary(/*with_filters=*/true);
  for (int chained = 0; AtOperator("**"); ++chained) {
    CheckChain(chained);
    left = Make(ExpressionKind::kBinary, std::move(left));
    left->name = Take().text;
    left->parts.push_back(ParseUnary(/*with_filters=*/true));
  }
  return left;
}

ExpressionPointer ExpressionParser::ParseUnary(bool with_filters) {
  const Nesting nesting(this);
  ExpressionPointer made;
  if (AtOperator("-") || AtOperator("+")) {
    made = Make(AtOperator("-") ? ExpressionKind::kNegative : ExpressionKind::kPositive);
    Take();
    made->parts.push_back(ParseUnary(/*with_filters=*/false));
  } else {
    made = ParsePrimary();
  }
  made = ParsePostfix(std::move(made));
  return with_filters ? ParseFilters(std::move(made)) : std::move(made);
}

ExpressionPointer ExpressionParser::ParsePrimary() {
  ExpressionPointer made = Make(ExpressionKind::kLiteral);
  const Token& token = Current();
  if (token.kind == TokenKind::kName) {
    Take();
    if (token.text == "true" || token.text == "True") {
      made->value = true;
    } else if (token.text == "false" || token.text == "False") {
      made->value = false;
    } else if (token.text == "none" || token.text == "None") {
      made->value = None{};
    } else {
      made->kind = ExpressionKind::kName;
      made->name = token.text;
    }
    return made;
  }
  if (token.kind == TokenKind::kLiteral) {
    made->value = Take().value;
    if (!made->value.IsString()) return made;
    // Strings side by side are one.
    std::string text = made->value.String();
    while (Current().kind == TokenKind::kLiteral && Current().value.IsString()) {
      text += Take().value.String();
    }
    made->value = Value(std::move(text));
    return made;
  }
  if (AtOperator("(")) return ParseParenthesized();
  if (AtOperator("{")) return ParseDict();
  if (!SkipOperator("[")) Unexpected();
  made->kind = ExpressionKind::kList;
  while (!SkipOperator("]")) {
    if (!made->parts.empty()) {
      ExpectOperator(",");
      if (SkipOperator("]")) break;
    }
    made->parts.push_back(ParseExpression());
  }
  return made;
}

ExpressionPointer ExpressionParser::ParseParenthesized() {
  ExpressionPointer tuple = Make(ExpressionKind::kTuple);
  ExpectOperator("(");
  bool comma = false;
  while (!SkipOperator(")")) {
    if (!tuple->parts.empty()) {
      ExpectOperator(",");
      comma = true;
      if (SkipOperator(")")) break;
    }
    tuple->parts.push_back(ParseExpression());
  }
  return tuple->parts.size() == 1 && !comma ? std::move(tuple->parts[0]) : std::move(tuple);
}

ExpressionPointer ExpressionParser::ParseDict() {
  ExpressionPointer made = Make(ExpressionKind::kDict);
  ExpectOperator("{");
  while (!SkipOperator("}")) {
    if (!made->parts.empty()) {
      ExpectOperator(",");
      if (SkipOperator("}")) break;
    }
    made->parts.push_back(ParseExpression());
    ExpectOperator(":");
    made->parts.push_back(ParseExpression());
  }
  return made;
}

ExpressionPointer ExpressionParser::ParsePostfix(ExpressionPointer expression) {
  for (int chained = 0;; ++chained) {
    CheckChain(chained);
    if (AtOperator("(")) {
      expression = Make(ExpressionKind::kCall, std::move(expression));
      ParseArguments(expression.get());
    } else if (AtOperator("[")) {
      expression = ParseSubscript(std::move(expression));
    } else if (SkipOperator(".")) {
      const bool by_index = Current().kind == TokenKind::kLiteral && Current().value.IsInteger();
      expression = Make(by_index ? ExpressionKind::kItem : ExpressionKind::kAttribute,
                        std::move(expression));
      if (by_index) {
        expression->parts.push_back(Make(ExpressionKind::kLiteral));
        expression->parts[1]->value = Take().value;
      } else {
        expression->name = ExpectName();
      }
    } else {
      return expression;
    }
  }
}

ExpressionPointer ExpressionParser::ParseSubscript(ExpressionPointer expression) {
  ExpressionPointer made = Make(ExpressionKind::kItem, std::move(expression));
  ExpectOperator("[");
  std::vector<ExpressionPointer> bounds(1);
  while (!SkipOperator("]")) {
    if (SkipOperator(":")) {
      if (bounds.size() == 3) Unexpected();
      bounds.push_back(nullptr);
    } else if (AtOperator(",") && bounds.back() != nullptr) {
      Unsupported("several subscripts in one pair of brackets", Current().line);
    } else if (bounds.back() == nullptr) {
      bounds.back() = ParseExpression();
    } else {
      Unexpected();
    }
  }
  if (bounds.size() == 1) {
    if (bounds[0] == nullptr) Broken("an empty subscript", Current().line);
  } else {
    made->kind = ExpressionKind::kSlice;
    bounds.resize(3);
  }
  for (ExpressionPointer& bound : bounds) made->parts.push_back(std::move(bound));
  return made;
}

void ExpressionParser::ParseArguments(Expression* call) {
  ExpectOperator("(");
  bool first = true;
  while (!SkipOperator(")")) {
    if (!first) {
      ExpectOperator(",");
      if (SkipOperator(")")) break;
    }
    first = false;
    if (AtOperator("*") || AtOperator("**")) {
      Unsupported("arguments with * or **", Current().line);
    }
    const bool named = Current().kind == TokenKind::kName &&
                       tokens_[position_ + 1].kind == TokenKind::kOperator &&
                       tokens_[position_ + 1].text == "=";
    if (named) {
      call->argument_names.push_back(Take().text);
      Take();
    } else if (!call->argument_names.empty()) {
      Broken("an argument without a name after one with a name", Current().line);
    }
    call->arguments.push_back(ParseExpression());
  }
}

ExpressionPointer ExpressionParser::ParseFilters(ExpressionPointer expression) {
  for (int chained = 0;; ++chained) {
    CheckChain(chained);
    if (SkipOperator("|")) {
      expression = Make(ExpressionKind::kFilter, std::move(expression));
      expression->name = ExpectName();
      if (AtOperator("(")) ParseArguments(expression.get());
    } else if (AtName("is")) {
      expression = ParseTest(std::move(expression));
    } else if (AtOperator("(")) {
      expression = Make(ExpressionKind::kCall, std::move(expression));
      ParseArguments(expression.get());
    } else {
      return expression;
    }
  }
}

ExpressionPointer ExpressionParser::ParseTest(ExpressionPointer expression) {
  Take();
  const bool negated = SkipName("not");
  ExpressionPointer made = Make(ExpressionKind::kTest, std::move(expression));
  made->name = ExpectName();
  const Token& next = Current();
  if (AtOperator("(")) {
    ParseArguments(made.get());
  } else if (next.kind == TokenKind::kLiteral || AtOperator("[") || AtOperator("{") ||
             (next.kind == TokenKind::kName && next.text != "else" && next.text != "or" &&
              next.text != "and")) {
    if (AtName("is")) Broken("tests can't be chained with 'is'", next.line);
    made->arguments.push_back(ParsePostfix(ParsePrimary()));
  }
  return negated ? Make(ExpressionKind::kNot, std::move(made)) : std::move(made);
}

}  // namespace tpo::jinja
