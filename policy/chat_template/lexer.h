// Cuts a template into text and the tokens of its tags, with the white space control of Jinja's
// trim_blocks and lstrip_blocks, which chat templates are written for. Pure and thread-safe.
#ifndef TPO_POLICY_CHAT_TEMPLATE_LEXER_H_
#define TPO_POLICY_CHAT_TEMPLATE_LEXER_H_

#include <string>
#include <string_view>
#include <vector>

#include "policy/chat_template/value.h"

namespace tpo::jinja {

enum class TokenKind {
  kText,           // between tags; `text` is it
  kBlockBegin,     // {%
  kBlockEnd,       // %}
  kVariableBegin,  // {{
  kVariableEnd,    // }}
  kName,           // keywords too
  kLiteral,        // a string or a number: `value`
  kOperator,       // + == [ and so on
  kEnd             // of the template
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  Value value;
  int line = 0;
};

// Ends with a kEnd. Throws TemplateError.
std::vector<Token> Tokenize(std::string_view source);

}  // namespace tpo::jinja

#endif  // TPO_POLICY_CHAT_TEMPLATE_LEXER_H_
