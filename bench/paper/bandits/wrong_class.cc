#include "bench/paper/bandits/wrong_class.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tpo {
namespace {

constexpr double kFloor = 1e-8;
constexpr double kEta = 1.0;

double Sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double Surprisal(double probability) { return -std::log(std::max(probability, kFloor)); }

// exp of the difference of the standardized scores of the action and another class: a one-hot score
// over n classes has the standardized values √(n-1) and -1/√(n-1), or the reverse.
double TargetRatio(size_t classes) {
  const double root = std::sqrt(static_cast<double>(classes) - 1.0);
  return std::exp((root + 1.0 / root) / kEta);
}

// How strongly TPO pulls to a right action of probability p, and pushes from a wrong one.
double TpoSuccess(double p, double ratio) { return p * (ratio - 1.0) / (1.0 - p + ratio * p); }
double TpoFailure(double p, double ratio) { return p * (ratio - 1.0) / (ratio * (1.0 - p) + p); }

// DG's gate times the advantage's size, for an action of this probability.
double DgSuccess(double p, double baseline) {
  return (1.0 - baseline) * Sigmoid((1.0 - baseline) * Surprisal(p) / kEta);
}
double DgFailure(double p, double baseline) {
  return baseline * Sigmoid(-baseline * Surprisal(p) / kEta);
}

double SumOfSquares(absl::Span<const double> values) {
  double sum = 0.0;
  for (const double value : values) sum += value * value;
  return sum;
}

double SymmetricFactor(BanditMethod method, size_t classes, double p) {
  const double others = static_cast<double>(classes) - 1.0;
  const double wrong = (1.0 - p) / others;
  if (method == BanditMethod::kDg) {
    const double baseline = p * p + others * wrong * wrong;
    return p * (DgSuccess(p, baseline) + DgFailure(wrong, baseline));
  }
  const double ratio = TargetRatio(classes);
  return p * (TpoSuccess(p, ratio) + TpoFailure(wrong, ratio));
}

double GroupPgFactor(size_t classes) { return 2.0 * std::sqrt(static_cast<double>(classes) - 1.0); }

}  // namespace

bool HasWrongClassGain(BanditMethod method) {
  return method == BanditMethod::kPg || method == BanditMethod::kGroupPg ||
         method == BanditMethod::kDg || method == BanditMethod::kTpo;
}

std::vector<double> ExpectedUpdate(BanditMethod method, absl::Span<const double> policy,
                                   int label) {
  const double p = policy[label];
  const double baseline = SumOfSquares(policy);
  const double ratio = TargetRatio(policy.size());
  double success = p;
  // What each wrong class, when it is drawn, is pushed down by.
  std::vector<double> failures(policy.size(), 0.0);
  if (method == BanditMethod::kGroupPg) {
    success *= GroupPgFactor(policy.size());
  } else if (method == BanditMethod::kDg) {
    success *= DgSuccess(p, baseline);
  } else if (method == BanditMethod::kTpo) {
    success *= TpoSuccess(p, ratio);
  }
  double total = 0.0;
  for (size_t i = 0; i < policy.size(); ++i) {
    if (static_cast<int>(i) == label) continue;
    if (method == BanditMethod::kDg) failures[i] = policy[i] * DgFailure(policy[i], baseline);
    if (method == BanditMethod::kTpo) failures[i] = policy[i] * TpoFailure(policy[i], ratio);
    total += failures[i];
  }
  std::vector<double> update(policy.size());
  for (size_t i = 0; i < policy.size(); ++i) {
    update[i] = (total - success) * policy[i] - failures[i];
  }
  update[label] += success;
  return update;
}

WrongClassGain GainOf(BanditMethod method, absl::Span<const double> policy, int label) {
  const double p = policy[label];
  const std::vector<double> update = ExpectedUpdate(method, policy, label);
  double product = 0.0;
  double square = 0.0;
  for (size_t i = 0; i < policy.size(); ++i) {
    const double v = (static_cast<int>(i) == label ? 1.0 : 0.0) - policy[i];
    product += v * update[i];
    square += v * v;
  }
  WrongClassGain result{.gain = p * product, .one_versus_rest = p * product};
  if (method == BanditMethod::kDg || method == BanditMethod::kTpo) {
    result.one_versus_rest = p * SymmetricFactor(method, policy.size(), p) * square;
  }
  return result;
}

int ConcentrationBin(absl::Span<const double> policy, int label) {
  double largest = 0.0;
  for (size_t i = 0; i < policy.size(); ++i) {
    if (static_cast<int>(i) != label) largest = std::max(largest, policy[i]);
  }
  const double concentration = largest / std::max(1.0 - policy[label], kFloor);
  return static_cast<int>(
      std::upper_bound(kConcentrationBorders.begin(), kConcentrationBorders.end(), concentration) -
      kConcentrationBorders.begin());
}

void AddToSums(const WrongClassGain& gain, int bin, ConcentrationMeans& sums) {
  ++sums[bin].images;
  sums[bin].gain += gain.gain;
  sums[bin].one_versus_rest += gain.one_versus_rest;
}

void FinishMeans(ConcentrationMeans& sums) {
  for (ConcentrationBinMeans& bin : sums) {
    if (bin.images == 0) continue;
    bin.gain /= bin.images;
    bin.one_versus_rest /= bin.images;
  }
}

}  // namespace tpo
