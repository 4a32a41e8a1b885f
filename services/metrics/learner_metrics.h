// What a learner is like at the moment of a scrape: its queues, leases, workers and weights.
#ifndef TPO_SERVICES_METRICS_LEARNER_METRICS_H_
#define TPO_SERVICES_METRICS_LEARNER_METRICS_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "core/admin_api.h"
#include "services/metrics/metrics_registry.h"

namespace tpo {

// What the config says, for alerts to compare with.
struct LearnerLimits {
  int max_staleness = 0;
  int prompts_per_step = 0;
  absl::Duration lease_time_to_live;
  int64_t checkpoint_every_steps = 0;
};

struct LearnerReading {
  RunStatus status;
  uint64_t weights_size_bytes = 0;
};

// Thread-safe.
class LearnerMetrics {
 public:
  // Adds itself to the registry, which has no server yet.
  explicit LearnerMetrics(MetricsRegistry* registry);
  ~LearnerMetrics();

  // From now on a scrape calls `read`, from any thread; before, and after Detach, it shows nothing
  // of a learner.
  void Attach(const LearnerLimits& limits, std::function<LearnerReading()> read);
  // Returns when no call of `read` is in progress. Idempotent.
  void Detach();

 private:
  class Source;
  const std::shared_ptr<Source> source_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_LEARNER_METRICS_H_
