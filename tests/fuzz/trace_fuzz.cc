// Any bytes as a header "traceparent" and as an idempotency key, both of which a stranger may send.
// Beyond crashes it looks for readings that aren't written back as they were.
#include <optional>
#include <string>
#include <string_view>

#include "core/trace.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const std::optional<tpo::SpanContext> context = tpo::ParseTraceParent(text)) {
    tpo::Require(context->span != 0, "no span has the number 0");
    tpo::Require(tpo::ParseTraceParent(tpo::ToTraceParent(*context)) == context,
                 "what was read is written so that it is read again");
  }
  if (const std::optional<tpo::GroupKey> key = tpo::ParseGroupKey(text)) {
    const std::string again =
        key->run_id + "/" + std::to_string(key->lease_id) + "/" + std::to_string(key->prompt_id);
    tpo::Require(tpo::ParseGroupKey(again) == key, "a key means the same, however it is written");
  }
  return 0;
}
