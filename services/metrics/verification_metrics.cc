#include "services/metrics/verification_metrics.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "services/metrics/declare.h"
#include "services/metrics/verdict_kind.h"

namespace tpo {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

// One metric while its samples are gathered.
class Family {
 public:
  explicit Family(const char* name) : family_(EmptyFamily(name)) {}

  void Add(Labels labels, double value) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = value;
    metric.gauge.value = value;
    family_.metric.push_back(std::move(metric));
  }

  void AddHistogram(Labels labels, const LatencyCounts& latency) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    uint64_t total = 0;
    for (size_t i = 0; i < latency.buckets.size(); ++i) {
      total += latency.buckets[i];
      metric.histogram.bucket.push_back({total, i < kLatencyBounds.size()
                                                    ? kLatencyBounds[i]
                                                    : std::numeric_limits<double>::infinity()});
    }
    metric.histogram.sample_count = total;
    metric.histogram.sample_sum = latency.sum_seconds;
    family_.metric.push_back(std::move(metric));
  }

  prometheus::MetricFamily Take() { return std::move(family_); }

 private:
  prometheus::MetricFamily family_;
};

class VerificationFamilies {
 public:
  void Add(const PoolCounts& pool) {
    const Labels labels = {{"verifier", pool.verifier}};
    hedges_refused_.Add(labels, static_cast<double>(pool.hedges_refused));
    waiting_.Add(labels, pool.waiting);
    hedge_after_.Add(labels, absl::ToDoubleSeconds(pool.hedge_after));
    for (const auto& [kind, count] : pool.verdicts) {
      verdicts_.Add({{"verifier", pool.verifier}, {"kind", VerdictKindName(kind)}},
                    static_cast<double>(count));
    }
    for (const ReplicaCounts& replica : pool.replicas) Add(pool.verifier, replica);
  }

  std::vector<prometheus::MetricFamily> Take() {
    std::vector<prometheus::MetricFamily> families;
    for (Family* family :
         {&attempts_, &seconds_, &retries_, &hedges_, &hedges_won_, &hedges_refused_,
          &breaker_state_, &breaker_opened_, &outstanding_, &waiting_, &hedge_after_, &verdicts_}) {
      families.push_back(family->Take());
    }
    return families;
  }

 private:
  void Add(const std::string& verifier, const ReplicaCounts& replica) {
    const Labels labels = {{"verifier", verifier}, {"backend", replica.name}};
    const auto with_code = [&labels](std::string code) {
      Labels all = labels;
      all.push_back({"code", std::move(code)});
      return all;
    };
    for (const auto& [code, count] : replica.attempts)
      attempts_.Add(with_code(absl::StatusCodeToString(code)), static_cast<double>(count));
    attempts_.Add(with_code("GIVEN_UP"), static_cast<double>(replica.given_up));
    seconds_.AddHistogram(labels, replica.latency);
    retries_.Add(labels, static_cast<double>(replica.retries));
    hedges_.Add(labels, static_cast<double>(replica.hedges));
    hedges_won_.Add(labels, static_cast<double>(replica.hedges_won));
    breaker_state_.Add(labels, CircuitBreaker::Gravity(replica.breaker));
    breaker_opened_.Add(labels, static_cast<double>(replica.breaker_opened));
    outstanding_.Add(labels, replica.outstanding);
  }

  Family attempts_{"tpo_verification_attempts_total"};
  Family seconds_{"tpo_verification_seconds"};
  Family retries_{"tpo_verification_retries_total"};
  Family hedges_{"tpo_verification_hedges_total"};
  Family hedges_won_{"tpo_verification_hedges_won_total"};
  Family hedges_refused_{"tpo_verification_hedges_refused_total"};
  Family breaker_state_{"tpo_verification_breaker_state"};
  Family breaker_opened_{"tpo_verification_breaker_opened_total"};
  Family outstanding_{"tpo_verification_outstanding"};
  Family waiting_{"tpo_verification_waiting_groups"};
  Family hedge_after_{"tpo_verification_hedge_after_seconds"};
  Family verdicts_{"tpo_verification_verdicts_total"};
};

class VerificationCollectable : public prometheus::Collectable {
 public:
  explicit VerificationCollectable(const PoolMonitor* monitor) : monitor_(*monitor) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const std::vector<PoolCounts> pools = monitor_.Read();
    if (pools.empty()) return {};
    VerificationFamilies families;
    for (const PoolCounts& pool : pools) families.Add(pool);
    return families.Take();
  }

 private:
  const PoolMonitor& monitor_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> MakeVerificationMetrics(const PoolMonitor* monitor) {
  return std::make_shared<VerificationCollectable>(monitor);
}

}  // namespace tpo
