// What a relay is like at the moment of a scrape.
#ifndef TPO_SERVICES_METRICS_RELAY_METRICS_H_
#define TPO_SERVICES_METRICS_RELAY_METRICS_H_

#include <cstddef>
#include <functional>
#include <memory>

namespace prometheus {
class Collectable;
}  // namespace prometheus

namespace tpo {

// For MetricsRegistry::Add. `subscribers` is called at each scrape, from any thread.
std::shared_ptr<prometheus::Collectable> MakeRelayMetrics(std::function<size_t()> subscribers);

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_RELAY_METRICS_H_
