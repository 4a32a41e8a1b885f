// Numbers of common distributions as pure functions of a key (core/counter_random.h). Thread-safe.
#ifndef TPO_BENCH_PAPER_BANDITS_RANDOM_DRAWS_H_
#define TPO_BENCH_PAPER_BANDITS_RANDOM_DRAWS_H_

#include <cstdint>

#include "absl/types/span.h"

namespace tpo {

// Standard normal (Box–Muller): the index-th number of a table drawn under `seed`.
double NormalAt(uint64_t seed, uint64_t table, uint32_t index);

// The same, truncated to [-2, 2] by drawing again.
double TruncatedNormalAt(uint64_t seed, uint64_t table, uint32_t index);

// The arm whose share of [0, 1) holds `uniform`; `cumulative` are running sums of the
// probabilities. Rounding at the end can't pick an arm that isn't there.
int ArmAt(absl::Span<const double> cumulative, double uniform);

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_RANDOM_DRAWS_H_
