// The learner's steps as metrics. Gauges hold the last step's value.
//
// tpo_step, tpo_weight_version, tpo_loss, tpo_reward_mean, tpo_reward_std, tpo_error,
// tpo_grad_norm, tpo_staleness{statistic="mean"|"max"}, tpo_zero_variance_fraction,
// tpo_all_fail_fraction, tpo_target_entropy, tpo_anchor_entropy, tpo_target_kl,
// tpo_target_distance, tpo_clip_fraction, tpo_logprob_mismatch, tpo_groups_in_flight,
// tpo_checkpoint_step, tpo_checkpoint_last_success_timestamp_seconds: gauges. tpo_steps_total (of
// this process), tpo_tokens_total, tpo_forward_nodes_total, tpo_forward_tokens_total,
// tpo_groups_leased_total,
// tpo_groups_total{outcome="trained"|"dropped_stale"|"dropped_unverified"|"expired"} (of the run,
// over all resumes), tpo_checkpoints_total, tpo_checkpoint_failures_total: counters. At every step,
// tpo_groups_leased_total = sum(tpo_groups_total) + tpo_groups_in_flight. tpo_step_seconds,
// tpo_rollout_seconds, tpo_train_seconds, tpo_checkpoint_seconds: histograms.
#ifndef TPO_SERVICES_METRICS_STEP_METRICS_H_
#define TPO_SERVICES_METRICS_STEP_METRICS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "core/step_record.h"
#include "services/metrics/metrics_registry.h"

namespace tpo {

// Called from one thread at a time; scrapes may come at any moment.
class PrometheusStepObserver : public StepObserver {
 public:
  // `registry` outlives the observer. One observer per registry.
  explicit PrometheusStepObserver(MetricsRegistry* registry);
  ~PrometheusStepObserver() override;

  void OnStep(const StepRecord& record) override;
  void OnCheckpoint(int64_t step, double seconds, const std::string& error) override;

 private:
  struct Metrics;
  const std::unique_ptr<Metrics> metrics_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_STEP_METRICS_H_
