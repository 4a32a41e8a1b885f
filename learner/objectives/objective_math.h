// Arithmetic that several objectives share (paper.md §1-2): double precision, no tensors, no state.
//
// All functions are pure and thread-safe. Epsilons and thresholds are the reference's: 1e-6
// switches standardization off, 1e-8 is added to a deviation in GRPO only.
#ifndef TPO_LEARNER_OBJECTIVES_OBJECTIVE_MATH_H_
#define TPO_LEARNER_OBJECTIVES_OBJECTIVE_MATH_H_

#include <vector>

#include "absl/types/span.h"
#include "core/run_spec.h"
#include "learner/objectives/objective.h"

namespace tpo {

// A group whose population deviation is not above this counts as having no variance.
inline constexpr double kMinDeviation = 1e-6;

struct Moments {
  double mean = 0.0;
  double deviation = 0.0;  // population
  bool all_equal = true;   // then the mean is exactly the common value and the deviation exactly 0
};

// REQUIRES: at least one value.
Moments PopulationMoments(absl::Span<const double> values);

// u of the paper: (scores - mean) / deviation, or only centred where the deviation is at most
// kMinDeviation; exactly 0 when all scores are equal. `options` change the deviation.
// REQUIRES: `standardized` has the size of `scores`; they may be the same memory.
void StandardizeScores(absl::Span<const double> scores, absl::Span<double> standardized,
                       const ScoreStandardization& options = {});

// x - log Σ exp x, in place, stable for any finite x. Equal inputs give bitwise equal outputs.
void LogSoftmaxInPlace(absl::Span<double> values);

// -Σ exp(x) x of log-probs x.
double EntropyOfLogProbs(absl::Span<const double> log_probs);

// Entropy of softmax(logits). `scratch` is overwritten.
double SoftmaxEntropy(absl::Span<const double> logits, std::vector<double>& scratch);

// score - mean of its column over the valid rows; 0 where not valid. [rows, columns]
std::vector<double> BatchMeanAdvantages(const ObjectiveInput& input);

// Of the columns with a valid entry, the share whose valid scores are all equal.
double ZeroVarianceColumnFraction(const ObjectiveInput& input);

// min(ratio · advantage, clip(ratio, 1 - epsilon, 1 + epsilon) · advantage).
struct ClippedSurrogate {
  double value = 0.0;
  double slope = 0.0;      // d value / d log ratio
  bool held_back = false;  // the clipped branch is the smaller one, so the slope is 0
};

// An advantage of 0 gives 0 even where the ratio overflows.
ClippedSurrogate ClipSurrogate(double log_ratio, double advantage, double clip_epsilon);

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_OBJECTIVE_MATH_H_
