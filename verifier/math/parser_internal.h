// The parser's state and rules, split over parser.cc (what combines), parser_operands.cc (what is
// combined) and parser_functions.cc (commands with arguments). Every rule returns null after a
// failure.
#ifndef TPO_VERIFIER_MATH_PARSER_INTERNAL_H_
#define TPO_VERIFIER_MATH_PARSER_INTERNAL_H_

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "verifier/math/expression.h"
#include "verifier/math/lexer.h"

namespace tpo::math {

template <size_t N>
bool IsOneOf(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The value of a string of digits. Without the base, GMP would take leading zeros for octal; its
// constructor would throw where this gives 0.
inline mpq_class IntegerOf(const std::string& digits) {
  mpz_class value;
  if (mpz_set_str(value.get_mpz_t(), digits.c_str(), 10) != 0) return 0;
  return mpq_class(value);
}

class Parser {
 public:
  Parser(const std::vector<MathToken>& tokens, Budget& budget) : tokens_(tokens), budget_(budget) {}

  absl::StatusOr<NodePtr> Run();

 private:
  // How far a product without brackets reaches.
  enum class Reach { kAll, kArgument };

  // Whether an element with \pm becomes two here, or leaves that to the element around it.
  enum class Expand { kYes, kNo };

  struct Separated {
    std::vector<std::vector<NodePtr>> groups;  // by ';', each by ','
    std::vector<NodePtr> Flat() const;
  };

  // parser.cc
  bool ParseSeparated(Separated& separated, Expand expand);
  bool ParseElement(std::vector<NodePtr>& elements);
  NodePtr ParseRelation();
  bool RelationAhead(Relation& relation) const;
  NodePtr ParseUnion();
  NodePtr ParseIntersection();
  NodePtr ParseSum();
  NodePtr ParseProduct(Reach reach);
  bool ParseProductTail(Reach reach, std::vector<NodePtr>& factors);
  NodePtr ParseSigned(Reach reach);
  NodePtr ParseRun(Reach reach);
  NodePtr ParsePowers();
  bool ParseScript(NodePtr& exponent, bool& degree);

  // parser_operands.cc
  bool OperandAhead(Reach reach) const;
  NodePtr ParseOperand();
  NodePtr ParseSymbolOperand();
  NodePtr ParseNumber();
  NodePtr ParseLetter();
  NodePtr ParseText();
  NodePtr ParseBracket(std::string_view open);
  NodePtr BracketMeaning(std::string_view open, std::string_view close, const Separated& content);
  NodePtr ParseSet();
  NodePtr ParseAbsolute();
  NodePtr ParseCommand();
  NodePtr ParseFraction(const std::string& name);
  bool DerivativeAhead() const;
  NodePtr ParseRoot();
  NodePtr ParseBoxed();
  NodePtr ParseFunction(const std::string& name);
  NodePtr ParseArguments(const std::string& name, std::vector<NodePtr>& arguments);
  NodePtr ParseLogarithm(const std::string& name);
  NodePtr ParseSummation(const std::string& name);
  NodePtr ParseRounding(std::string_view name, std::string_view close);
  NodePtr ParseMatrix();
  // An argument of a command: a braced group, or one token (\frac12).
  NodePtr ParseArgument();
  // The spelling of a subscript or an accent's argument; advances behind it.
  std::string ParseName();
  bool WithSubscript(std::string& name);

  const MathToken& Now() const;
  const MathToken& Ahead(size_t by) const;
  bool Is(std::string_view symbol) const;
  bool IsCommand(std::string_view name) const;
  bool Accept(std::string_view symbol);
  bool Expect(std::string_view symbol);
  NodePtr Fail(std::string_view what);
  // Guards the recursion itself: trees alone don't bound it, "((((" builds none.
  bool Enter();
  void Leave() { --depth_; }

  const std::vector<MathToken>& tokens_;
  Budget& budget_;
  size_t at_ = 0;
  int depth_ = 0;
  int absolute_ = 0;  // open | in the innermost bracket
  // \pm: the element is read twice, once with each sign.
  bool plus_minus_seen_ = false;
  bool plus_minus_negative_ = false;
  bool i_is_index_ = false;  // of a sum, no imaginary unit
  std::string failure_;
};

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_PARSER_INTERNAL_H_
