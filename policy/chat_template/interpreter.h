// Runs a parsed template. One run each; not thread-safe.
#ifndef TPO_POLICY_CHAT_TEMPLATE_INTERPRETER_H_
#define TPO_POLICY_CHAT_TEMPLATE_INTERPRETER_H_

#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "policy/chat_template/syntax.h"
#include "policy/chat_template/value.h"

namespace tpo::jinja {

class Interpreter {
 public:
  // What a run may cost before it is given up, in evaluated expressions and stretches of text.
  static constexpr int64_t kMaxSteps = 3'000'000;

  // What strftime_now shows.
  Interpreter(absl::Time now, absl::TimeZone time_zone);

  // `variables` are what the template sees beside the built-in functions. Throws TemplateError.
  std::string Run(const Block& block, const std::map<std::string, Value>& variables);

  // For built-in functions.
  std::tm now() const { return absl::ToTM(now_, time_zone_); }
  void Spend(size_t steps) { budget_.Spend(steps); }
  Budget& budget() { return budget_; }
  Value Call(const Value& function, const Arguments& arguments);

 private:
  struct Scope;
  using ScopePointer = std::shared_ptr<Scope>;
  enum class Flow { kNext, kBreak, kContinue };
  class Depth;

  Flow RunBlock(const Block& block);
  Flow RunStatement(const Statement& statement);
  Flow RunUnchecked(const Statement& statement);
  Flow RunIf(const Statement& statement);
  Flow RunFor(const Statement& statement);
  void RunSet(const Statement& statement);
  void DefineMacro(const Statement& statement);
  Value CallMacro(const Statement& macro, const ScopePointer& definition_scope,
                  const Arguments& arguments);
  std::string Captured(const Block& block);
  void Append(const std::string& text);
  void Assign(const Statement& statement, const Value& value);
  std::vector<Value> SelectItems(const Statement& statement);

  Value Evaluate(const Expression& expression);
  Value EvaluateUnchecked(const Expression& expression);
  Value Lookup(const Expression& name);
  Value EvaluateParts(const Expression& expression);
  Value EvaluateDict(const Expression& expression);
  Value EvaluateSlice(const Expression& expression);
  Value EvaluateBinary(const Expression& expression);
  Value EvaluateComparison(const Expression& expression);
  Value EvaluateLogical(const Expression& expression);
  Value EvaluateSign(const Expression& expression);
  Arguments EvaluateArguments(const Expression& expression);

  const absl::Time now_;
  const absl::TimeZone time_zone_;
  ScopePointer globals_;
  ScopePointer scope_;
  std::string* out_ = nullptr;
  Budget budget_{kMaxSteps};
  int depth_ = 0;
};

}  // namespace tpo::jinja

#endif  // TPO_POLICY_CHAT_TEMPLATE_INTERPRETER_H_
