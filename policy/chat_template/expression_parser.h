// Parses the expressions of tags, with Jinja's precedences. For parser.cc.
#ifndef TPO_POLICY_CHAT_TEMPLATE_EXPRESSION_PARSER_H_
#define TPO_POLICY_CHAT_TEMPLATE_EXPRESSION_PARSER_H_

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "policy/chat_template/lexer.h"
#include "policy/chat_template/syntax.h"

namespace tpo::jinja {

// A cursor over tokens.
class ExpressionParser {
 public:
  // `tokens` has to outlive it.
  explicit ExpressionParser(const std::vector<Token>* tokens) : tokens_(*tokens) {}

  const Token& Current() const { return tokens_[position_]; }
  const Token& Take() { return tokens_[position_++]; }
  bool AtName(std::string_view name) const {
    return Current().kind == TokenKind::kName && Current().text == name;
  }
  bool AtOperator(std::string_view text) const {
    return Current().kind == TokenKind::kOperator && Current().text == text;
  }
  bool SkipName(std::string_view name);
  bool SkipOperator(std::string_view text);
  void ExpectOperator(std::string_view text);
  void ExpectKind(TokenKind kind, std::string_view description);
  std::string ExpectName();

  // With `x if y else z` allowed or not.
  ExpressionPointer ParseExpression(bool with_conditional = true);
  // The same, or a tuple without parentheses.
  ExpressionPointer ParseExpressionOrTuple(bool with_conditional = true);

 private:
  class Nesting;

  ExpressionPointer ParseConditional();
  ExpressionPointer ParseOr();
  ExpressionPointer ParseAnd();
  ExpressionPointer ParseNot();
  ExpressionPointer ParseComparison();
  ExpressionPointer ParseSum();
  ExpressionPointer ParseConcatenation();
  ExpressionPointer ParseProduct();
  ExpressionPointer ParsePower();
  ExpressionPointer ParseUnary(bool with_filters);
  ExpressionPointer ParsePrimary();
  ExpressionPointer ParseParenthesized();
  ExpressionPointer ParseDict();
  ExpressionPointer ParsePostfix(ExpressionPointer expression);
  ExpressionPointer ParseSubscript(ExpressionPointer expression);
  ExpressionPointer ParseFilters(ExpressionPointer expression);
  ExpressionPointer ParseTest(ExpressionPointer expression);
  void ParseArguments(Expression* call);
  ExpressionPointer ParseBinary(std::initializer_list<std::string_view> operators,
                                ExpressionPointer (ExpressionParser::*next)());
  ExpressionPointer Make(ExpressionKind kind, ExpressionPointer part = nullptr) const;
  void CheckChain(int length) const;
  [[noreturn]] void Unexpected() const;

  const std::vector<Token>& tokens_;
  size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace tpo::jinja

#endif  // TPO_POLICY_CHAT_TEMPLATE_EXPRESSION_PARSER_H_
