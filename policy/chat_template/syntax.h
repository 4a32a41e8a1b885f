// What a template is parsed into. Plain data.
#ifndef TPO_POLICY_CHAT_TEMPLATE_SYNTAX_H_
#define TPO_POLICY_CHAT_TEMPLATE_SYNTAX_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "policy/chat_template/value.h"

namespace tpo::jinja {

struct Expression;
using ExpressionPointer = std::unique_ptr<Expression>;

enum class ExpressionKind {
  kLiteral,    // value
  kName,       // name
  kList,       // parts
  kTuple,      // parts
  kDict,       // parts: key, value, key, value, …
  kAttribute,  // parts[0].name
  kItem,       // parts[0][parts[1]]
  kSlice,      // parts[0][parts[1]:parts[2]:parts[3]]; null where left out
  kCall,       // parts[0](arguments)
  kFilter,     // parts[0]|name(arguments)
  kTest,       // parts[0] is name(arguments)
  kNot,        // parts[0], and so on
  kNegative,
  kPositive,
  kBinary,   // name is the operator: + - * / // % ** ~
  kCompare,  // parts[0] comparisons[0] parts[1] comparisons[1] …
  kAnd,
  kOr,
  kConditional  // parts[0] if parts[1] else parts[2]; null where there is no else
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kLiteral;
  int line = 0;
  std::string name;
  Value value;
  std::vector<ExpressionPointer> parts;
  // Arguments of a call; those at the end have names.
  std::vector<ExpressionPointer> arguments;
  std::vector<std::string> argument_names;
  std::vector<std::string> comparisons;
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

enum class StatementKind {
  kText,          // text
  kOutput,        // expression
  kIf,            // branches, otherwise
  kFor,           // targets in expression if condition: body, otherwise
  kSet,           // targets = expression, or = body through filters
  kSetAttribute,  // text.targets[0] = expression
  kMacro,         // text(targets, the last ones with defaults): body
  kScope,         // body (generation)
  kBreak,
  kContinue
};

struct Statement {
  StatementKind kind = StatementKind::kText;
  int line = 0;
  std::string text;
  ExpressionPointer expression;
  ExpressionPointer condition;
  std::vector<std::string> targets;
  // Is the value taken apart for the targets? Also where there is one, as in `for x, in y`.
  bool unpack = false;
  std::vector<ExpressionPointer> defaults;
  std::vector<std::pair<ExpressionPointer, Block>> branches;
  Block body;
  Block otherwise;
};

}  // namespace tpo::jinja

#endif  // TPO_POLICY_CHAT_TEMPLATE_SYNTAX_H_
