#include "verifier/routing/latency_quantile.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tpo {
namespace {

constexpr double kSmallestSeconds = 50e-6;
constexpr double kGrowth = 1.1;

}  // namespace

void LatencyQuantile::Record(absl::Duration latency) {
  const double seconds = std::max(absl::ToDoubleSeconds(latency), kSmallestSeconds);
  const double bucket = std::floor(std::log(seconds / kSmallestSeconds) / std::log(kGrowth));
  counts_[static_cast<size_t>(std::min(bucket, kBuckets - 1.0))] += 1.0F;
  total_ += 1.0F;
  ++recorded_;
  if (recorded_ % kWindow == 0) Age();
  const bool first = recorded_ == kFewestSamples;
  if (first || (recorded_ > kFewestSamples && recorded_ % kRefresh == 0)) value_ = Find();
}

void LatencyQuantile::Age() {
  total_ = 0.0F;
  for (float& count : counts_) {
    count *= 0.5F;
    total_ += count;
  }
}

absl::Duration LatencyQuantile::Find() const {
  double seconds = kSmallestSeconds;
  double seen = 0.0;
  for (const float count : counts_) {
    seen += count;
    seconds *= kGrowth;
    if (seen >= quantile_ * total_) break;
  }
  return absl::Seconds(seconds);
}

}  // namespace tpo
