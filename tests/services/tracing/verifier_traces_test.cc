#include "services/tracing/verifier_traces.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/core_test_support.h"
#include "tests/services/tracing/span_list.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ScriptedVerifier : public VerifierApi {
 public:
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    traces.push_back(request.trace);
    if (request.completions.empty()) return absl::InvalidArgumentError("completions: empty");
    return std::vector<Verdict>(request.completions.size(), Verdict::Scored(1.0));
  }
  absl::StatusOr<VerifierDescription> Describe() override {
    return VerifierDescription{.verifier = "mine", .version = "1", .tasks = {"*"}};
  }

  std::vector<std::optional<SpanContext>> traces;  // of the requests
};

VerifyRequest RequestFor(const std::string& key, int completions = 1) {
  VerifyRequest request;
  request.idempotency_key = key;
  request.prompt.task = "sequence/copy/terminal";
  for (int i = 0; i < completions; ++i) request.completions.push_back(MakeCompletion({1}, 0));
  return request;
}

class VerifierTracesTest : public testing::Test {
 protected:
  SpanList sink_;
  ScriptedVerifier* const scripted_ = new ScriptedVerifier;
  const std::unique_ptr<VerifierApi> verifier_ =
      TraceVerifier(std::unique_ptr<VerifierApi>(scripted_), {.sink = &sink_, .sample_ratio = 1.0});
};

TEST_F(VerifierTracesTest, AVerificationHangsInItsRollout) {
  ASSERT_TRUE(verifier_->Verify(RequestFor("run/1/4")).ok());
  ASSERT_THAT(sink_.names(), ElementsAre("verify"));
  const Span& span = sink_.spans[0];
  EXPECT_EQ(span.trace, GroupTraceId("run", 4));
  EXPECT_EQ(span.parent, KnownSpanId(span.trace, "rollout", 1));
  EXPECT_EQ(span.error, "");
}

TEST_F(VerifierTracesTest, EachGroupOfSeveralHasItsOwnAndTellsItsOwnFault) {
  const auto results = verifier_->VerifyAll(
      {RequestFor("run/1/4"), RequestFor("run/1/5", 0), RequestFor("run/1/4")});
  ASSERT_EQ(results.size(), 3u);
  ASSERT_THAT(sink_.names(), ElementsAre("verify", "verify", "verify"));
  EXPECT_EQ(sink_.spans[1].trace, GroupTraceId("run", 5));
  EXPECT_THAT(sink_.spans[1].error, testing::HasSubstr("completions: empty"));
  EXPECT_EQ(sink_.spans[0].error, "");
  EXPECT_NE(sink_.spans[0].id, sink_.spans[2].id);
}

TEST_F(VerifierTracesTest, TheVerifierIsToldTheSpanThatItHangsIn) {
  ASSERT_TRUE(verifier_->Verify(RequestFor("run/1/4")).ok());
  verifier_->VerifyAll({RequestFor("run/1/5"), RequestFor("")});
  ASSERT_EQ(sink_.spans.size(), 2u);
  EXPECT_THAT(scripted_->traces,
              ElementsAre(ContextOf(sink_.spans[0]), ContextOf(sink_.spans[1]), std::nullopt));
}

TEST_F(VerifierTracesTest, AKeyThatNamesNoGroupIsNoTrace) {
  ASSERT_TRUE(verifier_->Verify(RequestFor("")).ok());
  EXPECT_THAT(sink_.spans, IsEmpty());
}

TEST_F(VerifierTracesTest, AllElseIsTheVerifiersOwn) {
  EXPECT_EQ(verifier_->Describe().value().verifier, "mine");
}

TEST(TraceVerifier, LeavesTheVerifierAloneWhenNothingIsTraced) {
  auto plain = std::make_unique<ScriptedVerifier>();
  const VerifierApi* const before = plain.get();
  EXPECT_EQ(TraceVerifier(std::move(plain), {}).get(), before);
}

}  // namespace
}  // namespace tpo
