// Serves /metrics over HTTP, in plaintext and to whoever can reach the address.
#ifndef TPO_SERVICES_METRICS_METRICS_SERVER_H_
#define TPO_SERVICES_METRICS_METRICS_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/metrics/metrics_registry.h"

namespace prometheus {
class Exposer;
}  // namespace prometheus

namespace tpo {

// Owns its threads; the destructor joins them.
class MetricsServer {
 public:
  // `listen` is HOST:PORT; port 0 picks a free one. Prints the line "metrics on HOST:PORT" to
  // stdout, unless told not to. INVALID_ARGUMENT: the address is malformed.
  // FAILED_PRECONDITION: it can't be listened on; the message names it and says why.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& listen,
                                                              const MetricsRegistry& registry,
                                                              bool announce = true);
  ~MetricsServer();

  // HOST:PORT with the real port.
  const std::string& address() const { return address_; }

 private:
  MetricsServer(std::unique_ptr<prometheus::Exposer> exposer, std::string address);

  std::unique_ptr<prometheus::Exposer> exposer_;
  const std::string address_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_METRICS_SERVER_H_
