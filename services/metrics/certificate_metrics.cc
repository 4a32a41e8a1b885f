#include "services/metrics/certificate_metrics.h"

#include <utility>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "services/metrics/declare.h"

namespace tpo {
namespace {

using Expiry = std::function<absl::StatusOr<absl::Time>(const std::string&)>;

class CertificateCollectable : public prometheus::Collectable {
 public:
  CertificateCollectable(std::vector<CertificateFile> files, Expiry expiry)
      : files_(std::move(files)), expiry_(std::move(expiry)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    prometheus::MetricFamily family = EmptyFamily("tpo_certificate_expiry_timestamp_seconds");
    for (const CertificateFile& file : files_) {
      if (file.path.empty()) continue;
      const absl::StatusOr<absl::Time> time = expiry_(file.path);
      if (!time.ok()) continue;
      prometheus::ClientMetric metric;
      metric.label = {{"certificate", file.certificate}};
      metric.gauge.value = absl::ToDoubleSeconds(*time - absl::UnixEpoch());
      family.metric.push_back(std::move(metric));
    }
    if (family.metric.empty()) return {};
    return {std::move(family)};
  }

 private:
  const std::vector<CertificateFile> files_;
  const Expiry expiry_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> MakeCertificateMetrics(std::vector<CertificateFile> files,
                                                                Expiry expiry) {
  return std::make_shared<CertificateCollectable>(std::move(files), std::move(expiry));
}

}  // namespace tpo
