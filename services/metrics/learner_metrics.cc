#include "services/metrics/learner_metrics.h"

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "services/metrics/declare.h"

namespace tpo {

class LearnerMetrics::Source : public prometheus::Collectable {
 public:
  void Set(const LearnerLimits& limits, std::function<LearnerReading()> read) {
    const absl::MutexLock lock(&mutex_);
    limits_ = limits;
    read_ = std::move(read);
  }

  std::vector<prometheus::MetricFamily> Collect() const override {
    const absl::MutexLock lock(&mutex_);
    if (!read_) return {};
    const LearnerReading now = read_();
    const RunStatus& status = now.status;
    prometheus::MetricFamily run = SingleValue("tpo_run_info", 1);
    run.metric.front().label = {{"run_id", status.run_id}};
    return {
        SingleValue("tpo_planned_steps", static_cast<double>(status.total_steps)),
        SingleValue("tpo_staleness_limit", limits_.max_staleness),
        SingleValue("tpo_groups_per_step", limits_.prompts_per_step),
        SingleValue("tpo_lease_limit_seconds", absl::ToDoubleSeconds(limits_.lease_time_to_live)),
        SingleValue("tpo_checkpoint_every_steps",
                    static_cast<double>(limits_.checkpoint_every_steps)),
        SingleValue("tpo_groups_under_lease", static_cast<double>(status.groups_leased)),
        SingleValue("tpo_groups_ready", static_cast<double>(status.groups_ready)),
        SingleValue("tpo_prompts_leasable", static_cast<double>(status.groups_leasable)),
        SingleValue("tpo_oldest_lease_age_seconds", absl::ToDoubleSeconds(status.oldest_lease_age)),
        SingleValue("tpo_workers", status.workers),
        SingleValue("tpo_draining", status.draining ? 1 : 0),
        SingleValue("tpo_weights_size_bytes", static_cast<double>(now.weights_size_bytes)),
        std::move(run)};
  }

 private:
  mutable absl::Mutex mutex_;
  LearnerLimits limits_ ABSL_GUARDED_BY(mutex_);
  std::function<LearnerReading()> read_ ABSL_GUARDED_BY(mutex_);
};

LearnerMetrics::LearnerMetrics(MetricsRegistry* registry) : source_(std::make_shared<Source>()) {
  registry->Add(source_);
}

LearnerMetrics::~LearnerMetrics() { Detach(); }

void LearnerMetrics::Attach(const LearnerLimits& limits, std::function<LearnerReading()> read) {
  source_->Set(limits, std::move(read));
}

void LearnerMetrics::Detach() { source_->Set({}, {}); }

}  // namespace tpo
