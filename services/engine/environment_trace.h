// The trace that a command of an operator's belongs to.
#ifndef TPO_SERVICES_ENGINE_ENVIRONMENT_TRACE_H_
#define TPO_SERVICES_ENGINE_ENVIRONMENT_TRACE_H_

#include <cstdlib>
#include <optional>

#include "core/trace.h"

namespace tpo {

// From the variable TRACEPARENT, by which pipelines and scripts hand their trace on to the programs
// that they start
// (https://opentelemetry.io/docs/specs/otel/context/env-carriers); none: no valid one is set.
// REQUIRES: nobody changes the environment meanwhile.
inline std::optional<SpanContext> EnvironmentTrace() {
  const char* const value = std::getenv("TRACEPARENT");
  return value == nullptr ? std::nullopt : ParseTraceParent(value);
}

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_ENVIRONMENT_TRACE_H_
