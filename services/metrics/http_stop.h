// Stopping civetweb, the HTTP server under /metrics and the status page, without its delay: its
// accepting thread looks whether it is to stop only when somebody connects, or every two seconds.
#ifndef TPO_SERVICES_METRICS_HTTP_STOP_H_
#define TPO_SERVICES_METRICS_HTTP_STOP_H_

#include <functional>
#include <string>

namespace tpo {

// Runs `stop` while connecting to this machine at the port of `address`, HOST:PORT, again and again
// until it returns.
void StopHttpServer(const std::string& address, const std::function<void()>& stop);

// `address` with a numerical host, as civetweb wants it.
std::string WithIpAddress(const std::string& address);

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_HTTP_STOP_H_
