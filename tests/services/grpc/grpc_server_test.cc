#include "services/grpc/server.h"

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/grpc/grpc_verifier_client.h"
#include "tests/services/grpc/grpc_test_support.h"
#include "tests/services/grpc/raw_call.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {
namespace {

GrpcServer::Options Listen(const std::string& address) {
  return {.listen = address, .announce = false, .services = {}};
}

TEST(GrpcServer, PicksAFreePortAndSaysWhich) {
  testing::internal::CaptureStdout();
  const auto server = GrpcServer::Start({.listen = "127.0.0.1:0", .services = {}}).value();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "listening on " + server->address() + "\n");
  EXPECT_NE(server->address(), "127.0.0.1:0");
}

TEST(GrpcServer, RefusesAnOccupiedPortAndNamesIt) {
  const auto first = GrpcServer::Start(Listen("127.0.0.1:0")).value();
  EXPECT_THAT(GrpcServer::Start(Listen(first->address())),
              HoldsStatus(absl::StatusCode::kFailedPrecondition,
                          "can't listen on " + first->address() + ": Address already in use"));
}

TEST(GrpcServer, RefusesPlaintextOffLoopbackUnlessAllowed) {
  EXPECT_THAT(
      GrpcServer::Start(Listen("0.0.0.0:0")),
      HoldsStatus(absl::StatusCode::kInvalidArgument, "\"0.0.0.0:0\" isn't a loopback address"));
  GrpcServer::Options allowed = Listen("0.0.0.0:0");
  allowed.allow_remote_plaintext = true;
  EXPECT_TRUE(GrpcServer::Start(allowed).ok());
  EXPECT_THAT(MakeLearnerChannel({.address = "192.0.2.1:5"}),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "192.0.2.1:5"));
  EXPECT_TRUE(MakeLearnerChannel({.address = "192.0.2.1:5", .allow_remote_plaintext = true}).ok());
}

TEST(GrpcServer, RefusesMalformedAddresses) {
  for (const char* address : {"localhost", "127.0.0.1:", "127.0.0.1:70000", ":5"}) {
    EXPECT_THAT(GrpcServer::Start(Listen(address)),
                HoldsStatus(absl::StatusCode::kInvalidArgument, address));
  }
}

// The messages are those of other packages, built and read by hand: HealthCheckRequest{service =
// 1}, HealthCheckResponse{status = 1}, where 1 is SERVING and 2 is NOT_SERVING.
int HealthOf(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  std::string request;
  if (!service.empty()) request = std::string("\x0A") + static_cast<char>(service.size()) + service;
  std::string response;
  EXPECT_TRUE(CallRaw(channel, "/grpc.health.v1.Health/Check", request, &response).ok());
  return response.size() == 2 && response[0] == 8 ? response[1] : 0;
}

TEST(GrpcServer, ReportsHealthPerServiceUntilItShutsDown) {
  VerifierUnderTest verifier(Transport::kLoopback);
  const auto channel = MakeLearnerChannel({.address = verifier.server->address()}).value();
  EXPECT_EQ(HealthOf(channel, ""), 1);
  EXPECT_EQ(HealthOf(channel, "tpo.v1.VerifierService"), 1);
  EXPECT_EQ(HealthOf(channel, "tpo.v1.VerifierService/sequence/*"), 1);
  verifier.server->ReportServing("tpo.v1.VerifierService/sequence/*", false);
  EXPECT_EQ(HealthOf(channel, "tpo.v1.VerifierService/sequence/*"), 2);
  EXPECT_EQ(HealthOf(channel, "tpo.v1.VerifierService"), 1) << "the rest is as healthy as before";
  verifier.server->ReportServing("tpo.v1.VerifierService/sequence/*", true);
  EXPECT_EQ(HealthOf(channel, "tpo.v1.VerifierService/sequence/*"), 1);
  verifier.server->ReportNotServing();
  EXPECT_EQ(HealthOf(channel, "tpo.v1.VerifierService/sequence/*"), 2);
  EXPECT_EQ(HealthOf(channel, ""), 2);
  EXPECT_EQ(HealthOf(channel, "tpo.v1.VerifierService"), 2);
}

TEST(GrpcServer, DescribesItsServicesByReflection) {
  VerifierUnderTest verifier(Transport::kLoopback);
  const auto channel = MakeLearnerChannel({.address = verifier.server->address()}).value();
  // ServerReflectionRequest{list_services = 7: "*"}.
  std::vector<std::string> responses;
  RawStream::Call(channel, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                  {std::string("\x3A\x01*", 3)}, /*limit=*/1, &responses);
  ASSERT_EQ(responses.size(), 1U);
  EXPECT_NE(responses[0].find("tpo.v1.VerifierService"), std::string::npos);
  EXPECT_NE(responses[0].find("grpc.health.v1.Health"), std::string::npos);
}

TEST(GrpcServer, LetsCallsInProgressEndBeforeItShutsDown) {
  VerifierUnderTest verifier(Transport::kLoopback);
  absl::Notification begun;
  absl::Notification may_end;
  verifier.verifier.on_verify = [&](const VerifyRequest&) {
    begun.Notify();
    may_end.WaitForNotification();
    return std::vector<Verdict>{Verdict::Scored(1)};
  };
  GrpcVerifierClient client(verifier.NewChannel());
  absl::StatusOr<std::vector<Verdict>> verdicts;
  std::thread caller([&] { verdicts = client.Verify(MakeVerifyRequest({1})); });
  begun.WaitForNotification();
  std::thread shutdown([&] { verifier.server->Shutdown(absl::InfiniteDuration()); });
  may_end.Notify();
  shutdown.join();
  caller.join();
  EXPECT_EQ(verdicts.value(), std::vector<Verdict>{Verdict::Scored(1)});
}

TEST(GrpcServer, ClosesAVerifierThatDoesNotEndInTime) {
  VerifierUnderTest verifier(Transport::kLoopback);
  absl::Notification begun;
  verifier.verifier.on_verify = [&](const VerifyRequest&) -> absl::StatusOr<std::vector<Verdict>> {
    begun.Notify();
    verifier.verifier.closed.WaitForNotification();
    return absl::CancelledError("closed");
  };
  GrpcVerifierClient client(verifier.NewChannel());
  std::thread caller([&] { (void)client.Verify(MakeVerifyRequest({1})); });
  begun.WaitForNotification();
  verifier.server->Shutdown(absl::ZeroDuration());
  EXPECT_TRUE(verifier.verifier.closed.HasBeenNotified());
  caller.join();
}

// The address of the client's end of the connection that a call took, as the server sees it.
class PeerService
    : public v1::VerifierService::WithCallbackMethod_Describe<v1::VerifierService::Service>,
      public RpcService {
 public:
  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context,
                                     const v1::DescribeRequest*,
                                     v1::DescribeResponse* response) override {
    response->set_verifier(context->peer());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  std::string name() const override { return "tpo.v1.VerifierService"; }
  grpc::Service* handler() override { return this; }
  bool WaitUntilIdle(absl::Duration) override { return true; }
};

std::string Peer(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  v1::DescribeResponse response;
  const grpc::Status status =
      v1::VerifierService::NewStub(channel)->Describe(&context, v1::DescribeRequest(), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.verifier();
}

TEST(GrpcServer, EndsConnectionsThatAreOldWithoutFailingACall) {
  PeerService service;
  GrpcServer::Options options = Listen("127.0.0.1:0");
  options.max_connection_age = absl::Milliseconds(20);
  options.services = {&service};
  const auto server = GrpcServer::Start(options).value();
  const auto channel = MakeVerifierChannel({.address = server->address()}).value();
  std::set<std::string> connections;
  while (connections.size() < 5 && !HasFailure()) connections.insert(Peer(channel));
}

// A name with several addresses, as a headless service has: the calls go round all of them, and one
// that comes later is found.
TEST(GrpcServer, CallsGoRoundTheAddressesOfAName) {
  PeerService service;
  GrpcServer::Options options = Listen("127.0.0.1:0");
  options.max_connection_age = absl::Milliseconds(20);
  options.services = {&service};
  const auto first = GrpcServer::Start(options).value();
  const std::string port = first->address().substr(first->address().rfind(':'));
  options.listen = "[::1]" + port;
  auto second = GrpcServer::Start(options);
  if (!second.ok()) GTEST_SKIP() << "no IPv6 here: " << second.status();
  const auto channel = MakeVerifierChannel({.address = "localhost" + port}).value();
  std::set<std::string> kinds;
  for (int i = 0; i < 1000 && kinds.size() < 2; ++i) kinds.insert(Peer(channel).substr(0, 4));
  if (kinds.size() < 2 && kinds.contains("ipv4")) GTEST_SKIP() << "localhost has one address here";
  EXPECT_EQ(kinds, (std::set<std::string>{"ipv4", "ipv6"}));
  // Whichever goes, the other one takes all of the calls.
  (*second)->Shutdown(absl::InfiniteDuration());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Peer(channel).substr(0, 4), "ipv4");
}

TEST(GrpcServer, ShutsDownMoreThanOnce) {
  const auto server = GrpcServer::Start(Listen("127.0.0.1:0")).value();
  server->Shutdown(absl::InfiniteDuration());
  server->Shutdown(absl::ZeroDuration());
}

}  // namespace
}  // namespace tpo
