// The flags that say where traces go. Plain values.
#ifndef TPO_SERVICES_CLI_TRACE_FLAGS_H_
#define TPO_SERVICES_CLI_TRACE_FLAGS_H_

#include <string>

namespace tpo {

struct TraceFlags {
  std::string endpoint;        // HOST:PORT of an OpenTelemetry collector; empty: none
  std::string ca;              // PEM file of the authorities of its certificate; empty: plaintext
  bool insecure = false;       // plaintext off loopback, to the collector
  double sample_ratio = 0.01;  // of groups and calls; verifiers are told by callers
};

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_TRACE_FLAGS_H_
