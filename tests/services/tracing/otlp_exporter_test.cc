// What becomes of spans that can't be sent. That those which can are right, and arrive, is for
// tests/integration/traces_test.py, with OpenTelemetry's own package.
#include "services/tracing/otlp_exporter.h"

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "services/tracing/otlp_encoding.h"
#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

Span NewSpan() {
  Span span;
  span.trace = {1, 2};
  span.id = 3;
  span.name = "group";
  return span;
}

// Nobody listens there, and nothing is sent before the end.
OtlpExporter::Options ToNobody() {
  OtlpExporter::Options options;
  options.endpoint = "127.0.0.1:1";
  options.service = "test";
  options.interval = absl::InfiniteDuration();
  return options;
}

TEST(OtlpExporter, DropsWhatIsTooManyInsteadOfWaiting) {
  OtlpExporter::Options options = ToNobody();
  options.max_waiting = 4;
  const auto exporter = OtlpExporter::Start(options).value();
  for (int i = 0; i < 10; ++i) exporter->Add(NewSpan());
  EXPECT_EQ(exporter->counts().dropped, 6u);
  EXPECT_EQ(exporter->counts().sent, 0u);
}

TEST(OtlpExporter, CountsWhatTheCollectorDidNotTake) {
  OtlpExporter::Options options = ToNobody();
  options.max_batch = 2;
  options.call_deadline = absl::Milliseconds(100);
  const auto exporter = OtlpExporter::Start(options).value();
  for (int i = 0; i < 2; ++i) exporter->Add(NewSpan());
  while (exporter->counts().dropped < 2) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(exporter->counts().sent, 0u);
}

TEST(OtlpExporter, RefusesAddressesThatItMayNotUse) {
  OtlpExporter::Options options = ToNobody();
  options.endpoint = "collector";
  EXPECT_EQ(OtlpExporter::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.endpoint = "collector:4317";
  EXPECT_EQ(OtlpExporter::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.allow_remote_plaintext = true;
  EXPECT_TRUE(OtlpExporter::Start(options).ok());
}

TEST(StartTraces, IsNothingWithoutAnEndpoint) {
  const auto none = StartTraces("", "", false, "tpo-learner");
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, nullptr);
  EXPECT_EQ(StartTraces("localhost:4317", "/no/such.pem", false, "tpo-learner").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(EncodeOtlpRequest, HoldsTimesAsNanosecondsAndIdsInFull) {
  Span span = NewSpan();
  span.trace = {0x0102030405060708, 0x090a0b0c0d0e0f10};
  span.start = absl::FromUnixNanos(0x1122334455667788);
  const std::string bytes = EncodeOtlpRequest("test", "1", {span});
  EXPECT_NE(bytes.find("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"),
            std::string::npos);
  // Field 7, eight bytes, the lowest first.
  EXPECT_NE(bytes.find("\x39\x88\x77\x66\x55\x44\x33\x22\x11"), std::string::npos);
}

TEST(EncodeOtlpRequest, ReplacesWhatIsNotUtf8InEveryText) {
  Span span = NewSpan();
  span.name = "a\xFFz";
  span.error = "b\xFFz";
  span.texts = {{"c\xFFz", "d\xFFz"}};
  span.numbers = {{"e\xFFz", 1}};
  const std::string bytes = EncodeOtlpRequest("f\xFFz", "g\xFFz", {span});
  EXPECT_EQ(bytes.find('\xFF'), std::string::npos);
  for (const char initial : {'a', 'b', 'c', 'd', 'e', 'f', 'g'}) {
    EXPECT_NE(bytes.find(initial + std::string("\uFFFDz")), std::string::npos) << initial;
  }
}

}  // namespace
}  // namespace tpo
