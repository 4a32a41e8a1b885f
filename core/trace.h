// Traces: what became of single groups, from their lease to the step that trained on them.
//
// Every group has one trace. Its id is a hash of the run's id and the prompt's, so that learner and
// workers know it without being told; so do the ids of the spans that others refer to. Which groups
// are traced follows from the id too (the part of it that W3C's consistent sampling looks at), so
// all roles agree. Calls that belong to no group (leasing, weights, status, ...) each have a trace
// of their own. With every call of a trace its context travels in W3C's header `traceparent`
// (https://www.w3.org/TR/trace-context).
//
//   group (lease to training)
//   ├── rollout   lease received to groups handed in        worker
//   │   └── verify  one attempt at one verifier             worker
//   │       └── judge                                       verifier
//   ├── submit    received to answered                      learner
//   └── train     the step                                  learner
//
//   LeasePrompts and other calls, by their method           whoever calls
//   └── the same                                            whoever answers
//
// Values and pure functions; thread-safe.
#ifndef TPO_CORE_TRACE_H_
#define TPO_CORE_TRACE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace tpo {

struct TraceId {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const TraceId&, const TraceId&) = default;
};

// Never zero, which W3C forbids.
TraceId GroupTraceId(std::string_view run_id, uint64_t prompt_id);

// The id of a span that another role refers to: of the `number`th span of this name in the trace.
// Never zero.
uint64_t KnownSpanId(const TraceId& trace, std::string_view name, uint64_t number = 0);

// Of a trace, or a span, that nobody else has to know beforehand: random. Never zero.
TraceId NewTraceId();
uint64_t NewSpanId();

// Whether a trace is among the `fraction`, 0 to 1, of those that are recorded.
bool IsSampled(const TraceId& trace, double fraction);

// Where a span hangs.
struct SpanContext {
  TraceId trace;
  uint64_t span = 0;
  bool sampled = false;

  friend bool operator==(const SpanContext&, const SpanContext&) = default;
};

// "00-<trace>-<span>-<flags>", in lower-case hexadecimal.
std::string ToTraceParent(const SpanContext& context);

// Nothing for what isn't a valid header. Of a later version the part that this one knows is taken.
std::optional<SpanContext> ParseTraceParent(std::string_view header);

enum class SpanKind {
  kInternal,
  kServer,  // of a call, as who answers it sees it
  kClient,  // the same, as who makes it does
};

struct Span {
  TraceId trace;
  uint64_t id = 0;
  uint64_t parent = 0;  // 0: none
  std::string name;
  SpanKind kind = SpanKind::kInternal;
  absl::Time start;
  absl::Time end;
  std::vector<std::pair<std::string, int64_t>> numbers;    // attributes
  std::vector<std::pair<std::string, std::string>> texts;  // attributes
  std::string error;                                       // empty: it went well
};

// What became of the spans that a sink was given.
struct SpanCounts {
  uint64_t sent = 0;
  uint64_t dropped = 0;
};

// Where spans go. Thread-safe; never blocks: a sink that can't keep up drops spans.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void Add(Span span) = 0;
};

// Whether and where a process records traces.
struct Tracing {
  SpanSink* sink = nullptr;   // nullptr: it doesn't
  double sample_ratio = 0.0;  // of the groups

  bool Wants(const TraceId& trace) const {
    return sink != nullptr && IsSampled(trace, sample_ratio);
  }
};

// A group and lease, as a worker names them to verifiers.
struct GroupKey {
  std::string run_id;
  uint64_t lease_id = 0;
  uint64_t prompt_id = 0;

  friend bool operator==(const GroupKey&, const GroupKey&) = default;
};

// Of VerifyRequest::idempotency_key, "RUN/LEASE/PROMPT"; nothing for a key of another form.
std::optional<GroupKey> ParseGroupKey(std::string_view idempotency_key);

// A span "verify" that begins now: one attempt to have a group judged. Nothing when the group isn't
// to be traced. `attempt` differs between the attempts of a process; `backend` says who is asked.
std::optional<Span> BeginVerifySpan(const Tracing& tracing, std::string_view idempotency_key,
                                    const std::string& task, const std::string& backend,
                                    uint64_t attempt);

// A span of a call that begins now and belongs to no group, in a trace of its own. Nothing when
// that trace isn't to be recorded.
std::optional<Span> BeginCallSpan(const Tracing& tracing, std::string_view method);

// A span of the same call as who answers it sees it; it has no end yet.
Span ServedCallSpan(const SpanContext& caller, std::string_view method, absl::Time start);

// Where what hangs below the span begins.
SpanContext ContextOf(const Span& span);

}  // namespace tpo

#endif  // TPO_CORE_TRACE_H_
