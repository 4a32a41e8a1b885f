// Everything that any program exposes, in one place.
#ifndef TPO_TESTS_SERVICES_METRICS_ALL_PROGRAMS_H_
#define TPO_TESTS_SERVICES_METRICS_ALL_PROGRAMS_H_

#include <memory>
#include <string>
#include <vector>

#include "services/metrics/certificate_metrics.h"
#include "services/metrics/learner_metrics.h"
#include "services/metrics/metrics_registry.h"
#include "services/metrics/relay_metrics.h"
#include "services/metrics/service_metrics.h"
#include "services/metrics/step_metrics.h"
#include "services/metrics/trace_metrics.h"
#include "services/metrics/verification_metrics.h"
#include "services/metrics/worker_metrics.h"

namespace tpo {

// With every metric that is absent at times.
class AllPrograms {
 public:
  AllPrograms()
      : metrics_("tpo-test"),
        step_(&metrics_),
        rpc_(&metrics_),
        verifier_(&metrics_),
        weights_(&metrics_),
        relayed_weights_(&metrics_, "tpo_relay_weight_version"),
        learner_(&metrics_),
        workers_(&metrics_) {
    workers_.Attach([] { return WorkerStatistics(); });
    metrics_.Add(MakeRelayMetrics([] { return size_t{0}; }));
    metrics_.Add(MakeTraceMetrics([] { return SpanCounts(); }));
    metrics_.Add(MakeVerificationMetrics(&monitor_));
    metrics_.Add(MakeCertificateMetrics(
        {{"own", "server.pem"}, {"authority", ""}},
        [](const std::string&) { return absl::UnixEpoch() + absl::Hours(1); }));
    StepRecord record;
    record.has_error = record.has_reference_kl = record.has_truncated_fraction =
        record.has_effective_sample_size = true;
    record.target_entropy = record.anchor_entropy = record.target_kl = record.target_distance =
        record.policy_entropy = record.target_policy_kl = 1.0;
    step_.OnStart({});
    step_.OnStep(record);
    step_.OnEvaluation(0.0, 0.0, 0.0);
    rpc_.OnRpc("Verify", absl::StatusCode::kOk, absl::Seconds(1));
    rpc_.OnWeightBytesSent(1);
    learner_.Attach({}, [] { return LearnerReading(); });
    monitor_.Add(std::make_shared<PoolStatistics>("judge", std::vector<std::string>{"a:1"}));
    auto pool = std::make_shared<PoolStatistics>("other", std::vector<std::string>{"b:1"});
    pool->Update([](PoolCounts& counts) { counts.verdicts[VerdictKind::kScored] = 1; });
    monitor_.Add(pool);
  }
  std::string Text() const { return metrics_.Text(); }

 private:
  PoolMonitor monitor_;
  MetricsRegistry metrics_;
  PrometheusStepObserver step_;
  PrometheusRpcObserver rpc_;
  PrometheusVerifierObserver verifier_;
  PrometheusWeightObserver weights_;
  PrometheusWeightObserver relayed_weights_;
  LearnerMetrics learner_;
  WorkerMetrics workers_;
};

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_METRICS_ALL_PROGRAMS_H_
