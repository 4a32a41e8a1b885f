// What the services report about their calls, as metrics: the catalogue's sections on calls and on
// verifiers, and tpo_weights_sent_bytes_total, which is there once weights were sent.
#ifndef TPO_SERVICES_METRICS_SERVICE_METRICS_H_
#define TPO_SERVICES_METRICS_SERVICE_METRICS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/grpc/observer.h"
#include "services/metrics/metrics_registry.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
template <typename T>
class Family;
}  // namespace prometheus

namespace tpo {

// Thread-safe. One per registry, which outlives it.
class PrometheusRpcObserver : public RpcObserver {
 public:
  explicit PrometheusRpcObserver(MetricsRegistry* registry);
  void OnRpc(const char* method, absl::StatusCode code, absl::Duration duration) override;
  void OnWeightBytesSent(uint64_t bytes) override;

 private:
  prometheus::Registry& registry_;
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  // Found so far: looking up a family builds its labels each time.
  absl::Mutex mutex_;
  std::map<std::pair<std::string, absl::StatusCode>, prometheus::Counter*> counters_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::string, prometheus::Histogram*> histograms_ ABSL_GUARDED_BY(mutex_);
  prometheus::Counter* weight_bytes_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

// Thread-safe. One per registry, which outlives it.
class PrometheusVerifierObserver : public VerifierObserver {
 public:
  explicit PrometheusVerifierObserver(MetricsRegistry* registry);
  void OnVerdicts(const std::vector<Verdict>& verdicts, absl::Duration duration) override;
  void OnVerifyFailed(absl::StatusCode code) override;
  void OnQueue(size_t length, size_t capacity) override;
  void OnThreads(int threads) override;

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Counter& scored_requests_;
  prometheus::Family<prometheus::Counter>& verdicts_;
  prometheus::Counter& scored_;
  prometheus::Counter& abstained_;
  prometheus::Counter& timed_out_;
  prometheus::Counter& failed_;
  prometheus::Histogram& seconds_;
  prometheus::Gauge& queue_length_;
  prometheus::Gauge& queue_capacity_;
  prometheus::Gauge& threads_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_SERVICE_METRICS_H_
