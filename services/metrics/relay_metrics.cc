#include "services/metrics/relay_metrics.h"

#include <utility>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "services/metrics/declare.h"

namespace tpo {
namespace {

class RelayCollectable : public prometheus::Collectable {
 public:
  explicit RelayCollectable(std::function<size_t()> subscribers)
      : subscribers_(std::move(subscribers)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    return {SingleValue("tpo_relay_subscribers", static_cast<double>(subscribers_()))};
  }

 private:
  const std::function<size_t()> subscribers_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> MakeRelayMetrics(std::function<size_t()> subscribers) {
  return std::make_shared<RelayCollectable>(std::move(subscribers));
}

}  // namespace tpo
