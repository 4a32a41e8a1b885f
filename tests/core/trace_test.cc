#include "core/trace.h"

#include <set>

#include "gtest/gtest.h"

namespace tpo {
namespace {

// The example of https://www.w3.org/TR/trace-context, section 3.2.2.3.
constexpr char kExample[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceParent, IsReadAndWrittenAsTheStandardSays) {
  const SpanContext context = {.trace = {0x4bf92f3577b34da6, 0xa3ce929d0e0e4736},
                               .span = 0x00f067aa0ba902b7,
                               .sampled = true};
  EXPECT_EQ(ToTraceParent(context), kExample);
  EXPECT_EQ(ParseTraceParent(kExample), context);
  SpanContext unsampled = context;
  unsampled.sampled = false;
  EXPECT_EQ(ParseTraceParent(ToTraceParent(unsampled)), unsampled);
}

TEST(TraceParent, OfALaterVersionIsReadAsFarAsKnown) {
  const std::string later = std::string("01") + std::string(kExample).substr(2) + "-more";
  EXPECT_EQ(ParseTraceParent(later), ParseTraceParent(kExample));
}

TEST(TraceParent, ThatIsWrongIsNone) {
  const std::string example = kExample;
  for (const std::string& wrong :
       {std::string(), std::string("00"), example.substr(1), example + "0", example + "-more",
        "ff" + example.substr(2), "zz" + example.substr(2),
        std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        std::string("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        std::string("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
        std::string("00 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        std::string("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g")}) {
    EXPECT_EQ(ParseTraceParent(wrong), std::nullopt) << wrong;
  }
}

TEST(GroupTraceId, IsTheSameForAllAndDiffersBetweenGroups) {
  EXPECT_EQ(GroupTraceId("run", 7), GroupTraceId("run", 7));
  std::set<std::pair<uint64_t, uint64_t>> ids;
  for (const char* run : {"a", "b", ""}) {
    for (uint64_t prompt = 0; prompt < 1000; ++prompt) {
      const TraceId id = GroupTraceId(run, prompt);
      EXPECT_TRUE(id.high != 0 && id.low != 0);
      ids.emplace(id.high, id.low);
    }
  }
  EXPECT_EQ(ids.size(), 3000u);
}

TEST(GroupTraceId, SpansOfOneTraceDiffer) {
  const TraceId trace = GroupTraceId("run", 7);
  const std::set<uint64_t> ids = {KnownSpanId(trace, "group"), KnownSpanId(trace, "rollout", 1),
                                  KnownSpanId(trace, "rollout", 2), KnownSpanId(trace, "submit", 1),
                                  KnownSpanId(GroupTraceId("run", 8), "group")};
  EXPECT_EQ(ids.size(), 5u);
}

TEST(IsSampled, TakesTheFractionAndGrowsWithIt) {
  int sampled = 0;
  for (uint64_t prompt = 0; prompt < 20'000; ++prompt) {
    const TraceId trace = GroupTraceId("run", prompt);
    EXPECT_FALSE(IsSampled(trace, 0.0));
    EXPECT_TRUE(IsSampled(trace, 1.0));
    if (!IsSampled(trace, 0.1)) continue;
    ++sampled;
    EXPECT_TRUE(IsSampled(trace, 0.2)) << "who traces more, traces these as well";
  }
  EXPECT_NEAR(sampled, 2000, 200);
}

TEST(ParseGroupKey, ReadsWhatWorkersWrite) {
  EXPECT_EQ(ParseGroupKey("run/12/34"), (GroupKey{"run", 12, 34}));
  EXPECT_EQ(ParseGroupKey("a/b/12/34"), (GroupKey{"a/b", 12, 34}));
  for (const char* other : {"", "/", "run", "run/12", "run/x/3", "run/1/", "run//3", "run/1/-3",
                            "run/1/99999999999999999999"})
    EXPECT_EQ(ParseGroupKey(other), std::nullopt) << other;
}

TEST(BeginCallSpan, HasATraceOfItsOwnEachTime) {
  class Sink : public SpanSink {
    void Add(Span) override {}
  } sink;
  const Tracing all = {.sink = &sink, .sample_ratio = 1.0};
  const Span one = *BeginCallSpan(all, "LeasePrompts");
  const Span other = *BeginCallSpan(all, "LeasePrompts");
  EXPECT_EQ(one.name, "LeasePrompts");
  EXPECT_NE(one.trace, other.trace);
  EXPECT_NE(one.id, other.id);
  EXPECT_EQ(one.parent, 0u);
  EXPECT_EQ(BeginCallSpan({}, "LeasePrompts"), std::nullopt);
  // About as many as asked for.
  const Tracing some = {.sink = &sink, .sample_ratio = 0.25};
  int taken = 0;
  for (int i = 0; i < 4000; ++i) taken += BeginCallSpan(some, "LeasePrompts").has_value() ? 1 : 0;
  EXPECT_GT(taken, 800);
  EXPECT_LT(taken, 1200);
}

}  // namespace
}  // namespace tpo
