#include "services/metrics/trace_metrics.h"

#include <utility>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "services/metrics/declare.h"

namespace tpo {
namespace {

class TraceCollectable : public prometheus::Collectable {
 public:
  explicit TraceCollectable(std::function<SpanCounts()> counts) : counts_(std::move(counts)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const SpanCounts counts = counts_();
    prometheus::MetricFamily family = EmptyFamily("tpo_trace_spans_total");
    for (const auto& [outcome, count] :
         {std::pair("sent", counts.sent), std::pair("dropped", counts.dropped)}) {
      prometheus::ClientMetric metric;
      metric.label = {{"outcome", outcome}};
      metric.counter.value = static_cast<double>(count);
      family.metric.push_back(std::move(metric));
    }
    return {std::move(family)};
  }

 private:
  const std::function<SpanCounts()> counts_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> MakeTraceMetrics(std::function<SpanCounts()> counts) {
  return std::make_shared<TraceCollectable>(std::move(counts));
}

}  // namespace tpo
