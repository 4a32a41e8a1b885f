#include "core/trace.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <random>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace tpo {
namespace {

// W3C's consistent sampling looks at the last 56 bits of the trace id.
constexpr int kRandomBits = 56;
constexpr size_t kTraceParentSize = 55;

// FNV-1a and a finalizer (that of SplitMix64), so that neighbouring numbers give unlike ids.
class Hash {
 public:
  explicit Hash(uint64_t seed) { Add(seed); }
  void Add(std::string_view bytes) {
    for (const char c : bytes) AddByte(static_cast<unsigned char>(c));
    Add(bytes.size());
  }
  void Add(uint64_t number) {
    for (int i = 0; i < 8; ++i) AddByte(static_cast<unsigned char>(number >> (8 * i)));
  }
  // Not zero.
  uint64_t Value() const {
    uint64_t x = state_;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    x ^= x >> 31;
    return x == 0 ? 1 : x;
  }

 private:
  void AddByte(unsigned char byte) { state_ = (state_ ^ byte) * 0x100000001b3ULL; }
  uint64_t state_ = 0xcbf29ce484222325ULL;
};

std::string Hex(uint64_t number) { return absl::StrCat(absl::Hex(number, absl::kZeroPad16)); }

// Lower-case only, as the standard wants it.
std::optional<uint64_t> ParseHex(std::string_view text) {
  uint64_t value = 0;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    value = value << 4 | static_cast<uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return value;
}

// Digits only.
std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Differs from call to call, and between processes.
uint64_t RandomNumber() {
  static const uint64_t seed = [] {
    std::random_device random;
    return uint64_t{random()} << 32 | random();
  }();
  static std::atomic<uint64_t> calls = 0;
  Hash hash(seed);
  hash.Add(++calls);
  return hash.Value();
}

}  // namespace

TraceId NewTraceId() { return {.high = RandomNumber(), .low = RandomNumber()}; }

uint64_t NewSpanId() { return RandomNumber(); }

TraceId GroupTraceId(std::string_view run_id, uint64_t prompt_id) {
  TraceId id;
  for (uint64_t* const half : {&id.high, &id.low}) {
    Hash hash(half == &id.high ? 1 : 2);
    hash.Add(run_id);
    hash.Add(prompt_id);
    *half = hash.Value();
  }
  return id;
}

uint64_t KnownSpanId(const TraceId& trace, std::string_view name, uint64_t number) {
  Hash hash(3);
  hash.Add(trace.high);
  hash.Add(trace.low);
  hash.Add(name);
  hash.Add(number);
  return hash.Value();
}

bool IsSampled(const TraceId& trace, double fraction) {
  if (!(fraction > 0.0)) return false;
  const uint64_t random = trace.low & ((uint64_t{1} << kRandomBits) - 1);
  const double rejected = (1.0 - std::min(fraction, 1.0)) * std::ldexp(1.0, kRandomBits);
  return static_cast<double>(random) >= rejected;
}

std::string ToTraceParent(const SpanContext& context) {
  return absl::StrCat("00-", Hex(context.trace.high), Hex(context.trace.low), "-",
                      Hex(context.span), context.sampled ? "-01" : "-00");
}

std::optional<SpanContext> ParseTraceParent(std::string_view header) {
  if (header.size() < kTraceParentSize) return std::nullopt;
  if (header[2] != '-' || header[35] != '-' || header[52] != '-') return std::nullopt;
  const std::optional<uint64_t> version = ParseHex(header.substr(0, 2));
  const std::optional<uint64_t> high = ParseHex(header.substr(3, 16));
  const std::optional<uint64_t> low = ParseHex(header.substr(19, 16));
  const std::optional<uint64_t> span = ParseHex(header.substr(36, 16));
  const std::optional<uint64_t> flags = ParseHex(header.substr(53, 2));
  if (!version || !high || !low || !span || !flags || *version == 0xff) return std::nullopt;
  const bool longer = header.size() > kTraceParentSize;
  if (longer && (*version == 0 || header[kTraceParentSize] != '-')) return std::nullopt;
  if ((*high == 0 && *low == 0) || *span == 0) return std::nullopt;
  return SpanContext{.trace = {*high, *low}, .span = *span, .sampled = (*flags & 1) != 0};
}

std::optional<GroupKey> ParseGroupKey(std::string_view idempotency_key) {
  const size_t second = idempotency_key.rfind('/');
  if (second == std::string_view::npos || second == 0) return std::nullopt;
  const size_t first = idempotency_key.rfind('/', second - 1);
  if (first == std::string_view::npos) return std::nullopt;
  const std::optional<uint64_t> lease =
      ParseNumber(idempotency_key.substr(first + 1, second - first - 1));
  const std::optional<uint64_t> prompt = ParseNumber(idempotency_key.substr(second + 1));
  if (!lease.has_value() || !prompt.has_value()) return std::nullopt;
  return GroupKey{std::string(idempotency_key.substr(0, first)), *lease, *prompt};
}

std::optional<Span> BeginVerifySpan(const Tracing& tracing, std::string_view idempotency_key,
                                    const std::string& task, const std::string& backend,
                                    uint64_t attempt) {
  if (tracing.sink == nullptr) return std::nullopt;
  const std::optional<GroupKey> group = ParseGroupKey(idempotency_key);
  if (!group.has_value()) return std::nullopt;
  const TraceId trace = GroupTraceId(group->run_id, group->prompt_id);
  if (!tracing.Wants(trace)) return std::nullopt;
  Span span;
  span.trace = trace;
  span.id = KnownSpanId(trace, absl::StrCat("verify ", group->lease_id, " at ", backend), attempt);
  span.parent = KnownSpanId(trace, "rollout", group->lease_id);
  span.name = "verify";
  span.start = absl::Now();
  span.texts = {{"tpo.backend", backend}, {"tpo.task", task}};
  return span;
}

std::optional<Span> BeginCallSpan(const Tracing& tracing, std::string_view method) {
  if (tracing.sink == nullptr) return std::nullopt;
  const TraceId trace = NewTraceId();
  if (!tracing.Wants(trace)) return std::nullopt;
  Span span;
  span.trace = trace;
  span.id = NewSpanId();
  span.name = method;
  span.kind = SpanKind::kClient;
  span.start = absl::Now();
  return span;
}

Span ServedCallSpan(const SpanContext& caller, std::string_view method, absl::Time start) {
  Span span;
  span.trace = caller.trace;
  span.id = NewSpanId();
  span.parent = caller.span;
  span.name = method;
  span.kind = SpanKind::kServer;
  span.start = start;
  return span;
}

SpanContext ContextOf(const Span& span) {
  return {.trace = span.trace, .span = span.id, .sampled = true};
}

}  // namespace tpo
