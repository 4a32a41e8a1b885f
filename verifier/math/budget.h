// What judging one answer may cost. Every module of verifier/math spends from one Budget, so that
// no input, however hostile, takes long, nests deep or grows large.
//
// One thread, one judgement: a Budget is never shared. Once exhausted it stays so; whoever sees
// Spend() fail stops and returns, and the caller reads the reason.
#ifndef TPO_VERIFIER_MATH_BUDGET_H_
#define TPO_VERIFIER_MATH_BUDGET_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tpo::math {

struct Limits {
  size_t max_answer_bytes = 8 << 10;        // of one expression, reference or candidate answer
  size_t max_completion_bytes = 256 << 10;  // of a longer completion only the end is searched
  int64_t max_steps = 2'000'000;            // about: one operation on small operands each
  int max_depth = 100;                      // of nested expressions
  size_t max_number_bits = 1 << 16;         // of any numerator or denominator
  size_t max_terms = 2000;                  // of any polynomial
};

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits), steps_left_(limits.max_steps) {}

  // False, from then on for ever, when fewer than `steps` are left.
  bool Spend(int64_t steps = 1) {
    if (exhausted_) return false;
    steps_left_ -= steps;
    if (steps_left_ < 0) Exhaust("too many steps");
    return !exhausted_;
  }

  void Exhaust(std::string_view reason) {
    if (!exhausted_) reason_ = std::string(reason);
    exhausted_ = true;
  }

  // Forgets a limit that was hit, not the steps spent: another method may still succeed. The reason
  // stays.
  void Recover() { exhausted_ = steps_left_ < 0; }

  bool exhausted() const { return exhausted_; }
  const std::string& reason() const { return reason_; }
  const Limits& limits() const { return limits_; }
  int64_t steps_spent() const { return limits_.max_steps - steps_left_; }

 private:
  const Limits limits_;
  int64_t steps_left_;
  bool exhausted_ = false;
  std::string reason_;
};

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_BUDGET_H_
