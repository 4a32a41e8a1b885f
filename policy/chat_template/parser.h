// Parses a template. Pure and thread-safe.
#ifndef TPO_POLICY_CHAT_TEMPLATE_PARSER_H_
#define TPO_POLICY_CHAT_TEMPLATE_PARSER_H_

#include <string_view>

#include "policy/chat_template/syntax.h"

namespace tpo::jinja {

// Throws TemplateError with the line. Statements of Jinja that aren't supported are refused by
// name.
Block ParseTemplate(std::string_view source);

}  // namespace tpo::jinja

#endif  // TPO_POLICY_CHAT_TEMPLATE_PARSER_H_
