// How a worker's external verifiers are asked, as metrics, read at each scrape: the catalogue's
// section of that name.
#ifndef TPO_SERVICES_METRICS_VERIFICATION_METRICS_H_
#define TPO_SERVICES_METRICS_VERIFICATION_METRICS_H_

#include <memory>

#include "services/metrics/metrics_registry.h"
#include "verifier/routing/pool_statistics.h"

namespace prometheus {
class Collectable;
}  // namespace prometheus

namespace tpo {

// For MetricsRegistry::Add. `monitor` outlives it.
std::shared_ptr<prometheus::Collectable> MakeVerificationMetrics(const PoolMonitor* monitor);

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_VERIFICATION_METRICS_H_
