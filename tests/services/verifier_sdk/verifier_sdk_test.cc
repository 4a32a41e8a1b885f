// A verifier of somebody's own behind the SDK's server.
#include "services/verifier_sdk/verifier_sdk.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/grpc/channel.h"
#include "services/grpc/grpc_verifier_client.h"
#include "services/verifier_sdk/server_options.h"
#include "tests/core/scratch_directory.h"
#include "tests/services/grpc/grpc_test_support.h"
#include "tests/services/grpc/test_certificates.h"

namespace tpo {
namespace {

using ::testing::HasSubstr;

VerifierDescription Description() {
  return {.verifier = "length", .version = "1", .tasks = {"sequence/*"}};
}

std::unique_ptr<VerifierApi> LengthVerifier() {
  return MakeCompletionVerifier(
      Description(), [](const Prompt&, const Completion& completion) -> std::optional<double> {
        return static_cast<double>(completion.tokens.size());
      });
}

VerifierServerOptions Quiet() {
  VerifierServerOptions options;
  options.announce = false;
  return options;
}

std::unique_ptr<GrpcVerifierClient> ClientOf(const VerifierServer& server) {
  return std::make_unique<GrpcVerifierClient>(
      MakeVerifierChannel({.address = server.address()}).value());
}

TEST(VerifierSdkTest, ServesAFunction) {
  const auto server = VerifierServer::Start(Quiet(), LengthVerifier()).value();
  const auto client = ClientOf(*server);
  EXPECT_EQ(client->Verify(MakeVerifyRequest({2, 0})).value(),
            (std::vector<Verdict>{Verdict::Scored(2), Verdict::Scored(0)}));
  EXPECT_EQ(client->Describe()->verifier, "length");
  EXPECT_EQ(server->metrics_address(), "");
}

TEST(VerifierSdkTest, AFunctionWithoutTokenRewardsFailsWhereTheyAreAskedFor) {
  const auto server = VerifierServer::Start(Quiet(), LengthVerifier()).value();
  VerifyRequest request = MakeVerifyRequest({2});
  request.want_token_rewards = true;
  const std::vector<Verdict> verdicts = ClientOf(*server)->Verify(request).value();
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kFailed);
  EXPECT_THAT(verdicts[0].reason, HasSubstr("0 token rewards, expected 2"));
}

TEST(VerifierSdkTest, JudgesAsManyGroupsAtATimeAsItIsTold) {
  constexpr int kGroups = 3;
  auto* all_there = new absl::Barrier(kGroups);
  VerifierServerOptions options = Quiet();
  options.max_concurrent_groups = kGroups;
  const auto server =
      VerifierServer::Start(options,
                            MakeGroupVerifier(Description(),
                                              [&](const VerifyRequest&) {
                                                if (all_there->Block()) delete all_there;
                                                return std::vector<Verdict>{Verdict::Scored(1)};
                                              }))
          .value();
  const std::vector<VerifyRequest> requests(kGroups, MakeVerifyRequest({1}));
  for (const auto& result : ClientOf(*server)->VerifyAll(requests)) EXPECT_TRUE(result.ok());
}

TEST(VerifierSdkTest, ServesMetrics) {
  VerifierServerOptions options = Quiet();
  options.metrics_listen = "127.0.0.1:0";
  const auto server = VerifierServer::Start(options, LengthVerifier()).value();
  EXPECT_THAT(server->metrics_address(), testing::StartsWith("127.0.0.1:"));
  EXPECT_THAT(server->metrics_address(), testing::Not(testing::EndsWith(":0")));
}

TEST(VerifierSdkTest, SpeaksMutualTls) {
  const ScratchDirectory scratch;
  TestAuthority authority(scratch.path(), "authority");
  authority.Issue("server", {.host = "127.0.0.1"});
  authority.Issue("worker", {.host = "worker.example.org", .role = "worker"});
  VerifierCommand command;
  command.listen = "127.0.0.1:0";
  command.tls_certificate = scratch / "server.pem";
  command.tls_key = scratch / "server.key";
  command.tls_client_ca = scratch / "authority.pem";
  VerifierServerOptions options = ServerOptions(command);
  options.announce = false;
  const auto server = VerifierServer::Start(options, LengthVerifier()).value();
  TlsOptions tls;
  tls.certificate = scratch / "worker.pem";
  tls.key = scratch / "worker.key";
  tls.peer_authority = scratch / "authority.pem";
  GrpcVerifierClient client(
      MakeVerifierChannel({.address = server->address(), .tls = tls}).value());
  EXPECT_EQ(client.Verify(MakeVerifyRequest({5})).value()[0].score, 5);
}

TEST(VerifierSdkTest, DrainsCallsInProgress) {
  absl::Notification begun;
  absl::Notification may_end;
  const auto server =
      VerifierServer::Start(Quiet(),
                            MakeGroupVerifier(Description(),
                                              [&](const VerifyRequest&) {
                                                begun.Notify();
                                                may_end.WaitForNotification();
                                                return std::vector<Verdict>{Verdict::Scored(1)};
                                              }))
          .value();
  const auto client = ClientOf(*server);
  std::thread caller([&] {
    EXPECT_EQ(client->Verify(MakeVerifyRequest({1})).value()[0].kind, VerdictKind::kScored);
  });
  begun.WaitForNotification();
  std::thread drain([&] { server->Drain(); });
  may_end.Notify();
  drain.join();
  caller.join();
  server->Drain();
}

TEST(VerifierSdkTest, RefusesWhatCannotWork) {
  VerifierDescription nothing = Description();
  nothing.tasks.clear();
  EXPECT_THAT(VerifierServer::Start(Quiet(), MakeGroupVerifier(nothing, nullptr)),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "'length' names no task"));
  VerifierServerOptions negative = Quiet();
  negative.max_concurrent_groups = -1;
  EXPECT_THAT(VerifierServer::Start(negative, LengthVerifier()),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "max_concurrent_groups: -1"));
  VerifierServerOptions remote = Quiet();
  remote.listen = "0.0.0.0:0";
  EXPECT_THAT(VerifierServer::Start(remote, LengthVerifier()),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "isn't a loopback address"));
}

TEST(VerifierSdkTest, AProgramRefusesWrongFlagsWithStatusTwo) {
  testing::internal::CaptureStderr();
  const std::vector<const char*> arguments = {"/opt/bin/length_verifier", "--listen", "here"};
  EXPECT_EQ(RunVerifier(static_cast<int>(arguments.size()), arguments.data(), LengthVerifier()), 2);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::AllOf(HasSubstr("length_verifier:"), HasSubstr("is not HOST:PORT")));
}

}  // namespace
}  // namespace tpo
