// The tabular bandits (paper.md §4): a policy that is a table of logits, improved by steps of a
// fixed length along each method's direction. Arm 0 is the right one, eta is 1 throughout.
//
// Single context: the direction is estimated from sampled arms. Multi-context: many small bandits
// share one step length; the directions are the exact expectations.
//
// Double precision. Random numbers are pure functions of the seed (core/counter_random.h), and all
// methods of a seed see the same ones. Thread-safe: pure functions.
#ifndef TPO_BENCH_PAPER_BANDITS_TABULAR_H_
#define TPO_BENCH_PAPER_BANDITS_TABULAR_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "bench/paper/bandits/method.h"

namespace tpo {

struct SingleContextSettings {
  int arms = 100;
  int samples = 100;  // arms drawn for a step
  int steps = 150;
  double step_length = 0.1;
};

struct MultiContextSettings {
  int contexts = 100;
  int arms = 10;
  int steps = 1000;
  double step_length = 0.1;
};

// What happened, step by step.
struct BanditCurves {
  // 1 - (mean) probability of the right arm: single context before the step, multi-context after.
  std::vector<double> error;
  // 1 - cosine of the method's direction and the oracle's: in the single context the exact policy
  // gradient π_0 (e_0 - π), in the multi-context study the cross-entropy direction.
  std::vector<double> misalignment;
};

// The direction of a step from how often each arm was drawn. REQUIRES: a method of the study.
void SingleContextDirection(BanditMethod method, absl::Span<const double> policy,
                            absl::Span<const int> draws, absl::Span<double> direction);

BanditCurves RunSingleContext(BanditMethod method, const SingleContextSettings& settings,
                              uint64_t seed);

// Standard normal numbers, [contexts, arms].
std::vector<double> MultiContextLogits(const MultiContextSettings& settings, uint64_t seed);

// REQUIRES: `logits` is [contexts, arms]; a method of the study.
BanditCurves RunMultiContext(BanditMethod method, const MultiContextSettings& settings,
                             absl::Span<const double> logits);

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_TABULAR_H_
