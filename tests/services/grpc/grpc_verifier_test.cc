// VerifierService with its client; verifiers that hang, crash and lie.
#include <atomic>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/grpc/convert.h"
#include "services/grpc/grpc_verifier_client.h"
#include "tests/services/grpc/grpc_test_support.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {
namespace {

using ::testing::HasSubstr;

class GrpcVerifierTest : public testing::TestWithParam<Transport> {
 protected:
  VerifierUnderTest verifier_{GetParam(), {.threads = 4}};
  GrpcVerifierClient client_{verifier_.NewChannel()};
};

TEST_P(GrpcVerifierTest, ScoresAGroup) {
  const std::vector<Verdict> verdicts = client_.Verify(MakeVerifyRequest({3, 0, 5})).value();
  EXPECT_EQ(verdicts,
            (std::vector<Verdict>{Verdict::Scored(3), Verdict::Scored(0), Verdict::Scored(5)}));
}

TEST_P(GrpcVerifierTest, ScoresManyGroupsInOrder) {
  std::vector<VerifyRequest> requests;
  for (size_t i = 0; i < 200; ++i) requests.push_back(MakeVerifyRequest({i, 1}));
  const auto results = client_.VerifyAll(requests);
  ASSERT_EQ(results.size(), 200);
  for (size_t i = 0; i < 200; ++i) {
    EXPECT_EQ(results[i].value()[0].score, static_cast<double>(i));
    EXPECT_EQ(results[i].value()[1].score, 1.0);
  }
}

TEST_P(GrpcVerifierTest, ScoresGroupsOfOneLeaseAtTheSameTime) {
  // Returns only when four groups are being scored.
  auto* all_there = new absl::Barrier(4);
  verifier_.verifier.on_verify = [&](const VerifyRequest&) {
    if (all_there->Block()) delete all_there;
    return std::vector<Verdict>{Verdict::Scored(1)};
  };
  for (const auto& result :
       client_.VerifyAll(std::vector<VerifyRequest>(4, MakeVerifyRequest({1})))) {
    EXPECT_EQ(result.value()[0].score, 1.0);
  }
}

TEST_P(GrpcVerifierTest, Describes) {
  const VerifierDescription description = client_.Describe().value();
  EXPECT_EQ(description.verifier, "fake");
  EXPECT_EQ(description.version, "7");
  EXPECT_EQ(description.tasks, std::vector<std::string>{"sequence/*"});
  EXPECT_TRUE(description.token_rewards);
}

TEST_P(GrpcVerifierTest, CostAndExplanationArrive) {
  verifier_.verifier.on_verify = [](const VerifyRequest&) {
    Verdict scored = Verdict::Scored(1);
    scored.cost = 0.25;
    scored.explanation = "first step wrong, \xE2\x82\xAC";
    Verdict timed_out = Verdict::Unscored(VerdictKind::kTimedOut, "5 s");
    timed_out.cost = 5;
    return std::vector<Verdict>{scored, timed_out};
  };
  const std::vector<Verdict> verdicts = client_.Verify(MakeVerifyRequest({1, 1})).value();
  EXPECT_EQ(verdicts[0].cost, 0.25);
  EXPECT_EQ(verdicts[0].explanation, "first step wrong, \xE2\x82\xAC");
  EXPECT_EQ(verdicts[1].cost, 5);
}

TEST_P(GrpcVerifierTest, TheVerifierKnowsTheDeadlineAndWhetherTheCallerIsThere) {
  VerifyRequest seen;
  bool cancelled = true;
  verifier_.verifier.on_verify = [&](const VerifyRequest& request) {
    seen = request;
    cancelled = request.cancelled();
    return std::vector<Verdict>{Verdict::Scored(1)};
  };
  GrpcVerifierClient client(verifier_.NewChannel(), {.deadline = absl::Hours(1)});
  ASSERT_TRUE(client.Verify(MakeVerifyRequest({1})).ok());
  EXPECT_FALSE(cancelled);
  // Earlier than the caller's, so that the answer gets there in time.
  EXPECT_LT(seen.deadline, absl::Now() + absl::Minutes(59) + absl::Seconds(50));
  EXPECT_GT(seen.deadline, absl::Now() + absl::Minutes(55));
}

TEST_P(GrpcVerifierTest, TheVerifierLearnsThatTheCallerHasGone) {
  absl::Notification noticed;
  verifier_.verifier.on_verify =
      [&](const VerifyRequest& request) -> absl::StatusOr<std::vector<Verdict>> {
    client_.Close();
    // A hang guard of the test program ends it if this never comes true.
    while (!request.cancelled()) std::this_thread::yield();
    noticed.Notify();
    return absl::CancelledError("");
  };
  EXPECT_THAT(client_.Verify(MakeVerifyRequest({1})),
              HoldsStatus(absl::StatusCode::kCancelled, ""));
  noticed.WaitForNotification();
  verifier_.server->Shutdown(absl::InfiniteDuration());
}

TEST_P(GrpcVerifierTest, AnExceptionFailsItsGroupOnly) {
  verifier_.verifier.on_verify = [](const VerifyRequest&) -> std::vector<Verdict> {
    throw std::runtime_error("no such model");
  };
  const std::vector<Verdict> verdicts = client_.Verify(MakeVerifyRequest({1})).value();
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kFailed);
  EXPECT_THAT(verdicts[0].reason, HasSubstr("no such model"));
  verifier_.verifier.on_verify = [](const VerifyRequest&) {
    return std::vector<Verdict>{Verdict::Scored(1)};
  };
  EXPECT_EQ(client_.Verify(MakeVerifyRequest({1})).value()[0].kind, VerdictKind::kScored);
}

TEST_P(GrpcVerifierTest, RefusesMalformedGroups) {
  EXPECT_THAT(client_.Verify(MakeVerifyRequest({})),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "completions"));
  VerifyRequest request = MakeVerifyRequest({1});
  request.completions[0].finish_reason = FinishReason::kUnspecified;
  EXPECT_THAT(client_.Verify(request),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "completions[0].finish_reason"));
  EXPECT_THAT(client_.Verify(MakeVerifyRequest(std::vector<size_t>(4097, 1))),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "at most 4096"));
}

TEST_P(GrpcVerifierTest, AFailingVerifierFailsItsGroupWithTheReason) {
  verifier_.verifier.on_verify = [](const VerifyRequest&) {
    return absl::InternalError("out of ideas");
  };
  const std::vector<Verdict> verdicts = client_.Verify(MakeVerifyRequest({1, 2})).value();
  ASSERT_EQ(verdicts.size(), 2);
  for (const Verdict& verdict : verdicts) {
    EXPECT_EQ(verdict.kind, VerdictKind::kFailed);
    EXPECT_THAT(verdict.reason, HasSubstr("out of ideas"));
  }
}

TEST_P(GrpcVerifierTest, AHangingVerifierTimesItsGroupOutAndNoOther) {
  absl::Notification release;
  verifier_.verifier.on_verify = [&](const VerifyRequest& request) {
    if (request.completions.size() == 1) release.WaitForNotification();
    return std::vector<Verdict>(request.completions.size(), Verdict::Scored(1));
  };
  GrpcVerifierClient impatient(verifier_.NewChannel(), {.deadline = absl::Milliseconds(300)});
  const auto results = impatient.VerifyAll({MakeVerifyRequest({1}), MakeVerifyRequest({1, 1})});
  EXPECT_EQ(results[0].value()[0].kind, VerdictKind::kTimedOut);
  EXPECT_EQ(results[1].value()[0].kind, VerdictKind::kScored);
  release.Notify();
  verifier_.server->Shutdown(absl::InfiniteDuration());
}

TEST_P(GrpcVerifierTest, CloseEndsCallsInProgress) {
  absl::Notification release;
  verifier_.verifier.on_verify = [&](const VerifyRequest&) {
    client_.Close();
    release.WaitForNotification();
    return std::vector<Verdict>{Verdict::Scored(1)};
  };
  EXPECT_THAT(client_.Verify(MakeVerifyRequest({1})),
              HoldsStatus(absl::StatusCode::kCancelled, ""));
  release.Notify();
  for (const auto& result : client_.VerifyAll({MakeVerifyRequest({1}), MakeVerifyRequest({1})})) {
    EXPECT_THAT(result, HoldsStatus(absl::StatusCode::kCancelled, ""));
  }
  verifier_.server->Shutdown(absl::InfiniteDuration());
}

INSTANTIATE_TEST_SUITE_P(Transports, GrpcVerifierTest,
                         testing::Values(Transport::kInProcess, Transport::kLoopback));

TEST(VerifierService, DescribesAndKeepsTheLowerOfTheLimits) {
  VerifierUnderTest verifier(Transport::kInProcess, {.max_completions = 4}, [](FakeVerifier* fake) {
    fake->description.max_completions = 3;
    fake->description.max_request_bytes = 1000;
    fake->description.typical_latency = absl::Milliseconds(1500);
  });
  GrpcVerifierClient client(verifier.NewChannel());
  const VerifierDescription description = client.Describe().value();
  EXPECT_EQ(description.max_completions, 3);
  EXPECT_EQ(description.max_request_bytes, 1000);
  EXPECT_EQ(description.typical_latency, absl::Milliseconds(1500));
  EXPECT_TRUE(client.Verify(MakeVerifyRequest({1, 1, 1})).ok());
  EXPECT_THAT(client.Verify(MakeVerifyRequest({1, 1, 1, 1})),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "completions: 4; at most 3"));
  EXPECT_THAT(client.Verify(MakeVerifyRequest({500})),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "at most 1000"));

  VerifierUnderTest strict(Transport::kInProcess, {.max_completions = 2},
                           [](FakeVerifier* fake) { fake->description.max_completions = 3; });
  GrpcVerifierClient other(strict.NewChannel());
  EXPECT_EQ(other.Describe()->max_completions, 2);
  EXPECT_EQ(other.Describe()->max_request_bytes, static_cast<uint64_t>(kMaxMessageBytes));
}

TEST(VerifierService, NamesTheVerifierThatJudged) {
  VerifierUnderTest verifier(Transport::kInProcess);
  const auto stub = v1::VerifierService::NewStub(verifier.NewChannel());
  const auto ask = [&stub] {
    v1::VerifyRequest proto;
    ToProto(MakeVerifyRequest({1}), &proto);
    grpc::ClientContext context;
    v1::VerifyResponse response;
    EXPECT_TRUE(stub->Verify(&context, proto, &response).ok());
    return response.verifier() + " " + response.verifier_version();
  };
  EXPECT_EQ(ask(), "fake 7");
  verifier.verifier.judge = VerifierIdentity{.verifier = "one of many", .version = "2"};
  EXPECT_EQ(ask(), "one of many 2");
}

// Scores groups of one length at a time, keeps one waiting, and refuses the rest.
TEST(VerifierService, BoundsWhatItTakesOn) {
  VerifierUnderTest verifier(Transport::kInProcess, {.threads = 1, .queue_capacity = 1});
  absl::Notification begun;
  absl::Notification release;
  std::atomic<int> calls = 0;
  verifier.verifier.on_verify = [&](const VerifyRequest&) {
    if (calls++ == 0) begun.Notify();
    release.WaitForNotification();
    return std::vector<Verdict>{Verdict::Scored(1)};
  };
  const auto channel = verifier.NewChannel();
  GrpcVerifierClient client(channel);
  absl::StatusOr<std::vector<Verdict>> first;
  std::thread first_caller([&] { first = client.Verify(MakeVerifyRequest({1})); });
  begun.WaitForNotification();
  // One of two that come together gets the place in the queue, so that the other is refused.
  std::vector<absl::StatusOr<std::vector<Verdict>>> others;
  const auto stub = v1::VerifierService::NewStub(channel);
  v1::VerifyRequest proto;
  ToProto(MakeVerifyRequest({1}), &proto);
  grpc::ClientContext contexts[2];
  v1::VerifyResponse responses[2];
  absl::Notification done[2];
  grpc::Status statuses[2];
  std::atomic<int> refused = 0;
  absl::Notification one_refused;
  for (int i = 0; i < 2; ++i) {
    stub->async()->Verify(&contexts[i], &proto, &responses[i], [&, i](const grpc::Status& status) {
      if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED && refused++ == 0)
        one_refused.Notify();
      statuses[i] = status;
      done[i].Notify();
    });
  }
  one_refused.WaitForNotification();
  release.Notify();
  for (absl::Notification& notification : done) notification.WaitForNotification();
  first_caller.join();
  EXPECT_TRUE(first.ok());
  EXPECT_NE(statuses[0].ok(), statuses[1].ok());
  EXPECT_EQ(calls, 2);
}

TEST(VerifierService, DoesNotBeginWhatNobodyWaitsForAnyLonger) {
  VerifierUnderTest verifier(Transport::kInProcess, {.threads = 1});
  absl::Notification begun;
  absl::Notification release;
  std::atomic<int> calls = 0;
  verifier.verifier.on_verify = [&](const VerifyRequest&) {
    if (calls++ == 0) begun.Notify();
    release.WaitForNotification();
    return std::vector<Verdict>{Verdict::Scored(1)};
  };
  GrpcVerifierClient patient(verifier.NewChannel());
  std::thread caller([&] { EXPECT_TRUE(patient.Verify(MakeVerifyRequest({1})).ok()); });
  begun.WaitForNotification();
  GrpcVerifierClient impatient(verifier.NewChannel(), {.deadline = absl::Milliseconds(50)});
  EXPECT_EQ(impatient.Verify(MakeVerifyRequest({1})).value()[0].kind, VerdictKind::kTimedOut);
  release.Notify();
  caller.join();
  // One that comes after the abandoned one, through the same queue.
  EXPECT_TRUE(patient.Verify(MakeVerifyRequest({1})).ok());
  EXPECT_EQ(calls, 2);
}

// A verifier of somebody else's making.
class ForeignVerifier : public v1::VerifierService::Service {
 public:
  explicit ForeignVerifier(std::function<grpc::Status(v1::VerifyResponse*)> answer)
      : answer_(std::move(answer)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  grpc::Status Verify(grpc::ServerContext*, const v1::VerifyRequest*,
                      v1::VerifyResponse* response) override {
    ++calls;
    return answer_(response);
  }
  std::shared_ptr<grpc::Channel> NewChannel() const {
    return MakeVerifierChannel({.address = absl::StrCat("127.0.0.1:", port_)}).value();
  }
  std::atomic<int> calls = 0;

 private:
  int port_ = 0;
  const std::function<grpc::Status(v1::VerifyResponse*)> answer_;
  std::unique_ptr<grpc::Server> server_;
};

TEST(ForeignVerifier, LiesBecomeFailures) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  struct Lie {
    std::function<void(v1::VerifyResponse*)> tell;
    const char* reason;
  };
  const std::vector<Lie> lies = {
      {[](v1::VerifyResponse*) {}, "0 verdicts for 1 completions"},
      {[](v1::VerifyResponse* response) {
         for (int i = 0; i < 2; ++i) response->add_verdicts()->set_kind(v1::VERDICT_KIND_SCORED);
       },
       "2 verdicts for 1 completions"},
      {[nan](v1::VerifyResponse* response) {
         response->add_verdicts()->set_kind(v1::VERDICT_KIND_SCORED);
         response->mutable_verdicts(0)->set_score(nan);
       },
       "finite"},
      {[](v1::VerifyResponse* response) { response->add_verdicts()->set_score(1); },
       "unknown kind"},
      {[](v1::VerifyResponse* response) {
         response->add_verdicts()->set_kind(static_cast<v1::VerdictKind>(9));
       },
       "unknown kind"},
  };
  for (const Lie& lie : lies) {
    ForeignVerifier verifier([&](v1::VerifyResponse* response) {
      lie.tell(response);
      return grpc::Status::OK;
    });
    GrpcVerifierClient client(verifier.NewChannel());
    const std::vector<Verdict> verdicts = client.Verify(MakeVerifyRequest({1})).value();
    ASSERT_EQ(verdicts.size(), 1);
    EXPECT_EQ(verdicts[0].kind, VerdictKind::kFailed);
    EXPECT_THAT(verdicts[0].reason, HasSubstr(lie.reason));
  }
}

// Whoever has the group repeats the call (verifier/routing); the channel would keep its bytes.
TEST(ForeignVerifier, IsAskedOnceByTheChannel) {
  ForeignVerifier verifier(
      [](v1::VerifyResponse*) { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "busy"); });
  GrpcVerifierClient client(verifier.NewChannel());
  const std::vector<Verdict> verdicts = client.Verify(MakeVerifyRequest({1})).value();
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kFailed);
  EXPECT_THAT(verdicts[0].reason, HasSubstr("busy"));
  EXPECT_EQ(verifier.calls, 1);
}

// Overload is waited out, by one group as by several.
TEST(ForeignVerifier, IsAskedAgainWhileItIsOverloaded) {
  std::atomic<int> refusals = 0;
  ForeignVerifier verifier([&](v1::VerifyResponse* response) {
    if (refusals++ < 2) return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full");
    response->add_verdicts()->set_kind(v1::VERDICT_KIND_SCORED);
    return grpc::Status::OK;
  });
  GrpcVerifierClient client(verifier.NewChannel(), {.deadline = absl::Hours(1)});
  EXPECT_EQ(client.Verify(MakeVerifyRequest({1})).value()[0].kind, VerdictKind::kScored);
  refusals = 0;
  for (const auto& result : client.VerifyAll({MakeVerifyRequest({1}), MakeVerifyRequest({1})}))
    EXPECT_EQ(result.value()[0].kind, VerdictKind::kScored);

  refusals = std::numeric_limits<int>::min();
  GrpcVerifierClient impatient(verifier.NewChannel(), {.deadline = absl::Milliseconds(100)});
  EXPECT_NE(impatient.Verify(MakeVerifyRequest({1})).value()[0].kind, VerdictKind::kScored);
}

TEST(GrpcVerifierClient, TimesOutWhenThereIsNoVerifier) {
  GrpcVerifierClient client(MakeVerifierChannel({.address = "127.0.0.1:1"}).value(),
                            {.deadline = absl::Milliseconds(50), .name = "127.0.0.1:1"});
  const std::vector<Verdict> verdicts = client.Verify(MakeVerifyRequest({1, 2})).value();
  ASSERT_EQ(verdicts.size(), 2);
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kTimedOut);
  EXPECT_THAT(verdicts[1].reason, HasSubstr("127.0.0.1:1"));
}

// NOT_SERVING keeps new groups away, though the verifier could still answer.
TEST(GrpcVerifierClient, AsksNobodyWhoIsNotServing) {
  VerifierUnderTest verifier(Transport::kLoopback);
  GrpcVerifierClient client(verifier.NewChannel(), {.deadline = absl::Seconds(30)});
  ASSERT_TRUE(client.Verify(MakeVerifyRequest({1})).ok());
  std::atomic<int> calls = 0;
  verifier.verifier.on_verify = [&](const VerifyRequest&) {
    ++calls;
    return std::vector<Verdict>{Verdict::Scored(1)};
  };
  verifier.server->ReportNotServing();
  GrpcVerifierClient late(verifier.NewChannel(), {.deadline = absl::Milliseconds(200)});
  EXPECT_EQ(late.Verify(MakeVerifyRequest({1})).value()[0].kind, VerdictKind::kTimedOut);
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace tpo
