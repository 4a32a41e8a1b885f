#include "services/http_bridge/http_verifier.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/services/http_bridge/scripted_server.h"

namespace tpo {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

HttpVerifierOptions OptionsFor(const std::string& url, HttpRewardShape shape) {
  HttpVerifierOptions options;
  options.http.url = url;
  options.http.first_pause = absl::Milliseconds(1);
  options.shape = shape;
  options.tasks = {"math/*"};
  options.deadline = absl::Minutes(1);
  return options;
}

VerifyRequest Request(const std::vector<std::string>& texts) {
  VerifyRequest request;
  request.prompt.task = "math/sum";
  request.prompt.text = "2+2=";
  request.prompt.reference_answer = "4";
  for (const std::string& text : texts) {
    Completion completion;
    completion.text = text;
    completion.tokens = {1, 2};
    request.completions.push_back(completion);
  }
  return request;
}

std::vector<Verdict> VerdictsOf(VerifierApi& verifier, const VerifyRequest& request) {
  return verifier.Verify(request).value();
}

// Rewards each query by its length.
ScriptedAnswer LengthRewards(const ScriptedRequest& request) {
  const json body = json::parse(request.body);
  json rewards = json::array();
  for (const json& query : body["query"]) rewards.push_back(query.get<std::string>().size());
  return HttpReply(json({{"rewards", rewards}}).dump());
}

// Rewards a response by its length; one that says so in another way.
ScriptedAnswer LengthReward(const ScriptedRequest& request) {
  const std::string response = json::parse(request.body)["response"];
  if (absl::StrContains(response, "null")) return HttpReply("null");
  if (absl::StrContains(response, "crash")) return HttpReply("boom", 500);
  if (absl::StrContains(response, "hang up")) return ScriptedAnswer("");
  return HttpReply(absl::StrCat(response.size()));
}

TEST(HttpVerifier, AsksAboutAWholeGroupAtOnce) {
  ScriptedServer server(LengthRewards);
  const auto verifier =
      HttpVerifier::Create(OptionsFor(server.url(), HttpRewardShape::kOpenRlhf)).value();
  const std::vector<Verdict> verdicts = verifier->Verify(Request({"a", "", "abc"})).value();
  ASSERT_THAT(verdicts, SizeIs(3));
  EXPECT_EQ(verdicts[0], Verdict::Scored(5));
  EXPECT_EQ(verdicts[1], Verdict::Scored(4));
  EXPECT_EQ(verdicts[2], Verdict::Scored(7));
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST(HttpVerifier, AsksInPartsWhereTold) {
  ScriptedServer server(LengthRewards);
  HttpVerifierOptions options = OptionsFor(server.url(), HttpRewardShape::kOpenRlhf);
  options.shape_options.completions_per_request = 2;
  const std::vector<Verdict> verdicts = HttpVerifier::Create(options)
                                            .value()
                                            ->Verify(Request({"a", "1", "12", "123", "1234"}))
                                            .value();
  ASSERT_THAT(verdicts, SizeIs(5));
  EXPECT_THAT(server.requests(), SizeIs(3));
  EXPECT_EQ(verdicts[4], Verdict::Scored(8));
}

TEST(HttpVerifier, EachCompletionHasItsOwnFate) {
  ScriptedServer server(LengthReward);
  const auto verifier =
      HttpVerifier::Create(OptionsFor(server.url(), HttpRewardShape::kSlime)).value();
  const std::vector<Verdict> verdicts =
      verifier->Verify(Request({"a", "null", "crash", "hang up", "abc"})).value();
  ASSERT_THAT(verdicts, SizeIs(5));
  EXPECT_EQ(verdicts[0], Verdict::Scored(1));
  for (const size_t i : {1, 2, 3}) EXPECT_EQ(verdicts[i].kind, VerdictKind::kFailed);
  EXPECT_THAT(verdicts[2].reason, HasSubstr("status 500: boom"));
  EXPECT_EQ(verdicts[4], Verdict::Scored(3));
}

TEST(HttpVerifier, JudgesSeveralGroupsAtATime) {
  // No answer before both groups have asked.
  std::atomic<int> asked = 0;
  absl::Notification both;
  ScriptedServer server([&](const ScriptedRequest& request) {
    if (++asked == 2) both.Notify();
    both.WaitForNotificationWithTimeout(absl::Seconds(60));
    return LengthRewards(request);
  });
  const auto verifier =
      HttpVerifier::Create(OptionsFor(server.url(), HttpRewardShape::kOpenRlhf)).value();
  const auto results = verifier->VerifyAll({Request({"a", "b"}), Request({"abc"})});
  ASSERT_THAT(results, SizeIs(2));
  EXPECT_TRUE(both.HasBeenNotified());
  EXPECT_THAT(*results[0], SizeIs(2));
  EXPECT_THAT(*results[1], testing::ElementsAre(Verdict::Scored(7)));
}

TEST(HttpVerifier, TokensWithoutTextFail) {
  ScriptedServer server(LengthRewards);
  const auto verifier =
      HttpVerifier::Create(OptionsFor(server.url(), HttpRewardShape::kOpenRlhf)).value();
  VerifyRequest request = Request({"a", "b"});
  request.prompt.reference_answer.clear();
  request.prompt.reference_tokens = {4};
  for (const Verdict& verdict : VerdictsOf(*verifier, request)) {
    EXPECT_EQ(verdict.kind, VerdictKind::kFailed);
    EXPECT_THAT(verdict.reason, HasSubstr("the reference answer has tokens but no text"));
  }
  request = Request({"", ""});
  request.prompt.text.clear();
  request.prompt.tokens = {2, 2};
  for (const Verdict& verdict : VerdictsOf(*verifier, request)) {
    EXPECT_EQ(verdict.kind, VerdictKind::kFailed);
    EXPECT_THAT(verdict.reason, HasSubstr("the prompt has tokens but no text"));
  }
  EXPECT_THAT(server.requests(), IsEmpty());
}

TEST(HttpVerifier, AnEmptyAnswerIsAnAnswer) {
  ScriptedServer server(LengthRewards);
  for (const HttpText text : {HttpText::kRequired, HttpText::kTokens}) {
    HttpVerifierOptions options = OptionsFor(server.url(), HttpRewardShape::kOpenRlhf);
    options.text = text;
    // One that is nothing but the token that ends it, and one without any token.
    VerifyRequest request = Request({"", ""});
    request.completions[1].tokens.clear();
    EXPECT_THAT(VerdictsOf(*HttpVerifier::Create(options).value(), request),
                testing::Each(Verdict::Scored(4)));
  }
}

TEST(HttpVerifier, SendsTokensWhereTold) {
  ScriptedServer server(LengthRewards);
  HttpVerifierOptions options = OptionsFor(server.url(), HttpRewardShape::kOpenRlhf);
  options.text = HttpText::kTokens;
  VerifyRequest request = Request({""});
  request.prompt.text.clear();
  request.prompt.tokens = {0, 1};
  request.prompt.reference_answer.clear();
  request.prompt.reference_tokens = {1, 0};
  request.completions[0].tokens = {10, 0};
  EXPECT_THAT(*HttpVerifier::Create(options).value()->Verify(request),
              testing::ElementsAre(Verdict::Scored(8)));
  EXPECT_EQ(json::parse(server.requests().front().body),
            json::parse(R"({"query": ["0 1 10 0"], "prompts": ["0 1"], "labels": ["1 0"]})"));
}

TEST(HttpVerifier, HasNoRewardsPerToken) {
  ScriptedServer server(LengthRewards);
  const auto verifier =
      HttpVerifier::Create(OptionsFor(server.url(), HttpRewardShape::kOpenRlhf)).value();
  VerifyRequest request = Request({"a"});
  request.want_token_rewards = true;
  EXPECT_THAT(verifier->Verify(request)->front().reason, HasSubstr("no rewards per token"));
  EXPECT_THAT(server.requests(), IsEmpty());
  const VerifierDescription description = verifier->Describe().value();
  EXPECT_FALSE(description.token_rewards);
  EXPECT_THAT(description.tasks, testing::ElementsAre("math/*"));
  EXPECT_EQ(description.version, "http/openrlhf");
}

TEST(HttpVerifier, BadMetadataFailWithoutARequest) {
  ScriptedServer server([](const ScriptedRequest&) { return HttpReply(R"({"reward": 1})"); });
  HttpVerifierOptions options = OptionsFor(server.url(), HttpRewardShape::kNemoGym);
  options.shape_options.json_metadata = {"options"};
  const auto verifier = HttpVerifier::Create(options).value();
  VerifyRequest request = Request({"a", "b"});
  request.prompt.metadata["options"] = "[1";
  for (const Verdict& verdict : VerdictsOf(*verifier, request))
    EXPECT_THAT(verdict.reason, HasSubstr("options is not JSON"));
  EXPECT_THAT(server.requests(), IsEmpty());
  request.prompt.metadata["options"] = "[1]";
  EXPECT_THAT(*verifier->Verify(request), testing::Each(Verdict::Scored(1)));
}

TEST(HttpVerifier, SendsSecretsAndKeepsThem) {
  setenv("TPO_TEST_TOKEN", "s3cret", 1);
  ScriptedServer server([](const ScriptedRequest& request) {
    return absl::StrContains(request.head, "authorization: bearer s3cret")
               ? HttpReply("no such field", 422)
               : HttpReply("1");
  });
  HttpVerifierOptions options = OptionsFor(server.url("/?key=s3cret"), HttpRewardShape::kSlime);
  options.headers = {{.name = "Authorization",
                      .value = "",
                      .environment = "TPO_TEST_TOKEN",
                      .file = "",
                      .prefix = "Bearer "}};
  const Verdict verdict = HttpVerifier::Create(options).value()->Verify(Request({"a"}))->front();
  EXPECT_THAT(verdict.reason, AllOf(HasSubstr("status 422"), Not(HasSubstr("s3cret"))));
}

TEST(HttpVerifier, PassesTheTraceOn) {
  ScriptedServer server([](const ScriptedRequest&) { return HttpReply("1"); });
  const auto verifier =
      HttpVerifier::Create(OptionsFor(server.url(), HttpRewardShape::kSlime)).value();
  VerifyRequest request = Request({"a", "b"});
  ASSERT_TRUE(verifier->Verify(request).ok());
  request.trace = SpanContext{.trace = {1, 2}, .span = 3, .sampled = true};
  ASSERT_TRUE(verifier->Verify(request).ok());
  request.trace_state = "vendor=1";
  ASSERT_TRUE(verifier->Verify(request).ok());
  // What can't be a header, or is longer than anybody has to take.
  for (const std::string& state : {std::string("a=1\r\nx-admin: 1"), std::string(600, 'a')}) {
    request.trace_state = state;
    ASSERT_TRUE(verifier->Verify(request).ok());
  }
  const std::string parent =
      "\r\ntraceparent: 00-00000000000000010000000000000002-0000000000000003-01\r\n";
  const std::vector<ScriptedRequest> requests = server.requests();
  ASSERT_EQ(requests.size(), 10u);  // one completion each
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::string& head = requests[i].head;
    EXPECT_EQ(absl::StrContains(head, parent), i >= 2) << head;
    EXPECT_EQ(absl::StrContains(head, "traceparent"), i >= 2) << head;
    EXPECT_EQ(absl::StrContains(head, "\r\ntracestate: vendor=1\r\n"), i == 4 || i == 5) << head;
    EXPECT_EQ(absl::StrContains(head, "tracestate"), i == 4 || i == 5) << head;
    EXPECT_THAT(head, Not(HasSubstr("x-admin")));
    EXPECT_THAT(head, HasSubstr("content-type: application/json"));
  }
}

TEST(HttpVerifier, KeepsTheTraceOverFurtherAttempts) {
  std::atomic<int> calls = 0;
  ScriptedServer server([&](const ScriptedRequest&) {
    return ++calls == 1 ? HttpReply("busy", 503) : HttpReply("1");
  });
  HttpVerifierOptions options = OptionsFor(server.url(), HttpRewardShape::kSlime);
  options.http.first_pause = absl::Milliseconds(1);
  VerifyRequest request = Request({"a"});
  request.trace = SpanContext{.trace = {1, 2}, .span = 3, .sampled = false};
  ASSERT_TRUE(HttpVerifier::Create(options).value()->Verify(request).ok());
  const std::vector<ScriptedRequest> requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  for (const ScriptedRequest& one : requests)
    EXPECT_THAT(one.head, HasSubstr("traceparent: 00-00000000000000010000000000000002-"
                                    "0000000000000003-00\r\n"));
}

TEST(HttpVerifier, TimesOutAtTheSoonerDeadline) {
  absl::Notification let_go;
  ScriptedServer server([&](const ScriptedRequest&) {
    let_go.WaitForNotification();
    return ScriptedAnswer("");
  });
  HttpVerifierOptions options = OptionsFor(server.url(), HttpRewardShape::kSlime);
  VerifyRequest request = Request({"a", "b"});
  request.deadline = absl::Now() + absl::Milliseconds(30);
  for (const Verdict& verdict : VerdictsOf(*HttpVerifier::Create(options).value(), request))
    EXPECT_EQ(verdict.kind, VerdictKind::kTimedOut);
  options.deadline = absl::Milliseconds(30);
  for (const Verdict& verdict : VerdictsOf(*HttpVerifier::Create(options).value(), Request({"a"})))
    EXPECT_EQ(verdict.kind, VerdictKind::kTimedOut);
  let_go.Notify();
}

TEST(HttpVerifier, ACallerThatLeavesGetsNoVerdicts) {
  absl::Notification let_go;
  std::atomic<bool> has_left = false;
  ScriptedServer server([&](const ScriptedRequest&) {
    has_left = true;
    let_go.WaitForNotification();
    return ScriptedAnswer("");
  });
  const auto verifier =
      HttpVerifier::Create(OptionsFor(server.url(), HttpRewardShape::kSlime)).value();
  VerifyRequest request = Request({"a", "b"});
  request.cancelled = [&] { return has_left.load(); };
  EXPECT_TRUE(absl::IsCancelled(verifier->Verify(request).status()));
  verifier->Close();
  EXPECT_TRUE(absl::IsCancelled(verifier->Verify(Request({"a"})).status()));
  let_go.Notify();
}

TEST(HttpVerifier, RefusesWhatItCannotUse) {
  const auto refusal = [](const HttpVerifierOptions& options) {
    return std::string(HttpVerifier::Create(options).status().message());
  };
  HttpVerifierOptions good = OptionsFor("http://127.0.0.1:1/", HttpRewardShape::kSlime);
  EXPECT_EQ(refusal(good), "");
  HttpVerifierOptions options = good;
  options.deadline = absl::ZeroDuration();
  EXPECT_THAT(refusal(options), HasSubstr("timeout_seconds"));
  options = good;
  options.http.url = "http://graders.example/";
  EXPECT_THAT(refusal(options), HasSubstr("plaintext"));
  options = good;
  options.headers = {
      {.name = "Cookie", .value = "a=b", .environment = "", .file = "", .prefix = ""}};
  EXPECT_THAT(refusal(options), HasSubstr("Cookie"));
  options = good;
  options.headers = {
      {.name = "Traceparent", .value = "a", .environment = "", .file = "", .prefix = ""}};
  EXPECT_THAT(refusal(options), HasSubstr("set by the bridge itself"));
  options = good;
  options.shape_options.completions_per_request = 4;
  EXPECT_THAT(refusal(options), HasSubstr("completions_per_request"));
}

}  // namespace
}  // namespace tpo
