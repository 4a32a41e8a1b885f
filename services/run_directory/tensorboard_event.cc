#include "services/run_directory/tensorboard_event.h"

#include <bit>
#include <cstddef>

#include "absl/types/span.h"
#include "core/weight_snapshot.h"

namespace tpo {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

// Event
constexpr uint32_t kWallTime = 1;
constexpr uint32_t kStep = 2;
constexpr uint32_t kFileVersion = 3;
constexpr uint32_t kSummary = 5;
constexpr uint32_t kSessionLog = 7;
// Summary, Summary.Value, SessionLog
constexpr uint32_t kSummaryValue = 1;
constexpr uint32_t kValueTag = 1;
constexpr uint32_t kValueSimpleValue = 2;
constexpr uint32_t kSessionStatus = 1;
constexpr uint64_t kSessionStart = 1;

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

template <typename Unsigned>
void AppendLittleEndian(Unsigned value, std::string* out) {
  for (size_t byte = 0; byte < sizeof(value); ++byte) {
    out->push_back(static_cast<char>(value >> (8 * byte)));
  }
}

void AppendKey(uint32_t field, WireType type, std::string* out) {
  AppendVarint((field << 3) | type, out);
}

void AppendBytes(uint32_t field, std::string_view bytes, std::string* out) {
  AppendKey(field, kLengthDelimited, out);
  AppendVarint(bytes.size(), out);
  out->append(bytes);
}

std::string EventStart(double unix_seconds) {
  std::string event;
  AppendKey(kWallTime, kFixed64, &event);
  AppendLittleEndian(std::bit_cast<uint64_t>(unix_seconds), &event);
  return event;
}

std::string EventStart(double unix_seconds, int64_t step) {
  std::string event = EventStart(unix_seconds);
  AppendKey(kStep, kVarint, &event);
  AppendVarint(static_cast<uint64_t>(step), &event);
  return event;
}

// The format masks its checksums, so that the checksum of data that holds checksums stays
// meaningful.
uint32_t MaskedCrc32c(std::string_view data) {
  const uint32_t crc =
      Crc32c(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(data.data()), data.size()));
  return std::rotr(crc, 15) + 0xa282ead8U;
}

}  // namespace

std::string EncodeFileVersionEvent(double unix_seconds) {
  std::string event = EventStart(unix_seconds);
  AppendBytes(kFileVersion, "brain.Event:2", &event);
  return event;
}

std::string EncodeRestartEvent(double unix_seconds, int64_t step) {
  std::string session_log;
  AppendKey(kSessionStatus, kVarint, &session_log);
  AppendVarint(kSessionStart, &session_log);
  std::string event = EventStart(unix_seconds, step);
  AppendBytes(kSessionLog, session_log, &event);
  return event;
}

std::string EncodeScalarsEvent(double unix_seconds, int64_t step,
                               const std::vector<TensorBoardScalar>& scalars) {
  std::string summary;
  for (const TensorBoardScalar& scalar : scalars) {
    std::string value;
    AppendBytes(kValueTag, scalar.tag, &value);
    AppendKey(kValueSimpleValue, kFixed32, &value);
    AppendLittleEndian(std::bit_cast<uint32_t>(static_cast<float>(scalar.value)), &value);
    AppendBytes(kSummaryValue, value, &summary);
  }
  std::string event = EventStart(unix_seconds, step);
  AppendBytes(kSummary, summary, &event);
  return event;
}

std::string FrameTfRecord(std::string_view data) {
  std::string record;
  AppendLittleEndian(static_cast<uint64_t>(data.size()), &record);
  AppendLittleEndian(MaskedCrc32c(record), &record);
  record.append(data);
  AppendLittleEndian(MaskedCrc32c(data), &record);
  return record;
}

}  // namespace tpo
