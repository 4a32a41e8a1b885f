#include "bench/paper/bandits/random_draws.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/counter_random.h"

namespace tpo {
namespace {

double NormalAttempt(uint64_t seed, uint64_t table, uint32_t index, uint32_t attempt) {
  const double radius =
      1.0 - UniformAt(seed, RandomStream::kInitialization, table, 2 * attempt, index);
  const double angle =
      UniformAt(seed, RandomStream::kInitialization, table, 2 * attempt + 1, index);
  return std::sqrt(-2.0 * std::log(radius)) * std::cos(2.0 * std::numbers::pi * angle);
}

}  // namespace

double NormalAt(uint64_t seed, uint64_t table, uint32_t index) {
  return NormalAttempt(seed, table, index, 0);
}

double TruncatedNormalAt(uint64_t seed, uint64_t table, uint32_t index) {
  constexpr double kBound = 2.0;
  for (uint32_t attempt = 0;; ++attempt) {
    const double value = NormalAttempt(seed, table, index, attempt);
    if (std::abs(value) <= kBound) return value;
  }
}

int ArmAt(absl::Span<const double> cumulative, double uniform) {
  const double point = uniform * cumulative.back();
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), point);
  return static_cast<int>(std::min<std::ptrdiff_t>(
      found - cumulative.begin(), static_cast<std::ptrdiff_t>(cumulative.size()) - 1));
}

}  // namespace tpo
