// Spans in OTLP, OpenTelemetry's protocol: the protobuf message ExportTraceServiceRequest, written
// out by hand because the fields in use don't earn a copy of OpenTelemetry's protos.
//
// Field numbers: opentelemetry/proto/collector/trace/v1/trace_service.proto,
// .../trace/v1/trace.proto, .../common/v1/common.proto and .../resource/v1/resource.proto of
// OpenTelemetry's protocol 1.x. A test reads the bytes with OpenTelemetry's own Python package.
// Pure function; thread-safe.
#ifndef TPO_SERVICES_TRACING_OTLP_ENCODING_H_
#define TPO_SERVICES_TRACING_OTLP_ENCODING_H_

#include <string>
#include <vector>

#include "core/trace.h"

namespace tpo {

// `service` is the program's name, e.g. "tpo-learner", `version` its version.
std::string EncodeOtlpRequest(const std::string& service, const std::string& version,
                              const std::vector<Span>& spans);

}  // namespace tpo

#endif  // TPO_SERVICES_TRACING_OTLP_ENCODING_H_
