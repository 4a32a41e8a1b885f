#include "services/metrics/step_metrics.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace tpo {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

// From a toy model's step to a large one's.
const Histogram::BucketBoundaries& SecondsBuckets() {
  static const auto* const kBuckets = new Histogram::BucketBoundaries{
      0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500};
  return *kBuckets;
}

Gauge& AddGauge(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}
Counter& AddCounter(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}
Histogram& AddHistogram(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(
      {}, SecondsBuckets());
}

// A counter that follows a total counted elsewhere. Such a total never falls.
void RaiseTo(Counter& counter, uint64_t total) {
  const double difference = static_cast<double>(total) - counter.Value();
  if (difference > 0) counter.Increment(difference);
}

}  // namespace

struct PrometheusStepObserver::Metrics {
  explicit Metrics(Registry& r)
      : step(AddGauge(r, "tpo_step", "Steps done, over all resumes.")),
        weight_version(AddGauge(r, "tpo_weight_version", "Newest published weight version.")),
        loss(AddGauge(r, "tpo_loss", "Loss of the last step's first epoch.")),
        reward_mean(
            AddGauge(r, "tpo_reward_mean", "Mean reward of the last step's scored completions.")),
        reward_std(AddGauge(r, "tpo_reward_std", "Standard deviation of the same rewards.")),
        error(prometheus::BuildGauge()
                  .Name("tpo_error")
                  .Help("Task error, where the task defines one.")
                  .Register(r)),
        grad_norm(
            AddGauge(r, "tpo_grad_norm", "Norm of the gradient, first epoch of the last step.")),
        staleness(prometheus::BuildGauge()
                      .Name("tpo_staleness")
                      .Help("Versions between sampling and training, over the last step's groups.")
                      .Register(r)),
        staleness_mean(staleness.Add({{"statistic", "mean"}})),
        staleness_max(staleness.Add({{"statistic", "max"}})),
        zero_variance_fraction(
            AddGauge(r, "tpo_zero_variance_fraction", "Groups whose scores are all equal.")),
        all_fail_fraction(AddGauge(r, "tpo_all_fail_fraction", "Groups whose scores are all 0.")),
        target_entropy(AddGauge(r, "tpo_target_entropy", "Mean entropy of the targets, in nats.")),
        anchor_entropy(AddGauge(r, "tpo_anchor_entropy",
                                "Mean entropy of the anchors within groups, in nats.")),
        target_kl(AddGauge(r, "tpo_target_kl", "Mean divergence of target from anchor, in nats.")),
        target_distance(AddGauge(r, "tpo_target_distance",
                                 "Mean L1 distance of policy and target within groups.")),
        clip_fraction(
            AddGauge(r, "tpo_clip_fraction", "Members whose ratio was clipped, last epoch.")),
        logprob_mismatch(AddGauge(
            r, "tpo_logprob_mismatch",
            "Mean absolute difference of the learner's and the sampler's log-prob of a token.")),
        groups_in_flight(
            AddGauge(r, "tpo_groups_in_flight", "Groups leased or waiting to be trained on.")),
        steps(AddCounter(r, "tpo_steps_total", "Steps done by this process.")),
        tokens(AddCounter(r, "tpo_tokens_total",
                          "Sampled completion tokens trained on, over all resumes.")),
        forward_nodes(AddCounter(r, "tpo_forward_nodes_total",
                                 "Prefix-tree nodes forwarded, once per step.")),
        forward_tokens(AddCounter(r, "tpo_forward_tokens_total",
                                  "Tokens that the forwarded nodes stand for.")),
        groups_leased(
            AddCounter(r, "tpo_groups_leased_total", "Prompts leased, over all resumes.")),
        groups(prometheus::BuildCounter()
                   .Name("tpo_groups_total")
                   .Help("Leased prompts by how they ended, over all resumes.")
                   .Register(r)),
        trained(groups.Add({{"outcome", "trained"}})),
        dropped_stale(groups.Add({{"outcome", "dropped_stale"}})),
        dropped_unverified(groups.Add({{"outcome", "dropped_unverified"}})),
        expired(groups.Add({{"outcome", "expired"}})),
        step_seconds(AddHistogram(r, "tpo_step_seconds", "Wall time of a step.")),
        rollout_seconds(
            AddHistogram(r, "tpo_rollout_seconds", "Part of a step spent waiting for groups.")),
        train_seconds(AddHistogram(r, "tpo_train_seconds", "Part of a step spent training.")),
        checkpoint_seconds(
            AddHistogram(r, "tpo_checkpoint_seconds", "Time to make a checkpoint durable.")),
        checkpoint_step(
            AddGauge(r, "tpo_checkpoint_step", "Step that the newest checkpoint holds.")),
        checkpoint_success_time(
            AddGauge(r, "tpo_checkpoint_last_success_timestamp_seconds",
                     "When this process last made a checkpoint durable, in Unix time; else 0.")),
        checkpoints(AddCounter(r, "tpo_checkpoints_total", "Checkpoints made durable.")),
        checkpoint_failures(
            AddCounter(r, "tpo_checkpoint_failures_total", "Checkpoints that failed.")) {}

  Gauge& step;
  Gauge& weight_version;
  Gauge& loss;
  Gauge& reward_mean;
  Gauge& reward_std;
  Family<Gauge>& error;
  Gauge& grad_norm;
  Family<Gauge>& staleness;
  Gauge& staleness_mean;
  Gauge& staleness_max;
  Gauge& zero_variance_fraction;
  Gauge& all_fail_fraction;
  Gauge& target_entropy;
  Gauge& anchor_entropy;
  Gauge& target_kl;
  Gauge& target_distance;
  Gauge& clip_fraction;
  Gauge& logprob_mismatch;
  Gauge& groups_in_flight;
  Counter& steps;
  Counter& tokens;
  Counter& forward_nodes;
  Counter& forward_tokens;
  Counter& groups_leased;
  Family<Counter>& groups;
  Counter& trained;
  Counter& dropped_stale;
  Counter& dropped_unverified;
  Counter& expired;
  Histogram& step_seconds;
  Histogram& rollout_seconds;
  Histogram& train_seconds;
  Histogram& checkpoint_seconds;
  Gauge& checkpoint_step;
  Gauge& checkpoint_success_time;
  Counter& checkpoints;
  Counter& checkpoint_failures;
};

PrometheusStepObserver::PrometheusStepObserver(MetricsRegistry* registry)
    : metrics_(std::make_unique<Metrics>(registry->registry())) {}

PrometheusStepObserver::~PrometheusStepObserver() = default;

void PrometheusStepObserver::OnStep(const StepRecord& record) {
  Metrics& m = *metrics_;
  m.step.Set(static_cast<double>(record.step + 1));
  m.weight_version.Set(static_cast<double>(record.weight_version));
  m.loss.Set(record.loss);
  m.reward_mean.Set(record.reward_mean);
  m.reward_std.Set(record.reward_std);
  if (record.has_error) m.error.Add({}).Set(record.error);
  m.grad_norm.Set(record.grad_norm);
  m.staleness_mean.Set(record.staleness_mean);
  m.staleness_max.Set(static_cast<double>(record.staleness_max));
  m.zero_variance_fraction.Set(record.zero_variance_fraction);
  m.all_fail_fraction.Set(record.all_fail_fraction);
  m.target_entropy.Set(record.target_entropy);
  m.anchor_entropy.Set(record.anchor_entropy);
  m.target_kl.Set(record.target_kl);
  m.target_distance.Set(record.target_distance);
  m.clip_fraction.Set(record.clip_fraction);
  m.logprob_mismatch.Set(record.logprob_mismatch);
  m.steps.Increment();
  RaiseTo(m.tokens, record.tokens_total);
  m.forward_nodes.Increment(static_cast<double>(record.forward_nodes));
  m.forward_tokens.Increment(static_cast<double>(record.forward_tokens));
  m.groups_in_flight.Set(static_cast<double>(record.ledger.in_flight));
  RaiseTo(m.groups_leased, record.ledger.leased);
  RaiseTo(m.trained, record.ledger.trained);
  RaiseTo(m.dropped_stale, record.ledger.dropped_stale);
  RaiseTo(m.dropped_unverified, record.ledger.dropped_unverified);
  RaiseTo(m.expired, record.ledger.expired);
  m.step_seconds.Observe(record.step_seconds);
  m.rollout_seconds.Observe(record.rollout_seconds);
  m.train_seconds.Observe(record.train_seconds);
}

void PrometheusStepObserver::OnCheckpoint(int64_t step, double seconds, const std::string& error) {
  Metrics& m = *metrics_;
  if (!error.empty()) {
    m.checkpoint_failures.Increment();
    return;
  }
  m.checkpoints.Increment();
  m.checkpoint_seconds.Observe(seconds);
  m.checkpoint_step.Set(static_cast<double>(step));
  m.checkpoint_success_time.Set(absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
}

}  // namespace tpo
