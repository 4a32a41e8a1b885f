#include "services/metrics/declare.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "services/metrics/metric_catalogue.h"

namespace tpo {
namespace {

const MetricDefinition& Declared(std::string_view name) {
  const MetricDefinition* const metric = FindMetric(name);
  if (metric == nullptr) {
    std::fprintf(stderr, "metric %s isn't in services/metrics/metric_catalogue.cc\n",
                 std::string(name).c_str());
    std::abort();
  }
  return *metric;
}

const MetricDefinition& Declared(std::string_view name, MetricKind kind) {
  const MetricDefinition& metric = Declared(name);
  if (metric.kind != kind) {
    std::fprintf(stderr, "metric %s is a %s in services/metrics/metric_catalogue.cc\n",
                 metric.name.c_str(), MetricKindName(metric.kind));
    std::abort();
  }
  return metric;
}

prometheus::MetricType TypeOf(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return prometheus::MetricType::Counter;
    case MetricKind::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricKind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

prometheus::Family<prometheus::Gauge>& GaugeFamily(prometheus::Registry& registry,
                                                   std::string_view name) {
  const MetricDefinition& metric = Declared(name, MetricKind::kGauge);
  return prometheus::BuildGauge().Name(metric.name).Help(metric.help).Register(registry);
}

prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry,
                                                       std::string_view name) {
  const MetricDefinition& metric = Declared(name, MetricKind::kCounter);
  return prometheus::BuildCounter().Name(metric.name).Help(metric.help).Register(registry);
}

prometheus::Family<prometheus::Histogram>& HistogramFamily(prometheus::Registry& registry,
                                                           std::string_view name) {
  const MetricDefinition& metric = Declared(name, MetricKind::kHistogram);
  return prometheus::BuildHistogram().Name(metric.name).Help(metric.help).Register(registry);
}

prometheus::Gauge& AddGauge(prometheus::Registry& registry, std::string_view name) {
  return GaugeFamily(registry, name).Add({});
}

prometheus::Counter& AddCounter(prometheus::Registry& registry, std::string_view name) {
  return CounterFamily(registry, name).Add({});
}

prometheus::Histogram& AddHistogram(prometheus::Registry& registry, std::string_view name,
                                    const prometheus::Histogram::BucketBoundaries& buckets) {
  return HistogramFamily(registry, name).Add({}, buckets);
}

prometheus::MetricFamily EmptyFamily(std::string_view name) {
  const MetricDefinition& metric = Declared(name);
  return {metric.name, metric.help, TypeOf(metric.kind), {}};
}

prometheus::MetricFamily SingleValue(std::string_view name, double value) {
  prometheus::MetricFamily family = EmptyFamily(name);
  prometheus::ClientMetric metric;
  metric.counter.value = value;
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
  return family;
}

void RaiseTo(prometheus::Counter& counter, double total) {
  const double difference = total - counter.Value();
  if (difference > 0) counter.Increment(difference);
}

}  // namespace tpo
