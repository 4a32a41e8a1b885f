// Bounds what hedging adds to a verifier's load, so that a verifier that is slow because it has too
// much to do doesn't get more: never more than 1 + fraction · attempts hedges, and after a quiet
// time at most kMostSaved at once.
//
// Not thread-safe.
#ifndef TPO_VERIFIER_ROUTING_HEDGE_BUDGET_H_
#define TPO_VERIFIER_ROUTING_HEDGE_BUDGET_H_

#include <algorithm>

namespace tpo {

class HedgeBudget {
 public:
  static constexpr double kMostSaved = 10.0;

  // A fraction of 0: no hedges.
  explicit HedgeBudget(double fraction) : fraction_(fraction), saved_(fraction > 0.0 ? 1.0 : 0.0) {}

  // An attempt that isn't a hedge began.
  void OnAttempt() { saved_ = std::min(saved_ + fraction_, kMostSaved); }

  // Pays for a hedge; false when there is too little left.
  bool TryTake() {
    if (saved_ < 1.0) return false;
    saved_ -= 1.0;
    return true;
  }

 private:
  const double fraction_;
  double saved_;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_HEDGE_BUDGET_H_
