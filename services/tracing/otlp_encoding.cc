#include "services/tracing/otlp_encoding.h"

#include <cstdint>
#include <string_view>

#include "services/grpc/utf8.h"

namespace tpo {
namespace {

// Protobuf's wire format (https://protobuf.dev/programming-guides/encoding).
class Message {
 public:
  void Varint(int field, uint64_t value) {
    Raw(static_cast<uint64_t>(field) << 3);
    Raw(value);
  }
  void Fixed64(int field, uint64_t value) {
    Raw(static_cast<uint64_t>(field) << 3 | 1);
    for (int i = 0; i < 8; ++i) bytes_ += static_cast<char>(value >> (8 * i));
  }
  void Bytes(int field, std::string_view value) {
    Raw(static_cast<uint64_t>(field) << 3 | 2);
    Raw(value.size());
    bytes_ += value;
  }
  // A string field. Errors quote what peers said, and one invalid byte would cost the whole batch
  // where the collector is strict.
  void Text(int field, const std::string& value) { Bytes(field, ValidUtf8(value)); }
  const std::string& bytes() const { return bytes_; }

 private:
  void Raw(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

std::string BigEndian(uint64_t number) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
  return bytes;
}

std::string KeyValue(const std::string& key, const Message& any_value) {
  Message pair;
  pair.Text(1, key);
  pair.Bytes(2, any_value.bytes());
  return pair.bytes();
}

std::string TextAttribute(const std::string& key, const std::string& value) {
  Message any;
  any.Text(1, value);
  return KeyValue(key, any);
}

std::string NumberAttribute(const std::string& key, int64_t value) {
  Message any;
  any.Varint(3, static_cast<uint64_t>(value));
  return KeyValue(key, any);
}

uint64_t KindOf(SpanKind kind) {
  switch (kind) {
    case SpanKind::kInternal:
      break;
    case SpanKind::kServer:
      return 2;
    case SpanKind::kClient:
      return 3;
  }
  return 1;
}

std::string EncodeSpan(const Span& span) {
  constexpr uint64_t kError = 2;
  Message message;
  message.Bytes(1, BigEndian(span.trace.high) + BigEndian(span.trace.low));
  message.Bytes(2, BigEndian(span.id));
  if (span.parent != 0) message.Bytes(4, BigEndian(span.parent));
  message.Text(5, span.name);
  message.Varint(6, KindOf(span.kind));
  message.Fixed64(7, static_cast<uint64_t>(absl::ToUnixNanos(span.start)));
  message.Fixed64(8, static_cast<uint64_t>(absl::ToUnixNanos(span.end)));
  for (const auto& [key, value] : span.numbers) message.Bytes(9, NumberAttribute(key, value));
  for (const auto& [key, value] : span.texts) message.Bytes(9, TextAttribute(key, value));
  if (!span.error.empty()) {
    Message status;
    status.Text(2, span.error);
    status.Varint(3, kError);
    message.Bytes(15, status.bytes());
  }
  return message.bytes();
}

}  // namespace

std::string EncodeOtlpRequest(const std::string& service, const std::string& version,
                              const std::vector<Span>& spans) {
  Message resource;
  resource.Bytes(1, TextAttribute("service.name", service));
  resource.Bytes(1, TextAttribute("service.version", version));
  Message scope;
  scope.Text(1, "tpo");
  Message scope_spans;
  scope_spans.Bytes(1, scope.bytes());
  for (const Span& span : spans) scope_spans.Bytes(2, EncodeSpan(span));
  Message resource_spans;
  resource_spans.Bytes(1, resource.bytes());
  resource_spans.Bytes(2, scope_spans.bytes());
  Message request;
  request.Bytes(1, resource_spans.bytes());
  return request.bytes();
}

}  // namespace tpo
