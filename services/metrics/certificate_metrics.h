// When the certificates that a program uses expire, as a metric, read at each scrape.
#ifndef TPO_SERVICES_METRICS_CERTIFICATE_METRICS_H_
#define TPO_SERVICES_METRICS_CERTIFICATE_METRICS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace prometheus {
class Collectable;
}  // namespace prometheus

namespace tpo {

struct CertificateFile {
  std::string certificate;  // the label's value, "own" or "authority"
  std::string path;         // empty: there is none
};

// For MetricsRegistry::Add. `expiry` says when the first certificate of a file to expire does; it
// is called at each scrape, from any thread. A file that it can't read is left out.
std::shared_ptr<prometheus::Collectable> MakeCertificateMetrics(
    std::vector<CertificateFile> files,
    std::function<absl::StatusOr<absl::Time>(const std::string& path)> expiry);

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_CERTIFICATE_METRICS_H_
