// What a rollout worker did, as metrics, read at each scrape, and how its weights came.
#ifndef TPO_SERVICES_METRICS_WORKER_METRICS_H_
#define TPO_SERVICES_METRICS_WORKER_METRICS_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "core/learner_api.h"
#include "services/grpc/observer.h"
#include "services/metrics/metrics_registry.h"

namespace prometheus {
class Collectable;
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace tpo {

struct WorkerCounts {
  uint64_t leases = 0;
  uint64_t groups = 0;
  uint64_t tokens = 0;
  uint64_t rejected = 0;
  uint64_t unscored = 0;
  WorkerTimes times;
};

// The counters, for MetricsRegistry::Add. `counts` is called at each scrape, from any thread.
std::shared_ptr<prometheus::Collectable> MakeWorkerMetrics(std::function<WorkerCounts()> counts);

// Thread-safe. One per registry, which outlives it.
class PrometheusWeightObserver : public WeightObserver {
 public:
  explicit PrometheusWeightObserver(MetricsRegistry* registry);
  void OnWeightBytesReceived(uint64_t bytes) override;
  void OnWeights(WeightVersion version, absl::Duration duration) override;

 private:
  prometheus::Gauge& version_;
  prometheus::Counter& bytes_;
  prometheus::Histogram& seconds_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_WORKER_METRICS_H_
