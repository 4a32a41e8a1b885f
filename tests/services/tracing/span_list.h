// Where spans go in tests.
#ifndef TPO_TESTS_SERVICES_TRACING_SPAN_LIST_H_
#define TPO_TESTS_SERVICES_TRACING_SPAN_LIST_H_

#include <string>
#include <utility>
#include <vector>

#include "core/trace.h"

namespace tpo {

// For one thread.
class SpanList : public SpanSink {
 public:
  void Add(Span span) override { spans.push_back(std::move(span)); }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const Span& span : spans) names.push_back(span.name);
    return names;
  }

  std::vector<Span> spans;
};

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_TRACING_SPAN_LIST_H_
