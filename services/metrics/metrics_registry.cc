#include "services/metrics/metrics_registry.h"

#include <utility>
#include <vector>

#include "core/version.h"
#include "prometheus/metric_family.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "services/metrics/declare.h"
#include "services/metrics/process_metrics.h"

namespace tpo {

MetricsRegistry::MetricsRegistry(const std::string& program)
    : registry_(std::make_shared<prometheus::Registry>()),
      collectables_({registry_, MakeProcessMetrics()}) {
  GaugeFamily(*registry_, "tpo_build_info")
      .Add({{"program", program},
            {"version", std::string(Version())},
            {"commit", std::string(Commit())},
            {"build_type", std::string(BuildType())},
            {"compiler", std::string(Compiler())}})
      .Set(1);
}

void MetricsRegistry::Add(std::shared_ptr<prometheus::Collectable> collectable) {
  collectables_.push_back(std::move(collectable));
}

std::string MetricsRegistry::Text() const {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& collectable : collectables_) {
    for (prometheus::MetricFamily& family : collectable->Collect())
      families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace tpo
