// A running quantile of latencies, such as the p95, in constant memory: a histogram whose buckets
// grow by a tenth, in which old latencies count for less and less.
//
// Precision: the value is at most a tenth above the quantile. Not thread-safe.
#ifndef TPO_VERIFIER_ROUTING_LATENCY_QUANTILE_H_
#define TPO_VERIFIER_ROUTING_LATENCY_QUANTILE_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace tpo {

class LatencyQuantile {
 public:
  // Fewer latencies say nothing about a tail.
  static constexpr int kFewestSamples = 20;
  // After so many, all that came before count half.
  static constexpr int kWindow = 1024;

  // REQUIRES: 0 < quantile < 1.
  explicit LatencyQuantile(double quantile) : quantile_(quantile) {}

  void Record(absl::Duration latency);

  // Nothing before kFewestSamples were recorded.
  std::optional<absl::Duration> Value() const { return value_; }

 private:
  static constexpr int kBuckets = 210;  // 50 us to beyond three hours
  // The quantile is looked up again after so many: it moves slowly.
  static constexpr int kRefresh = 16;

  void Age();
  absl::Duration Find() const;

  const double quantile_;
  std::array<float, kBuckets> counts_{};
  float total_ = 0.0F;
  int64_t recorded_ = 0;
  std::optional<absl::Duration> value_;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_LATENCY_QUANTILE_H_
