// Sends spans to an OpenTelemetry collector, as OTLP over gRPC.
//
// Bounded: at most max_waiting spans wait; more are dropped and counted. A collector that can't be
// reached costs nothing but the spans: there is no second try, and the first failure of a row is
// logged.
#ifndef TPO_SERVICES_TRACING_OTLP_EXPORTER_H_
#define TPO_SERVICES_TRACING_OTLP_EXPORTER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/trace.h"
#include "services/grpc/tls.h"

namespace tpo {

// Thread-safe. Owns its thread.
class OtlpExporter : public SpanSink {
 public:
  struct Options {
    std::string endpoint;  // HOST:PORT of the collector's gRPC receiver
    // Whether to send plaintext to an address that isn't loopback.
    bool allow_remote_plaintext = false;
    // Encrypted when given, else plaintext.
    std::optional<TlsOptions> tls = std::nullopt;
    std::string service;  // the program's name
    std::string version;
    size_t max_waiting = 2048;
    size_t max_batch = 512;
    absl::Duration interval = absl::Seconds(1);
    absl::Duration call_deadline = absl::Seconds(3);
    // What the destructor takes at most, beyond a call in progress.
    absl::Duration farewell = absl::Seconds(2);
  };

  // INVALID_ARGUMENT: the address is malformed, or remote and plaintext without being allowed, or a
  // file for TLS is at fault.
  static absl::StatusOr<std::unique_ptr<OtlpExporter>> Start(const Options& options);
  // Sends what waits, as far as options.farewell allows, and joins.
  ~OtlpExporter() override;

  void Add(Span span) override;
  SpanCounts counts() const;

 private:
  class Impl;
  explicit OtlpExporter(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

// From a program's flags. `ca`: a PEM file with the authorities of the collector's certificate;
// empty: plaintext. nullptr without an endpoint. Errors are OtlpExporter::Start's.
absl::StatusOr<std::unique_ptr<OtlpExporter>> StartTraces(const std::string& endpoint,
                                                          const std::string& ca,
                                                          bool allow_remote_plaintext,
                                                          const std::string& program);

}  // namespace tpo

#endif  // TPO_SERVICES_TRACING_OTLP_EXPORTER_H_
