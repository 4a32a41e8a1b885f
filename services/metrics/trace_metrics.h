// What became of the spans of traces, as metrics, read at each scrape.
#ifndef TPO_SERVICES_METRICS_TRACE_METRICS_H_
#define TPO_SERVICES_METRICS_TRACE_METRICS_H_

#include <functional>
#include <memory>

#include "core/trace.h"

namespace prometheus {
class Collectable;
}  // namespace prometheus

namespace tpo {

// For MetricsRegistry::Add. `counts` is called at each scrape, from any thread.
std::shared_ptr<prometheus::Collectable> MakeTraceMetrics(std::function<SpanCounts()> counts);

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_TRACE_METRICS_H_
