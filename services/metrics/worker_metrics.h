// What a rollout worker did, as metrics, read at each scrape: tpo_rollout_leases_total,
// tpo_rollout_groups_total, tpo_rollout_tokens_total, tpo_rollout_groups_rejected_total,
// tpo_rollout_unscored_completions_total.
#ifndef TPO_SERVICES_METRICS_WORKER_METRICS_H_
#define TPO_SERVICES_METRICS_WORKER_METRICS_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "services/metrics/metrics_registry.h"

namespace prometheus {
class Collectable;
}  // namespace prometheus

namespace tpo {

struct WorkerCounts {
  uint64_t leases = 0;
  uint64_t groups = 0;
  uint64_t tokens = 0;
  uint64_t rejected = 0;
  uint64_t unscored = 0;
};

// The counters, for MetricsRegistry::Add. `counts` is called at each scrape, from any thread.
std::shared_ptr<prometheus::Collectable> MakeWorkerMetrics(std::function<WorkerCounts()> counts);

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_WORKER_METRICS_H_
