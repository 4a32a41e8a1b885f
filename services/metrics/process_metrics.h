// Memory, processor time and files of this process, read from /proc/self at each scrape. Linux
// only: what can't be read is left out.
#ifndef TPO_SERVICES_METRICS_PROCESS_METRICS_H_
#define TPO_SERVICES_METRICS_PROCESS_METRICS_H_

#include <memory>

namespace prometheus {
class Collectable;
}  // namespace prometheus

namespace tpo {

// Thread-safe.
std::shared_ptr<prometheus::Collectable> MakeProcessMetrics();

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_PROCESS_METRICS_H_
