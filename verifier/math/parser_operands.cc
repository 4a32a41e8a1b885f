#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "verifier/math/parser_internal.h"

namespace tpo::math {
namespace {

constexpr std::array<std::string_view, 26> kFunctions = {
    "sin",   "cos",  "tan",  "cot",  "sec",  "csc",  "asin",  "acos",  "atan",
    "acot",  "asec", "acsc", "sinh", "cosh", "tanh", "coth",  "asinh", "acosh",
    "atanh", "exp",  "gcd",  "lcm",  "max",  "min",  "floor", "ceil"};

constexpr std::array<std::string_view, 41> kVariables = {
    "alpha",    "beta",  "gamma", "delta",    "epsilon", "varepsilon", "zeta",  "eta",     "theta",
    "vartheta", "iota",  "kappa", "lambda",   "mu",      "nu",         "xi",    "omicron", "rho",
    "varrho",   "sigma", "tau",   "upsilon",  "phi",     "varphi",     "chi",   "psi",     "omega",
    "Gamma",    "Delta", "Theta", "Lambda",   "Xi",      "Pi",         "Sigma", "Phi",     "Psi",
    "Omega",    "ell",   "angle", "triangle", "hbar"};

constexpr std::array<std::string_view, 6> kAccents = {"overline", "vec",       "hat",
                                                      "tilde",    "underline", "dot"};

// Commands that can begin an operand.
bool BeginsOperand(std::string_view name) {
  static constexpr std::array<std::string_view, 16> kOthers = {
      "frac", "binom",    "boxed",  "sqrt",  "pi",  "infty", "log", "ln",
      "lg",   "emptyset", "lfloor", "lceil", "sum", "prod",  "i",   "setR"};
  return IsOneOf(name, kOthers) || IsOneOf(name, kFunctions) || IsOneOf(name, kVariables) ||
         IsOneOf(name, kAccents);
}

// \ln 2 \cos x: a function, but also a sum sign, ends the argument of the function before.
bool EndsArgument(std::string_view name) {
  return IsOneOf(name, kFunctions) || name == "log" || name == "ln" || name == "lg" ||
         name == "sum" || name == "prod";
}

mpq_class PowerOfTen(int exponent) {
  mpz_class power;
  mpz_ui_pow_ui(power.get_mpz_t(), 10, static_cast<unsigned long>(std::abs(exponent)));
  return exponent >= 0 ? mpq_class(power) : mpq_class(1) / mpq_class(power);
}

}  // namespace

bool Parser::OperandAhead(Reach reach) const {
  const MathToken& token = Now();
  switch (token.kind) {
    case TokenKind::kNumber:
    case TokenKind::kLetter:
    case TokenKind::kText:
    case TokenKind::kEnvironment:
      return true;
    case TokenKind::kCommand:
      if (reach == Reach::kArgument && EndsArgument(token.text)) return false;
      return BeginsOperand(token.text);
    case TokenKind::kSymbol:
      if (token.text == "|") return absolute_ == 0;
      return token.text == "(" || token.text == "[" || token.text == "{" || token.text == "\\{";
    default:
      return false;
  }
}

NodePtr Parser::ParseOperand() {
  if (!Enter()) return nullptr;
  NodePtr operand;
  switch (Now().kind) {
    case TokenKind::kNumber:
      operand = ParseNumber();
      break;
    case TokenKind::kLetter:
      operand = ParseLetter();
      break;
    case TokenKind::kText:
      operand = ParseText();
      break;
    case TokenKind::kCommand:
      operand = ParseCommand();
      break;
    case TokenKind::kEnvironment:
      operand = ParseMatrix();
      break;
    case TokenKind::kSymbol:
      operand = ParseSymbolOperand();
      break;
    default:
      operand = Fail("an operand");
  }
  Leave();
  return operand;
}

NodePtr Parser::ParseSymbolOperand() {
  if (Is("(") || Is("[")) return ParseBracket(Now().text);
  if (Is("\\{")) return ParseSet();
  if (Is("|")) return ParseAbsolute();
  if (!Accept("{")) return Fail("an operand");
  const int outer = std::exchange(absolute_, 0);
  Separated content;
  if (!ParseSeparated(content, Expand::kNo) || !Expect("}")) return nullptr;
  absolute_ = outer;
  std::vector<NodePtr> elements = content.Flat();
  return elements.size() == 1 ? elements.front() : Compound(Kind::kList, elements, budget_);
}

NodePtr Parser::ParseNumber() {
  const std::string& text = Now().text;
  const size_t mark = text.find_first_of("eE");
  std::string digits = text.substr(0, mark);
  int exponent = 0;
  const int largest = static_cast<int>(budget_.limits().max_number_bits / 4);
  if (mark != std::string::npos &&
      (!absl::SimpleAtoi(text.substr(mark + 1), &exponent) || std::abs(exponent) > largest)) {
    budget_.Exhaust("a number is too large");
    return nullptr;
  }
  const size_t point = digits.find('.');
  const bool decimal = point != std::string::npos;
  if (decimal) {
    exponent -= static_cast<int>(digits.size() - point - 1);
    digits.erase(point, 1);
  }
  if (4 * digits.size() > budget_.limits().max_number_bits) {
    budget_.Exhaust("a number is too large");
    return nullptr;
  }
  if (!budget_.Spend(
          static_cast<int64_t>(digits.size() + static_cast<size_t>(std::abs(exponent))))) {
    return nullptr;
  }
  ++at_;
  // Bars over the last digits: 0.1\overline{6}
  if (decimal && IsCommand("overline") && mark == std::string::npos) {
    const size_t after = at_ + 1;
    const bool braced = after + 2 < tokens_.size() && tokens_[after].text == "{" &&
                        tokens_[after + 1].kind == TokenKind::kNumber &&
                        tokens_[after + 2].text == "}";
    if (braced) {
      const std::string& period = tokens_[after + 1].text;
      if (period.find_first_not_of("0123456789") == std::string::npos && period.size() < 100) {
        at_ += 4;
        const mpq_class ones = PowerOfTen(static_cast<int>(period.size())) - 1;
        return Number((IntegerOf(digits) + IntegerOf(period) / ones) * PowerOfTen(exponent));
      }
    }
  }
  return Number(IntegerOf(digits) * PowerOfTen(exponent), decimal);
}

NodePtr Parser::ParseLetter() {
  std::string name = Now().text;
  ++at_;
  if (!WithSubscript(name)) return nullptr;
  if (name == "e") return Named(Kind::kConstant, "e");
  if (name == "i" && !i_is_index_) return Named(Kind::kConstant, "i");
  return Named(Kind::kSymbol, absl::AsciiStrToLower(name));
}

// Only what is said counts: \text{(B)} is \text{b}.
NodePtr Parser::ParseText() {
  std::string name;
  for (const char c : Now().text) {
    if (!absl::ascii_isspace(c) && c != '(' && c != ')') name += absl::ascii_tolower(c);
  }
  if (!name.empty() && name.back() == '.') name.pop_back();
  ++at_;
  if (name == "i" || name == "e") return Named(Kind::kConstant, name);
  if (!WithSubscript(name)) return nullptr;
  return Named(Kind::kSymbol, name);
}

bool Parser::WithSubscript(std::string& name) {
  if (!Accept("_")) return true;
  const std::string subscript = ParseName();
  if (subscript.empty()) {
    Fail("a subscript");
    return false;
  }
  name += "_" + subscript;
  return true;
}

std::string Parser::ParseName() {
  std::string name;
  int open = 0;
  do {
    if (at_ >= tokens_.size()) return {};
    if (Is("{")) {
      ++open;
    } else if (Is("}")) {
      --open;
    } else {
      name += absl::AsciiStrToLower(Now().text);
    }
    ++at_;
  } while (open > 0);
  return name;
}

NodePtr Parser::ParseBracket(std::string_view open) {
  const std::string opening(open);
  ++at_;
  const int outer = std::exchange(absolute_, 0);
  Separated content;
  if (!ParseSeparated(content, Expand::kNo)) return nullptr;
  absolute_ = outer;
  if (!Is(")") && !Is("]")) return Fail("a closing bracket");
  const std::string closing = Now().text;
  ++at_;
  return BracketMeaning(opening, closing, content);
}

NodePtr Parser::BracketMeaning(std::string_view open, std::string_view close,
                               const Separated& content) {
  std::vector<NodePtr> elements = content.Flat();
  if (elements.size() == 1) {
    if ((open == "(") == (close == ")")) return elements.front();
    return Fail("a second end of the interval");
  }
  if (elements.size() == 2) {
    Node interval;
    interval.kind = Kind::kInterval;
    interval.children = std::move(elements);
    interval.left_open = open == "(";
    interval.right_open = close == ")";
    return MakeNode(std::move(interval), budget_);
  }
  if ((open == "(") != (close == ")")) return Fail("brackets of one kind");
  return Compound(Kind::kTuple, std::move(elements), budget_);
}

NodePtr Parser::ParseSet() {
  ++at_;
  if (Accept("\\}")) return Named(Kind::kNamedSet, "empty");
  const int outer = std::exchange(absolute_, 0);
  Separated content;
  if (!ParseSeparated(content, Expand::kYes) || !Expect("\\}")) return nullptr;
  absolute_ = outer;
  return Compound(Kind::kSet, content.Flat(), budget_);
}

NodePtr Parser::ParseAbsolute() {
  ++at_;
  ++absolute_;
  const NodePtr inner = ParseSum();
  --absolute_;
  if (inner == nullptr || !Expect("|")) return nullptr;
  return Function("abs", {inner}, budget_);
}

NodePtr Parser::ParseArgument() {
  if (!Enter()) return nullptr;
  NodePtr argument;
  if (Now().kind == TokenKind::kSymbol && !Is("{") && !Is("|") && !Is("\\{") && !Is("(")) {
    argument = Fail("an argument");
  } else {
    argument = ParseOperand();
  }
  Leave();
  return argument;
}

NodePtr Parser::ParseCommand() {
  const std::string name = Now().text;
  ++at_;
  if (name == "pi") return Named(Kind::kConstant, "pi");
  if (name == "infty") return Named(Kind::kConstant, "infinity");
  if (name == "i") return Named(Kind::kConstant, "i");
  if (name == "emptyset") return Named(Kind::kNamedSet, "empty");
  if (name == "setminus") return Fail("an operand");
  if (name.size() == 4 && name.substr(0, 3) == "set") {
    static constexpr std::string_view kSets = "NZQRC";
    if (kSets.find(name[3]) == std::string_view::npos) return Fail("a known set");
    return Named(Kind::kNamedSet, name.substr(3));
  }
  if (name == "frac" || name == "binom") return ParseFraction(name);
  if (name == "sqrt") return ParseRoot();
  if (name == "boxed") return ParseBoxed();
  if (name == "lfloor") return ParseRounding("floor", "rfloor");
  if (name == "lceil") return ParseRounding("ceil", "rceil");
  if (name == "log" || name == "ln" || name == "lg") return ParseLogarithm(name);
  if (name == "sum" || name == "prod") return ParseSummation(name);
  if (IsOneOf(name, kFunctions)) return ParseFunction(name);
  if (IsOneOf(name, kAccents)) {
    std::string symbol = name + "{" + ParseName() + "}";
    if (!WithSubscript(symbol)) return nullptr;
    return Named(Kind::kSymbol, symbol);
  }
  if (IsOneOf(name, kVariables)) {
    std::string symbol = absl::AsciiStrToLower(name);
    if (!WithSubscript(symbol)) return nullptr;
    return Named(Kind::kSymbol, symbol);
  }
  --at_;
  return Fail("a known command");
}

NodePtr Parser::ParseMatrix() {
  static constexpr std::array<std::string_view, 6> kMatrices = {"matrix",  "pmatrix",     "bmatrix",
                                                                "Bmatrix", "smallmatrix", "array"};
  const std::string environment = Now().text;
  if (!IsOneOf(environment, kMatrices)) return Fail("a matrix");
  ++at_;
  const int outer = std::exchange(absolute_, 0);
  Node matrix;
  matrix.kind = Kind::kMatrix;
  int columns = 0;
  while (Now().kind != TokenKind::kEnd) {
    matrix.children.push_back(ParseSum());
    if (matrix.children.back() == nullptr) return nullptr;
    ++columns;
    if (Accept("&")) continue;
    if (matrix.columns != 0 && columns != matrix.columns) return Fail("rows of one length");
    matrix.columns = std::exchange(columns, 0);
    ++matrix.rows;
    if (Now().kind == TokenKind::kRow) {
      ++at_;
    } else if (Now().kind != TokenKind::kEnd) {
      return Fail("\\end");
    }
  }
  if (Now().text != environment || matrix.rows == 0) return Fail("\\end{" + environment + "}");
  ++at_;
  absolute_ = outer;
  return MakeNode(std::move(matrix), budget_);
}

}  // namespace tpo::math
