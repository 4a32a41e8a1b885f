#include <array>
#include <utility>

#include "verifier/math/parser_internal.h"

namespace tpo::math {

// \frac{d}{dx}, \frac{dy}{dx}: read as a quotient it would be wrong.
bool Parser::DerivativeAhead() const {
  if (!Is("{") || Ahead(1).text != "d") return false;
  size_t at = 2;
  while (at < 4 && Ahead(at).text != "}") ++at;
  return Ahead(at).text == "}" && Ahead(at + 1).text == "{" && Ahead(at + 2).text == "d" &&
         Ahead(at + 3).kind == TokenKind::kLetter && Ahead(at + 4).text == "}";
}

NodePtr Parser::ParseFraction(const std::string& name) {
  if (DerivativeAhead()) return Fail("no derivative");
  NodePtr upper;
  NodePtr lower;
  const MathToken& token = Now();
  if (token.kind == TokenKind::kNumber && token.text.size() == 2) {
    // \frac12: digits are arguments one by one.
    upper = Number(IntegerOf(token.text.substr(0, 1)));
    lower = Number(IntegerOf(token.text.substr(1)));
    ++at_;
  } else {
    upper = ParseArgument();
    if (upper == nullptr) return nullptr;
    lower = ParseArgument();
    if (lower == nullptr) return nullptr;
  }
  if (name == "frac") return Divide(upper, lower, budget_);
  return Function("binomial", {upper, lower}, budget_);
}

NodePtr Parser::ParseRoot() {
  NodePtr index = Number(2);
  if (Accept("[")) {
    index = ParseSum();
    if (index == nullptr || !Expect("]")) return nullptr;
  }
  // \sqrt23 is \sqrt{2}3, but in plain text sqrt 23 is what is meant.
  const NodePtr radicand = ParseArgument();
  if (radicand == nullptr) return nullptr;
  return Power(radicand, Divide(Number(1), index, budget_), budget_);
}

NodePtr Parser::ParseBoxed() {
  if (!Is("{")) return Fail("{");
  return ParseOperand();
}

NodePtr Parser::ParseRounding(std::string_view name, std::string_view close) {
  const NodePtr inner = ParseSum();
  if (inner == nullptr) return nullptr;
  if (!IsCommand(close)) return Fail(close);
  ++at_;
  return Function(std::string(name), {inner}, budget_);
}

// The arguments of a function: in brackets, or the product up to the next function.
NodePtr Parser::ParseArguments(const std::string& name, std::vector<NodePtr>& arguments) {
  if (Is("(") || Is("{") || Is("[")) {
    const std::string_view close = Is("(") ? ")" : Is("{") ? "}" : "]";
    ++at_;
    const int outer = std::exchange(absolute_, 0);
    Separated content;
    if (!ParseSeparated(content, Expand::kNo) || !Expect(close)) return nullptr;
    absolute_ = outer;
    arguments = content.Flat();
  } else {
    arguments = {ParseProduct(Reach::kArgument)};
  }
  return Function(name, arguments, budget_);
}

NodePtr Parser::ParseFunction(const std::string& name) {
  NodePtr power;
  if (Accept("^")) {
    bool degree = false;
    if (!ParseScript(power, degree) || degree) return Fail("a power");
  }
  const bool inverse = power != nullptr && IsInteger(power) && power->value == -1;
  static constexpr std::array<std::string_view, 9> kInvertible = {
      "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh"};
  std::string meant = name;
  if (inverse && IsOneOf(name, kInvertible)) {
    meant = "a" + name;
    power = nullptr;
  }
  std::vector<NodePtr> arguments;
  NodePtr call = ParseArguments(meant, arguments);
  if (call == nullptr) return nullptr;
  const bool several = name == "gcd" || name == "lcm" || name == "max" || name == "min";
  if (!several && arguments.size() != 1) return Fail("one argument");
  if (name == "exp") call = Power(Named(Kind::kConstant, "e"), arguments.front(), budget_);
  return power == nullptr ? call : Power(call, power, budget_);
}

NodePtr Parser::ParseLogarithm(const std::string& name) {
  NodePtr base = name == "ln" ? Named(Kind::kConstant, "e") : Number(10);
  NodePtr power;
  bool degree = false;
  for (int script = 0; script < 2; ++script) {
    if (Accept("_")) {
      // \log_28 is log of 8 to the base 2.
      if (Now().kind == TokenKind::kNumber && Now().text.size() == 2 && !Ahead(1).space_before &&
          !Is("(")) {
        const std::string digits = Now().text;
        if (!(Ahead(1).kind == TokenKind::kSymbol &&
              (Ahead(1).text == "(" || Ahead(1).text == "{")) &&
            Ahead(1).kind != TokenKind::kLetter && Ahead(1).kind != TokenKind::kNumber) {
          ++at_;
          return Function(
              "log", {Number(IntegerOf(digits.substr(1))), Number(IntegerOf(digits.substr(0, 1)))},
              budget_);
        }
      }
      base = ParseArgument();
      if (base == nullptr) return nullptr;
    } else if (Accept("^")) {
      if (!ParseScript(power, degree) || degree) return Fail("a power");
    }
  }
  std::vector<NodePtr> arguments;
  if (ParseArguments("log", arguments) == nullptr) return nullptr;
  if (arguments.size() != 1) return Fail("one argument");
  const NodePtr call = Function("log", {arguments.front(), base}, budget_);
  return power == nullptr ? call : Power(call, power, budget_);
}

// \sum_{k=1}^{n} body becomes sum(k, 1, n, body).
NodePtr Parser::ParseSummation(const std::string& name) {
  NodePtr from;
  NodePtr to;
  bool degree = false;
  for (int script = 0; script < 2; ++script) {
    if (Accept("_")) {
      from = ParseArgument();
      if (from == nullptr) return nullptr;
    } else if (Accept("^")) {
      if (!ParseScript(to, degree) || degree) return Fail("an upper bound");
    }
  }
  const bool ranged = from != nullptr && to != nullptr && from->kind == Kind::kRelation &&
                      from->children.size() == 2 && from->relations.front() == Relation::kEqual;
  if (!ranged) return Fail("bounds");
  NodePtr index = from->children[0];
  const bool index_i = index->kind == Kind::kConstant && index->name == "i";
  if (index_i) index = Named(Kind::kSymbol, "i");
  if (index->kind != Kind::kSymbol) return Fail("an index");
  const bool outer = std::exchange(i_is_index_, i_is_index_ || index_i);
  const NodePtr body = ParseProduct(Reach::kAll);
  i_is_index_ = outer;
  if (body == nullptr) return nullptr;
  return Function(name, {index, from->children[1], to, body}, budget_);
}

}  // namespace tpo::math
