#include "bench/paper/bandits/tabular.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "bench/paper/bandits/loops.h"
#include "bench/paper/bandits/random_draws.h"
#include "core/counter_random.h"
#include "learner/objectives/objective_math.h"
#include "learner/objectives/tpo.h"

namespace tpo {
namespace {

// Constants of the reference, which the curves depend on where probabilities vanish.
constexpr double kStepFloor = 1e-30;
constexpr double kCosineFloor = 1e-12;
constexpr double kProbabilityFloor = 1e-30;
constexpr double kTargetFloor = 1e-8;
constexpr double kVarianceFloor = 1e-8;
constexpr double kBaseline = 0.5;
constexpr double kEta = 1.0;

double Sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double Misalignment(double cross, double first, double second) {
  return 1.0 - cross / (std::sqrt(first + kCosineFloor) * std::sqrt(second + kCosineFloor));
}

// (p_0, p_1, …) of a table with one context.
void Softmax(absl::Span<const double> logits, absl::Span<double> policy) {
  std::copy(logits.begin(), logits.end(), policy.begin());
  LogSoftmaxInPlace(policy);
  for (double& value : policy) value = std::exp(value);
}

// Mean over the draws of weight(arm) · (e_arm - policy).
template <typename Weight>
void WeightedScores(absl::Span<const double> policy, absl::Span<const int> draws, Weight weight,
                    absl::Span<double> direction) {
  const double total = std::accumulate(draws.begin(), draws.end(), 0);
  double sum = 0.0;
  for (size_t arm = 0; arm < policy.size(); ++arm) {
    direction[arm] = draws[arm] == 0 ? 0.0 : draws[arm] * weight(arm) / total;
    sum += direction[arm];
  }
  for (size_t arm = 0; arm < policy.size(); ++arm) direction[arm] -= sum * policy[arm];
}

double Advantage(size_t arm) { return (arm == 0 ? 1.0 : 0.0) - kBaseline; }

// The objective's own target, for the anchor log(policy + 1e-8) and the mean scores of the arms.
void TargetDirection(absl::Span<const double> policy, absl::Span<const int> draws,
                     absl::Span<double> direction) {
  const size_t arms = policy.size();
  const double total = std::accumulate(draws.begin(), draws.end(), 0);
  std::vector<double> anchor(arms);
  std::vector<double> scores(arms);
  const std::vector<uint8_t> valid(arms, 1);
  for (size_t arm = 0; arm < arms; ++arm) {
    anchor[arm] = std::log(policy[arm] + kTargetFloor);
    scores[arm] = draws[arm] * Advantage(arm) / total;
  }
  const std::vector<double> target = TpoTargets({.rows = 1,
                                                 .columns = static_cast<int>(arms),
                                                 .log_probs = anchor,
                                                 .anchor_log_probs = anchor,
                                                 .scores = scores,
                                                 .valid = valid},
                                                kEta, TpoAnchor::kSnapshot);
  for (size_t arm = 0; arm < arms; ++arm) direction[arm] = target[arm] - policy[arm];
}

void DrawArms(absl::Span<const double> policy, uint64_t seed, int step, int samples,
              std::vector<double>& cumulative, std::vector<int>& draws) {
  cumulative.resize(policy.size());
  std::partial_sum(policy.begin(), policy.end(), cumulative.begin());
  draws.assign(policy.size(), 0);
  for (int sample = 0; sample < samples; ++sample) {
    const double uniform = UniformAt(seed, RandomStream::kCompletion, static_cast<uint64_t>(step),
                                     static_cast<uint32_t>(sample), 0);
    ++draws[ArmAt(cumulative, uniform)];
  }
}

// The weight of a context's direction v = e_0 - π, given the probability of its right arm.
double ContextWeight(BanditMethod method, double right) {
  switch (method) {
    case BanditMethod::kPg:
      return right;
    case BanditMethod::kDg:
      return right * Sigmoid(-std::log(right + kProbabilityFloor) / kEta);
    case BanditMethod::kGrpo:
      return std::sqrt(right / (1.0 - right + kVarianceFloor));
    default:
      return 1.0;
  }
}

// exp(u) per arm, u the standardized scores of a one-hot reward.
std::vector<double> OneHotFactors(int arms) {
  std::vector<double> factors(static_cast<size_t>(arms), 0.0);
  factors[0] = 1.0;
  StandardizeScores(factors, absl::MakeSpan(factors));
  for (double& factor : factors) factor = std::exp(factor / kEta);
  return factors;
}

// The logits and policies of all contexts, arm by arm.
class MultiContextTable {
 public:
  MultiContextTable(const MultiContextSettings& settings, absl::Span<const double> logits)
      : contexts_(settings.contexts),
        arms_(settings.arms),
        factors_(OneHotFactors(settings.arms)),
        logits_(logits.size()),
        policy_(logits.size()),
        direction_(logits.size()),
        weights_(static_cast<size_t>(contexts_)),
        scratch_(2 * weights_.size()) {
    for (int64_t n = 0; n < contexts_; ++n) {
      for (int64_t arm = 0; arm < arms_; ++arm) {
        logits_[arm * contexts_ + n] = logits[n * arms_ + arm];
      }
    }
    UpdatePolicy();
  }

  // One update; returns the misalignment of its direction.
  double Step(BanditMethod method, double length) {
    FindDirection(method);
    std::array<double, 3> products{};
    loops_.products(policy_.data(), direction_.data(), arms_, contexts_, products.data());
    const auto [cross, own, oracle] = products;
    loops_.add_scaled(direction_.data(), static_cast<int64_t>(logits_.size()),
                      length / std::sqrt(own + kStepFloor), logits_.data());
    UpdatePolicy();
    return Misalignment(cross, own, oracle);
  }

  double Error() const {
    return 1.0 - std::accumulate(policy_.begin(), policy_.begin() + contexts_, 0.0) /
                     static_cast<double>(contexts_);
  }

 private:
  void UpdatePolicy() {
    loops_.softmax(logits_.data(), arms_, contexts_, scratch_.data(), policy_.data());
  }

  void FindDirection(BanditMethod method) {
    if (method == BanditMethod::kTpo) {
      loops_.target_direction(policy_.data(), factors_.data(), arms_, contexts_, scratch_.data(),
                              direction_.data());
      return;
    }
    for (size_t n = 0; n < weights_.size(); ++n) weights_[n] = ContextWeight(method, policy_[n]);
    loops_.weighted_direction(policy_.data(), weights_.data(), arms_, contexts_, direction_.data());
  }

  const TableLoops& loops_ = BestTableLoops();
  const int64_t contexts_;
  const int64_t arms_;
  const std::vector<double> factors_;
  std::vector<double> logits_;     // [arms, contexts]
  std::vector<double> policy_;     // [arms, contexts]
  std::vector<double> direction_;  // [arms, contexts]
  std::vector<double> weights_;
  std::vector<double> scratch_;
};

}  // namespace

void SingleContextDirection(BanditMethod method, absl::Span<const double> policy,
                            absl::Span<const int> draws, absl::Span<double> direction) {
  if (method == BanditMethod::kTpo) return TargetDirection(policy, draws, direction);
  if (method == BanditMethod::kDg) {
    const auto weight = [&](size_t arm) {
      const double surprisal = -std::log(policy[arm] + kProbabilityFloor);
      return Sigmoid(Advantage(arm) * surprisal / kEta) * Advantage(arm);
    };
    return WeightedScores(policy, draws, weight, direction);
  }
  if (method == BanditMethod::kGrpo) {
    const double mean =
        draws[0] / static_cast<double>(std::accumulate(draws.begin(), draws.end(), 0));
    const double deviation = std::sqrt(mean * (1.0 - mean) + kVarianceFloor);
    const auto weight = [&](size_t arm) { return ((arm == 0 ? 1.0 : 0.0) - mean) / deviation; };
    return WeightedScores(policy, draws, weight, direction);
  }
  WeightedScores(policy, draws, Advantage, direction);
}

BanditCurves RunSingleContext(BanditMethod method, const SingleContextSettings& settings,
                              uint64_t seed) {
  const auto arms = static_cast<size_t>(settings.arms);
  std::vector<double> logits(arms, 0.0);
  std::vector<double> policy(arms);
  std::vector<double> direction(arms);
  std::vector<double> cumulative;
  std::vector<int> draws;
  BanditCurves curves;
  for (int step = 0; step < settings.steps; ++step) {
    Softmax(logits, absl::MakeSpan(policy));
    DrawArms(policy, seed, step, settings.samples, cumulative, draws);
    SingleContextDirection(method, policy, draws, absl::MakeSpan(direction));
    double cross = 0.0;
    double own = 0.0;
    double oracle = 0.0;
    for (size_t arm = 0; arm < arms; ++arm) {
      const double exact = policy[0] * ((arm == 0 ? 1.0 : 0.0) - policy[arm]);
      cross += direction[arm] * exact;
      own += direction[arm] * direction[arm];
      oracle += exact * exact;
    }
    curves.error.push_back(1.0 - policy[0]);
    curves.misalignment.push_back(Misalignment(cross, own, oracle));
    const double scale = settings.step_length / std::sqrt(own + kStepFloor);
    for (size_t arm = 0; arm < arms; ++arm) logits[arm] += scale * direction[arm];
  }
  return curves;
}

std::vector<double> MultiContextLogits(const MultiContextSettings& settings, uint64_t seed) {
  std::vector<double> logits(static_cast<size_t>(settings.contexts) *
                             static_cast<size_t>(settings.arms));
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = NormalAt(seed, 0, static_cast<uint32_t>(i));
  return logits;
}

BanditCurves RunMultiContext(BanditMethod method, const MultiContextSettings& settings,
                             absl::Span<const double> logits) {
  MultiContextTable table(settings, logits);
  BanditCurves curves;
  for (int step = 0; step < settings.steps; ++step) {
    curves.misalignment.push_back(table.Step(method, settings.step_length));
    curves.error.push_back(table.Error());
  }
  return curves;
}

}  // namespace tpo
