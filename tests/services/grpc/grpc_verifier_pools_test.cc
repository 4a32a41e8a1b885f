// External verifiers as a worker asks them: real servers that fail, hang, die and come late.
#include "services/grpc/verifier_pools.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "services/grpc/grpc_verifier_replica.h"
#include "tests/core/scratch_directory.h"
#include "tests/services/grpc/grpc_test_support.h"
#include "tests/services/grpc/test_certificates.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::vector<Verdict> Scores(const VerifyRequest& request, double score) {
  return std::vector<Verdict>(request.completions.size(), Verdict::Scored(score));
}

class VerifierPoolsTest : public testing::Test {
 protected:
  VerifierPoolsTest() {
    run_.verification = {.combination = ScoreCombination::kWeightedSum,
                         .max_attempts = 3,
                         .attempt_time = absl::ZeroDuration(),
                         .max_in_flight = 16,
                         .first_pause = absl::Milliseconds(1),
                         .longest_pause = absl::Milliseconds(20),
                         .hedge_quantile = 0.9,
                         .max_hedge_fraction = 0.0,
                         .breaker_failures = 5,
                         .breaker_failure_ratio = 0.5,
                         .breaker_open_time = absl::Milliseconds(50)};
  }

  // Adds a verifier with these replicas.
  VerifierSpec& AddVerifier(const std::vector<std::string>& addresses) {
    VerifierSpec spec;
    spec.address = addresses.front();
    spec.further_addresses.assign(addresses.begin() + 1, addresses.end());
    spec.deadline = absl::Seconds(60);
    run_.verifiers.push_back(spec);
    return run_.verifiers.back();
  }

  std::unique_ptr<VerifierApi> Make() {
    auto made = MakeVerifierPools(run_, /*allow_remote_plaintext=*/false, &monitor_);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }

  // Waits until the counts of the only pool are as the test wants them.
  void WaitFor(const std::function<bool(const PoolCounts&)>& condition) {
    while (!condition(monitor_.Read().at(0))) std::this_thread::yield();
  }

  RunInfo run_;
  PoolMonitor monitor_;
};

TEST_F(VerifierPoolsTest, TheOnlyVerifierGetsEveryPromptAndItsVerdictsStayAsTheyAre) {
  VerifierUnderTest server(Transport::kLoopback);
  AddVerifier({server.server->address()});
  const auto verifier = Make();
  VerifyRequest request = MakeVerifyRequest({3, 0});
  request.prompt.task = "a task that it doesn't name";
  EXPECT_EQ(verifier->Verify(request).value(),
            (std::vector<Verdict>{Verdict::Scored(3), Verdict::Scored(0)}));
  EXPECT_EQ(verifier->Describe()->verifier, "fake");
}

TEST_F(VerifierPoolsTest, AReplicaThatDiesCostsNoGroup) {
  VerifierUnderTest dying(Transport::kLoopback, {.threads = 4});
  VerifierUnderTest staying(Transport::kLoopback);
  AddVerifier({dying.server->address(), staying.server->address()});
  absl::Notification busy;
  std::atomic<int> asked = 0;
  dying.verifier.on_verify = [&](const VerifyRequest&) {
    if (++asked == 3) busy.Notify();
    dying.verifier.closed.WaitForNotification();
    return absl::UnavailableError("shutting down");
  };
  const auto verifier = Make();
  std::thread killer([&] {
    busy.WaitForNotification();
    dying.server->Shutdown(absl::ZeroDuration());
  });
  for (const auto& result :
       verifier->VerifyAll(std::vector<VerifyRequest>(50, MakeVerifyRequest({1, 2})))) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ((*result)[1], Verdict::Scored(2));
  }
  killer.join();
  EXPECT_EQ(monitor_.Read().at(0).verdicts.at(VerdictKind::kScored), 100U);
  EXPECT_GT(monitor_.Read().at(0).replicas[1].retries, 0U);
}

TEST_F(VerifierPoolsTest, AVerifierThatComesLateCostsNoGroup) {
  std::string address;
  {
    VerifierUnderTest gone(Transport::kLoopback);
    address = gone.server->address();
  }
  run_.verification.max_attempts = 1;  // attempts that reach nobody aren't counted
  AddVerifier({address});
  const auto verifier = Make();
  absl::StatusOr<std::vector<Verdict>> result;
  std::thread caller([&] { result = verifier->Verify(MakeVerifyRequest({2})); });
  WaitFor([](const PoolCounts& counts) {
    const auto& attempts = counts.replicas[0].attempts;
    return attempts.count(absl::StatusCode::kUnavailable) > 0 &&
           attempts.at(absl::StatusCode::kUnavailable) >= 3;
  });
  FakeVerifier fake;
  const auto service = MakeVerifierService(&fake, {});
  const auto server =
      GrpcServer::Start({.listen = address, .announce = false, .services = {service.get()}});
  ASSERT_TRUE(server.ok()) << server.status();
  caller.join();
  EXPECT_EQ(result.value()[0], Verdict::Scored(2));
}

TEST_F(VerifierPoolsTest, ErrorsAreTriedElsewhere) {
  VerifierUnderTest flaky(Transport::kLoopback);
  VerifierUnderTest busy(Transport::kLoopback);
  run_.verification.max_attempts = 30;
  AddVerifier({flaky.server->address(), busy.server->address()});
  std::atomic<int> calls = 0;
  flaky.verifier.on_verify =
      [&](const VerifyRequest& request) -> absl::StatusOr<std::vector<Verdict>> {
    if (++calls % 4 == 0) return absl::UnavailableError("flaky");
    return Scores(request, 1);
  };
  busy.verifier.on_verify =
      [&](const VerifyRequest& request) -> absl::StatusOr<std::vector<Verdict>> {
    if (++calls % 3 == 0) return absl::ResourceExhaustedError("busy");
    return Scores(request, 1);
  };
  const auto verifier = Make();
  for (const auto& result :
       verifier->VerifyAll(std::vector<VerifyRequest>(200, MakeVerifyRequest({1})))) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ((*result)[0].kind, VerdictKind::kScored) << (*result)[0].reason;
  }
}

TEST_F(VerifierPoolsTest, AFaultOfTheVerifierFailsItsGroupWithTheReason) {
  VerifierUnderTest server(Transport::kLoopback);
  AddVerifier({server.server->address()}).name = "judge";
  server.verifier.on_verify = [](const VerifyRequest&) {
    return absl::InternalError("out of ideas");
  };
  const auto verifier = Make();
  const std::vector<Verdict> verdicts = verifier->Verify(MakeVerifyRequest({1, 2})).value();
  ASSERT_EQ(verdicts.size(), 2U);
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kFailed);
  EXPECT_THAT(verdicts[1].reason, HasSubstr("verifier judge: INTERNAL"));
  EXPECT_THAT(verdicts[1].reason, HasSubstr(server.server->address()));
  EXPECT_THAT(verdicts[1].reason, HasSubstr("out of ideas"));
  EXPECT_EQ(monitor_.Read().at(0).replicas[0].attempts.at(absl::StatusCode::kInternal), 1U);
}

TEST_F(VerifierPoolsTest, AGroupThatIsTooLargeForTheServerIsNotSentAgain) {
  v1::VerifierService::Service never_reached;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(8);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&never_reached);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  AddVerifier({absl::StrCat("127.0.0.1:", port)});
  const auto verifier = Make();
  EXPECT_THAT(verifier->Verify(MakeVerifyRequest({1})),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "larger than max"));
  EXPECT_EQ(monitor_.Read().at(0).replicas[0].retries, 0U);
}

TEST_F(VerifierPoolsTest, AReplicaThatHangsIsHedged) {
  VerifierUnderTest hanging(Transport::kLoopback, {.threads = 4});
  VerifierUnderTest quick(Transport::kLoopback);
  run_.verification.max_hedge_fraction = 1.0;
  AddVerifier({hanging.server->address(), quick.server->address()});
  std::atomic<bool> hangs = false;
  absl::Notification release;
  hanging.verifier.on_verify = [&](const VerifyRequest& request) {
    if (hangs) release.WaitForNotification();
    return Scores(request, 1);
  };
  const auto verifier = Make();
  // Enough to know what is slow; then fewer at the one that hangs than hedges may be saved for.
  for (const auto& result :
       verifier->VerifyAll(std::vector<VerifyRequest>(30, MakeVerifyRequest({1})))) {
    ASSERT_TRUE(result.ok());
  }
  hangs = true;
  for (const auto& result :
       verifier->VerifyAll(std::vector<VerifyRequest>(16, MakeVerifyRequest({1})))) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ((*result)[0].kind, VerdictKind::kScored) << (*result)[0].reason;
  }
  EXPECT_GT(monitor_.Read().at(0).replicas[1].hedges_won, 0U);
  release.Notify();
}

TEST_F(VerifierPoolsTest, AGroupThatNobodyAnswersTimesOut) {
  VerifierUnderTest server(Transport::kLoopback);
  AddVerifier({server.server->address()}).deadline = absl::Milliseconds(100);
  absl::Notification release;
  server.verifier.on_verify = [&](const VerifyRequest& request) {
    release.WaitForNotification();
    return Scores(request, 1);
  };
  const auto verifier = Make();
  EXPECT_EQ(verifier->Verify(MakeVerifyRequest({1})).value()[0].kind, VerdictKind::kTimedOut);
  release.Notify();
}

TEST_F(VerifierPoolsTest, CloseEndsCallsInProgress) {
  VerifierUnderTest server(Transport::kLoopback);
  AddVerifier({server.server->address()});
  absl::Notification begun;
  absl::Notification release;
  server.verifier.on_verify = [&](const VerifyRequest& request) {
    begun.Notify();
    release.WaitForNotification();
    return Scores(request, 1);
  };
  const auto verifier = Make();
  std::thread closer([&] {
    begun.WaitForNotification();
    verifier->Close();
  });
  EXPECT_EQ(verifier->Verify(MakeVerifyRequest({1})).status().code(), absl::StatusCode::kCancelled);
  closer.join();
  release.Notify();
}

// As an attempt whose group is answered before its turn comes.
TEST_F(VerifierPoolsTest, AnAttemptCancelledBeforeItStartsEndsAtOnce) {
  VerifierUnderTest server(Transport::kLoopback);
  server.verifier.on_verify = [](const VerifyRequest& request) {
    ADD_FAILURE() << "nobody wants to know";
    return Scores(request, 1);
  };
  const auto replica = MakeGrpcVerifierReplica(server.NewChannel(), "judge");
  const auto attempt = replica->NewAttempt();
  attempt->Cancel();
  absl::Notification ended;
  absl::Status status;
  attempt->Start(MakeVerifyRequest({1}), absl::Hours(1),
                 [&](const VerifierReplica::Answer& answer) {
                   status = answer.status;
                   ended.Notify();
                 });
  ended.WaitForNotification();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

// Else the last owner of the channel may be the callback of an attempt: the channel would end on a
// thread of gRPC's that it waits for, and memory was freed twice (seen when programs ended).
TEST_F(VerifierPoolsTest, AReplicaOutlivesItsAttempts) {
  VerifierUnderTest server(Transport::kLoopback);
  auto channel = server.NewChannel();
  const std::weak_ptr<grpc::Channel> watched = channel;
  auto replica = MakeGrpcVerifierReplica(channel, "judge");
  channel.reset();
  auto attempt = replica->NewAttempt();
  absl::Notification ended;
  attempt->Start(MakeVerifyRequest({1}), absl::Hours(1),
                 [&](const VerifierReplica::Answer&) { ended.Notify(); });
  ended.WaitForNotification();
  absl::Notification gone;
  bool channel_is_gone = false;
  std::thread owner([&] {
    replica.reset();
    channel_is_gone = watched.expired();
    gone.Notify();
  });
  EXPECT_FALSE(gone.WaitForNotificationWithTimeout(absl::Milliseconds(100)));
  attempt.reset();
  owner.join();
  EXPECT_TRUE(channel_is_gone);
}

TEST_F(VerifierPoolsTest, SeveralVerifiersJudgeTogether) {
  VerifierUnderTest math(Transport::kLoopback);
  VerifierUnderTest style(Transport::kLoopback);
  VerifierUnderTest gate(Transport::kLoopback);
  math.verifier.description.tasks = {"sequence/*"};
  style.verifier.on_verify = [](const VerifyRequest& request) { return Scores(request, 10); };
  gate.verifier.on_verify = [](const VerifyRequest& request) {
    std::vector<Verdict> verdicts = Scores(request, 1);
    verdicts[1].score = 0;
    return verdicts;
  };
  AddVerifier({math.server->address()}).name = "math";
  VerifierSpec& second = AddVerifier({style.server->address()});
  second.name = "style";
  second.tasks = {"*"};
  second.weight = 0.5;
  VerifierSpec& third = AddVerifier({gate.server->address()});
  third.name = "gate";
  third.tasks = {"sequence/*"};
  third.role = VerifierRole::kGate;
  const auto verifier = Make();
  const std::vector<Verdict> verdicts = verifier->Verify(MakeVerifyRequest({3, 3})).value();
  EXPECT_EQ(verdicts[0].score, 8);
  EXPECT_THAT(verdicts[0].components,
              ElementsAre(Pair("gate", 1.0), Pair("math", 3.0), Pair("style", 10.0)));
  EXPECT_EQ(verdicts[1].score, 0);
  VerifyRequest poem = MakeVerifyRequest({3});
  poem.prompt.task = "poem";
  EXPECT_EQ(verifier->Verify(poem).value()[0].score, 5);
  EXPECT_EQ(monitor_.Read().size(), 3U);
}

TEST_F(VerifierPoolsTest, TokenRewardsOfTwoVerifiersAreRefused) {
  VerifierUnderTest first(Transport::kLoopback);
  VerifierUnderTest second(Transport::kLoopback);
  AddVerifier({first.server->address()});
  AddVerifier({second.server->address()});
  run_.want_token_rewards = true;
  EXPECT_THAT(MakeVerifierPools(run_, false, &monitor_),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "would both score the same prompts"));
  EXPECT_TRUE(monitor_.Read().empty());
}

TEST_F(VerifierPoolsTest, VerifiersThatHaveToBeAskedForTheirTasksMustBeThere) {
  AddVerifier({"127.0.0.1:1"});
  AddVerifier({"127.0.0.1:2"});
  EXPECT_TRUE(absl::IsUnavailable(MakeVerifierPools(run_, false, nullptr).status()));
}

TEST_F(VerifierPoolsTest, RefusesWhatCannotBeConnectedTo) {
  AddVerifier({"127.0.0.1:1", "judge.example.org:1"});
  EXPECT_THAT(MakeVerifierPools(run_, /*allow_remote_plaintext=*/false, nullptr),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "judge.example.org:1"));
  run_.verifiers[0].tls = VerifierTlsFiles{.ca = "/nowhere/ca.pem", .certificate = "", .key = ""};
  EXPECT_THAT(MakeVerifierPools(run_, false, nullptr),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "/nowhere/ca.pem"));
}

// `tls: {}` in the config: the files that the worker was started with.
TEST_F(VerifierPoolsTest, AVerifierThatNamesNoFilesGetsTheWorkersOwn) {
  const ScratchDirectory scratch;
  TestAuthority authority(scratch.path(), "ours");
  authority.Issue("verifier", {.host = "127.0.0.1", .role = "verifier"});
  authority.Issue("worker", {.host = "127.0.0.1", .role = "worker"});
  const auto files = [&scratch](const std::string& role) {
    TlsOptions tls;
    tls.certificate = scratch / (role + ".pem");
    tls.key = scratch / (role + ".key");
    tls.peer_authority = scratch / "ours.pem";
    return tls;
  };
  FakeVerifier fake;
  const auto service = MakeVerifierService(&fake, {});
  const auto server = GrpcServer::Start({.listen = "127.0.0.1:0",
                                         .tls = files("verifier"),
                                         .announce = false,
                                         .services = {service.get()}})
                          .value();
  AddVerifier({server->address()}).tls = VerifierTlsFiles{};
  const auto verifier =
      MakeVerifierPools(run_, /*allow_remote_plaintext=*/false, nullptr, files("worker")).value();
  EXPECT_EQ(verifier->Verify(MakeVerifyRequest({3})).value(),
            std::vector<Verdict>{Verdict::Scored(3)});
  // What it does name wins.
  run_.verifiers[0].tls->ca = "/nowhere/ca.pem";
  EXPECT_THAT(MakeVerifierPools(run_, false, nullptr, files("worker")),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "/nowhere/ca.pem"));
}

}  // namespace
}  // namespace tpo
