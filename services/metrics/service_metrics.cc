#include "services/metrics/service_metrics.h"

#include "services/metrics/declare.h"

namespace tpo {
namespace {

const prometheus::Histogram::BucketBoundaries& CallBuckets() {
  static const auto* const kBuckets = new prometheus::Histogram::BucketBoundaries{
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
      0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    100};
  return *kBuckets;
}

std::string Code(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace

PrometheusRpcObserver::PrometheusRpcObserver(MetricsRegistry* registry)
    : registry_(registry->registry()),
      calls_(CounterFamily(registry_, "tpo_rpcs_total")),
      seconds_(HistogramFamily(registry_, "tpo_rpc_seconds")) {}

void PrometheusRpcObserver::OnRpc(const char* method, absl::StatusCode code,
                                  absl::Duration duration) {
  prometheus::Counter* counter = nullptr;
  prometheus::Histogram* histogram = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    prometheus::Counter*& known_counter = counters_[{method, code}];
    if (known_counter == nullptr)
      known_counter = &calls_.Add({{"method", method}, {"code", Code(code)}});
    prometheus::Histogram*& known_histogram = histograms_[method];
    if (known_histogram == nullptr)
      known_histogram = &seconds_.Add({{"method", method}}, CallBuckets());
    counter = known_counter;
    histogram = known_histogram;
  }
  counter->Increment();
  histogram->Observe(absl::ToDoubleSeconds(duration));
}

void PrometheusRpcObserver::OnWeightBytesSent(uint64_t bytes) {
  prometheus::Counter* counter = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (weight_bytes_ == nullptr)
      weight_bytes_ = &AddCounter(registry_, "tpo_weights_sent_bytes_total");
    counter = weight_bytes_;
  }
  counter->Increment(static_cast<double>(bytes));
}

PrometheusVerifierObserver::PrometheusVerifierObserver(MetricsRegistry* registry)
    : requests_(CounterFamily(registry->registry(), "tpo_verifier_requests_total")),
      scored_requests_(requests_.Add({{"code", "OK"}})),
      verdicts_(CounterFamily(registry->registry(), "tpo_verifier_verdicts_total")),
      scored_(verdicts_.Add({{"kind", "scored"}})),
      abstained_(verdicts_.Add({{"kind", "abstained"}})),
      timed_out_(verdicts_.Add({{"kind", "timed_out"}})),
      failed_(verdicts_.Add({{"kind", "failed"}})),
      seconds_(AddHistogram(registry->registry(), "tpo_verifier_seconds", CallBuckets())),
      queue_length_(AddGauge(registry->registry(), "tpo_verifier_queue_length")),
      queue_capacity_(AddGauge(registry->registry(), "tpo_verifier_queue_capacity")),
      threads_(AddGauge(registry->registry(), "tpo_verifier_threads")) {}

void PrometheusVerifierObserver::OnVerdicts(const std::vector<Verdict>& verdicts,
                                            absl::Duration duration) {
  scored_requests_.Increment();
  seconds_.Observe(absl::ToDoubleSeconds(duration));
  for (const Verdict& verdict : verdicts) {
    switch (verdict.kind) {
      case VerdictKind::kScored:
        scored_.Increment();
        break;
      case VerdictKind::kAbstained:
        abstained_.Increment();
        break;
      case VerdictKind::kTimedOut:
        timed_out_.Increment();
        break;
      case VerdictKind::kFailed:
      case VerdictKind::kUnspecified:
        failed_.Increment();
        break;
    }
  }
}

void PrometheusVerifierObserver::OnQueue(size_t length, size_t capacity) {
  queue_length_.Set(static_cast<double>(length));
  queue_capacity_.Set(static_cast<double>(capacity));
}

void PrometheusVerifierObserver::OnThreads(int threads) {
  threads_.Set(static_cast<double>(threads));
}

void PrometheusVerifierObserver::OnVerifyFailed(absl::StatusCode code) {
  requests_.Add({{"code", Code(code)}}).Increment();
}

}  // namespace tpo
