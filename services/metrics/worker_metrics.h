// What the rollout workers of a process did, as metrics, read at each scrape, and how their weights
// came.
#ifndef TPO_SERVICES_METRICS_WORKER_METRICS_H_
#define TPO_SERVICES_METRICS_WORKER_METRICS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "absl/time/time.h"
#include "core/worker_statistics.h"
#include "services/grpc/observer.h"
#include "services/metrics/metrics_registry.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace tpo {

// The counters. Thread-safe.
class WorkerMetrics {
 public:
  // Adds itself to the registry, which has no server yet.
  explicit WorkerMetrics(MetricsRegistry* registry);
  ~WorkerMetrics();

  // From now on a scrape calls `read`, from any thread; before, and after Detach, it shows nothing
  // of workers.
  void Attach(std::function<WorkerStatistics()> read);
  // Returns when no call of `read` is in progress. Idempotent.
  void Detach();

 private:
  class Source;
  const std::shared_ptr<Source> source_;
};

// Thread-safe. One per registry, which outlives it. Of several workers the version is the one that
// came last.
class PrometheusWeightObserver : public WeightObserver {
 public:
  // `version`: the metric that shows the newest version, a relay's is another one.
  explicit PrometheusWeightObserver(MetricsRegistry* registry,
                                    std::string_view version = "tpo_rollout_weight_version");
  void OnWeightBytesReceived(uint64_t bytes) override;
  void OnWeights(WeightVersion version, absl::Duration duration) override;

 private:
  prometheus::Gauge& version_;
  prometheus::Counter& bytes_;
  prometheus::Histogram& seconds_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_WORKER_METRICS_H_
