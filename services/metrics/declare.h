// Makes metrics as the catalogue declares them. Include in sources of this folder only: this header
// needs prometheus-cpp.
//
// A name that the catalogue doesn't have, or has with another type, is a programming error and ends
// the process: it would be a metric without documentation.
#ifndef TPO_SERVICES_METRICS_DECLARE_H_
#define TPO_SERVICES_METRICS_DECLARE_H_

#include <cstdint>
#include <string_view>

#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/metric_family.h"
#include "prometheus/registry.h"

namespace tpo {

// Families, for metrics with labels or that are absent at times.
prometheus::Family<prometheus::Gauge>& GaugeFamily(prometheus::Registry& registry,
                                                   std::string_view name);
prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry,
                                                       std::string_view name);
prometheus::Family<prometheus::Histogram>& HistogramFamily(prometheus::Registry& registry,
                                                           std::string_view name);

// Without labels.
prometheus::Gauge& AddGauge(prometheus::Registry& registry, std::string_view name);
prometheus::Counter& AddCounter(prometheus::Registry& registry, std::string_view name);
prometheus::Histogram& AddHistogram(prometheus::Registry& registry, std::string_view name,
                                    const prometheus::Histogram::BucketBoundaries& buckets);

// For collectables, which fill in the values at each scrape.
prometheus::MetricFamily EmptyFamily(std::string_view name);
prometheus::MetricFamily SingleValue(std::string_view name, double value);

// Raises a counter to a total that is counted elsewhere and never falls.
void RaiseTo(prometheus::Counter& counter, double total);

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_DECLARE_H_
