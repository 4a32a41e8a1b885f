#include "services/metrics/worker_metrics.h"

#include <string>
#include <utility>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace tpo {
namespace {

prometheus::MetricFamily Counter(const std::string& name, const std::string& help, uint64_t value) {
  prometheus::ClientMetric metric;
  metric.counter.value = static_cast<double>(value);
  return {name, help, prometheus::MetricType::Counter, {metric}};
}

class WorkerCollectable : public prometheus::Collectable {
 public:
  explicit WorkerCollectable(std::function<WorkerCounts()> counts) : counts_(std::move(counts)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const WorkerCounts counts = counts_();
    return {Counter("tpo_rollout_leases_total", "Leases answered.", counts.leases),
            Counter("tpo_rollout_groups_total", "Groups sampled and submitted.", counts.groups),
            Counter("tpo_rollout_tokens_total", "Completion tokens sampled.", counts.tokens),
            Counter("tpo_rollout_groups_rejected_total", "Groups that the learner did not take.",
                    counts.rejected),
            Counter("tpo_rollout_unscored_completions_total",
                    "Completions whose verdict is not a score.", counts.unscored)};
  }

 private:
  const std::function<WorkerCounts()> counts_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> MakeWorkerMetrics(std::function<WorkerCounts()> counts) {
  return std::make_shared<WorkerCollectable>(std::move(counts));
}

}  // namespace tpo
