// Every metric that any of the programs exposes, declared once: name, type, unit, labels, meaning.
// What is exposed takes its type and help text from here (services/metrics/declare.h),
// docs/metrics.md is printed from here (`tpo metrics`), and tests hold dashboards and alerts
// against it. Needs no Prometheus library.
//
// Names follow Prometheus' conventions: prefix tpo_, base units, _total on counters. The values of
// every label come from a fixed set, from the config, or from this program's own code; never from a
// peer, so that nobody can make series grow.
//
// Thread-safe: constant data and pure functions.
#ifndef TPO_SERVICES_METRICS_METRIC_CATALOGUE_H_
#define TPO_SERVICES_METRICS_METRIC_CATALOGUE_H_

#include <string>
#include <string_view>
#include <vector>

namespace tpo {

enum class MetricKind { kCounter, kGauge, kHistogram };

struct MetricLabel {
  std::string name;
  std::string values;  // which there are, for people
};

struct MetricDefinition {
  std::string name;
  MetricKind kind = MetricKind::kGauge;
  std::string help;  // one line, ends with a full stop; says the unit
  std::vector<MetricLabel> labels = {};
};

struct MetricSection {
  std::string title;
  std::string programs;  // which of them expose it
  std::vector<MetricDefinition> metrics;
};

const std::vector<MetricSection>& MetricCatalogue();

// nullptr: there is none of this name.
const MetricDefinition* FindMetric(std::string_view name);

// "counter", "gauge" or "histogram".
const char* MetricKindName(MetricKind kind);

// The part of docs/metrics.md that follows kMetricsReferenceTitle, that line included; Markdown.
inline constexpr char kMetricsReferenceTitle[] = "## Prometheus\n";
std::string MetricsReference();

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_METRIC_CATALOGUE_H_
