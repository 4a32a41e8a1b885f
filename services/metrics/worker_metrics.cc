#include "services/metrics/worker_metrics.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "services/metrics/declare.h"

namespace tpo {
namespace {

prometheus::MetricFamily ActivityFamily(const WorkerTimes& times) {
  prometheus::MetricFamily family = EmptyFamily("tpo_rollout_activity_seconds_total");
  const auto add = [&family](const char* activity, absl::Duration time) {
    prometheus::ClientMetric metric;
    metric.label = {{"activity", activity}};
    metric.counter.value = absl::ToDoubleSeconds(time);
    family.metric.push_back(std::move(metric));
  };
  add("wait_lease", times.waiting_for_lease);
  add("wait_weights", times.waiting_for_weights);
  add("sample", times.sampling);
  add("wait_verdicts", times.waiting_for_verdicts);
  add("submit", times.submitting);
  return family;
}

// From loopback to a large model over a slow network.
const prometheus::Histogram::BucketBoundaries& SyncBuckets() {
  static const auto* const kBuckets = new prometheus::Histogram::BucketBoundaries{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
  return *kBuckets;
}

}  // namespace

class WorkerMetrics::Source : public prometheus::Collectable {
 public:
  void Set(std::function<WorkerStatistics()> read) {
    const absl::MutexLock lock(&mutex_);
    read_ = std::move(read);
  }

  std::vector<prometheus::MetricFamily> Collect() const override {
    const absl::MutexLock lock(&mutex_);
    if (!read_) return {};
    const WorkerStatistics counts = read_();
    const auto single = [](const char* name, uint64_t value) {
      return SingleValue(name, static_cast<double>(value));
    };
    return {single("tpo_rollout_leases_total", counts.leases),
            single("tpo_rollout_groups_total", counts.groups),
            single("tpo_rollout_tokens_total", counts.tokens),
            single("tpo_rollout_groups_rejected_total", counts.rejected),
            single("tpo_rollout_unscored_completions_total", counts.unscored),
            ActivityFamily(counts.times)};
  }

 private:
  mutable absl::Mutex mutex_;
  std::function<WorkerStatistics()> read_ ABSL_GUARDED_BY(mutex_);
};

WorkerMetrics::WorkerMetrics(MetricsRegistry* registry) : source_(std::make_shared<Source>()) {
  registry->Add(source_);
}

WorkerMetrics::~WorkerMetrics() { Detach(); }

void WorkerMetrics::Attach(std::function<WorkerStatistics()> read) {
  source_->Set(std::move(read));
}

void WorkerMetrics::Detach() { source_->Set({}); }

PrometheusWeightObserver::PrometheusWeightObserver(MetricsRegistry* registry,
                                                   std::string_view version)
    : version_(AddGauge(registry->registry(), version)),
      bytes_(AddCounter(registry->registry(), "tpo_weights_received_bytes_total")),
      seconds_(AddHistogram(registry->registry(), "tpo_weight_sync_seconds", SyncBuckets())) {
  version_.Set(-1);
}

void PrometheusWeightObserver::OnWeightBytesReceived(uint64_t bytes) {
  bytes_.Increment(static_cast<double>(bytes));
}

void PrometheusWeightObserver::OnWeights(WeightVersion version, absl::Duration duration) {
  version_.Set(static_cast<double>(version));
  seconds_.Observe(absl::ToDoubleSeconds(duration));
}

}  // namespace tpo
