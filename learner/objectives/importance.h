// Importance weights, token by token, for the objectives that follow the policy's gradient (all but
// TPO): what a sample of the sampling policy counts for the learner's.
//
// With r = e^(l_prox - m) of one token, l_prox the learner's log-prob when it took the batch, m the
// recorded one, the weight is
//   truncate  min(r, cap)
//   mask      r where 1 / cap <= r <= cap, else 0
// and stays the same over the epochs of a batch. It multiplies the token's part of the gradient:
// d loss / d log-prob(token) = weight * coefficient of the entry that the token belongs to. Where
// an entry is a single token that is the gradient of the weighted loss; where it is a whole
// completion it is an estimate whose expectation is exact for completions of one token and an
// uncapped ratio.
//
// Pure and thread-safe.
#ifndef TPO_LEARNER_OBJECTIVES_IMPORTANCE_H_
#define TPO_LEARNER_OBJECTIVES_IMPORTANCE_H_

#include "core/run_spec.h"

namespace tpo {

struct ImportanceWeight {
  double weight = 1.0;
  bool clipped = false;  // truncated or masked
};

// The weight of one token; `log_ratio` is l_prox - m.
ImportanceWeight TokenImportance(const ImportanceSpec& spec, double log_ratio);

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_IMPORTANCE_H_
