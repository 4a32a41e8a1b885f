// Servers and channels with TLS.
#include "services/grpc/tls.h"

#include <atomic>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/grpc/admin_client.h"
#include "services/grpc/certificates.h"
#include "services/grpc/grpc_learner_client.h"
#include "services/grpc/grpc_verifier_client.h"
#include "services/grpc/status.h"
#include "tests/core/scratch_directory.h"
#include "tests/services/grpc/grpc_test_support.h"
#include "tests/services/grpc/test_certificates.h"
#include "tpo/v1/learner.grpc.pb.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {
namespace {

constexpr grpc::StatusCode kOk = grpc::StatusCode::OK;
constexpr grpc::StatusCode kUnavailable = grpc::StatusCode::UNAVAILABLE;
constexpr grpc::StatusCode kDenied = grpc::StatusCode::PERMISSION_DENIED;

class TlsTest : public testing::Test {
 protected:
  TlsTest() : ours_(scratch_.path(), "ours"), theirs_(scratch_.path(), "theirs") {
    ours_.Issue("server", {.host = "127.0.0.1", .role = "verifier"});
    ours_.Issue("named_server", {.host = "judge.example.org"});
    ours_.Issue("learner", {.host = "127.0.0.1", .role = "learner"});
    for (const char* role : {"worker", "verifier", "operator", "relay"})
      ours_.Issue(role, {.host = "127.0.0.1", .role = role});
    ours_.Issue("nobody", {.host = "127.0.0.1"});
    theirs_.Issue("stranger", {.host = "worker.example.org", .role = "worker"});
  }

  std::string File(const std::string& name) const { return scratch_ / name; }

  TlsOptions Of(const std::string& name, const std::string& authority) const {
    TlsOptions options;
    options.reload_seconds = 1;
    if (!name.empty()) {
      options.certificate = File(name + ".pem");
      options.key = File(name + ".key");
    }
    if (!authority.empty()) options.peer_authority = File(authority + ".pem");
    return options;
  }

  absl::StatusOr<std::unique_ptr<GrpcServer>> Serve(
      const TlsOptions& tls, absl::Duration max_connection_age = absl::Minutes(5)) {
    return GrpcServer::Start({.listen = "127.0.0.1:0",
                              .tls = tls,
                              .max_connection_age = max_connection_age,
                              .observer = &rpcs_,
                              .announce = false,
                              .services = {service_.get()}});
  }

  static std::shared_ptr<grpc::Channel> ChannelTo(const GrpcServer& server,
                                                  const std::optional<TlsOptions>& tls) {
    return MakeVerifierChannel({.address = server.address(), .tls = tls}).value();
  }

  // What becomes of a call that the channel doesn't repeat.
  static grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    v1::VerifyRequest request;
    ToRequest(&request);
    v1::VerifyResponse response;
    return v1::VerifierService::NewStub(channel)->Verify(&context, request, &response);
  }
  static grpc::StatusCode Call(const GrpcServer& server, const std::optional<TlsOptions>& tls) {
    return Call(ChannelTo(server, tls)).error_code();
  }

  // What a certificate's file holds now.
  std::string Read(const std::string& name) const {
    return ReadPem(File(name + ".pem"), "CERTIFICATE").value();
  }

  // Repeats a call, each time over a new connection, until the server shows this certificate.
  void AwaitCertificate(const std::string& name,
                        const std::function<grpc::Status(grpc::ClientContext*)>& call) const {
    while (true) {
      grpc::ClientContext context;
      const grpc::Status status = call(&context);
      ASSERT_TRUE(status.ok()) << status.error_message();
      const auto seen = context.auth_context()->FindPropertyValues("x509_pem_cert");
      if (!seen.empty() && std::string(seen[0].data(), seen[0].size()) == Read(name)) return;
      absl::SleepFor(absl::Milliseconds(20));
    }
  }

  static void ToRequest(v1::VerifyRequest* request) {
    request->mutable_prompt()->set_task("sequence/copy/terminal");
    request->mutable_prompt()->add_tokens(1);
    v1::Completion* completion = request->add_completions();
    completion->add_tokens(1);
    completion->set_finish_reason(v1::FINISH_REASON_LENGTH);
  }

  ScratchDirectory scratch_;
  TestAuthority ours_;
  TestAuthority theirs_;
  FakeVerifier verifier_;
  CountingRpcObserver rpcs_;
  const std::unique_ptr<RpcService> service_ = MakeVerifierService(&verifier_, {});
};

TEST_F(TlsTest, EncryptsForClientsThatTrustTheServersAuthority) {
  const auto server = Serve(Of("server", "")).value();
  EXPECT_EQ(Call(*server, Of("", "ours")), kOk);
  EXPECT_EQ(Call(*server, Of("", "theirs")), kUnavailable) << "not an authority it trusts";
  EXPECT_EQ(Call(*server, std::nullopt), kUnavailable) << "plaintext to a server with TLS";
  // A certificate that nobody asks for does no harm.
  EXPECT_EQ(Call(*server, Of("worker", "ours")), kOk);
}

TEST_F(TlsTest, ScoresAGroup) {
  const auto server = Serve(Of("server", "ours")).value();
  GrpcVerifierClient client(ChannelTo(*server, Of("worker", "ours")));
  EXPECT_EQ(client.Verify(MakeVerifyRequest({3})).value(),
            std::vector<Verdict>{Verdict::Scored(3)});
}

TEST_F(TlsTest, RefusesClientsWithoutAGoodCertificateOfItsAuthority) {
  const auto server = Serve(Of("server", "ours")).value();
  EXPECT_EQ(Call(*server, Of("worker", "ours")), kOk);
  EXPECT_EQ(Call(*server, Of("", "ours")), kUnavailable) << "none";
  EXPECT_EQ(Call(*server, Of("stranger", "ours")), kUnavailable) << "of another authority";
  EXPECT_EQ(Call(*server, std::nullopt), kUnavailable) << "plaintext";
}

// Our own client doesn't start with it, so this is another one.
TEST_F(TlsTest, RefusesACertificateThatHasExpired) {
  const auto server = Serve(Of("server", "ours")).value();
  ours_.Issue("old",
              {.host = "127.0.0.1", .role = "worker", .valid_from = -7200, .valid_until = -3600});
  const auto foreign_client = [&](const std::string& name) {
    const grpc::SslCredentialsOptions ssl = {ReadPem(File("ours.pem"), "CERTIFICATE").value(),
                                             ReadPem(File(name + ".key"), "PRIVATE KEY").value(),
                                             ReadPem(File(name + ".pem"), "CERTIFICATE").value()};
    return grpc::CreateChannel(server->address(), grpc::SslCredentials(ssl));
  };
  EXPECT_EQ(Call(foreign_client("worker")).error_code(), kOk);
  EXPECT_EQ(Call(foreign_client("old")).error_code(), kUnavailable);
  EXPECT_THAT(MakeVerifierChannel({.address = server->address(), .tls = Of("old", "ours")}),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "old.pem: has expired"));
}

TEST_F(TlsTest, RefusesRolesThatMayNotAskAndCountsThem) {
  const auto server = Serve(Of("server", "ours")).value();
  for (const char* right : {"worker", "learner", "operator"})
    EXPECT_EQ(Call(*server, Of(right, "ours")), kOk) << right;
  for (const char* wrong : {"verifier", "relay", "nobody"})
    EXPECT_EQ(Call(*server, Of(wrong, "ours")), kDenied) << wrong;
  rpcs_.WaitFor("Verify", absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Call(ChannelTo(*server, Of("nobody", "ours"))).error_message(),
              testing::HasSubstr("names no role"));
}

TEST_F(TlsTest, TheServersNameHasToFit) {
  const auto server = Serve(Of("named_server", "")).value();
  TlsOptions tls = Of("", "ours");
  EXPECT_EQ(Call(*server, tls), kUnavailable);
  tls.server_name = "judge.example.org";
  EXPECT_EQ(Call(*server, tls), kOk);
}

// A certificate that was stolen from a worker is good for no server, though it names the host.
TEST_F(TlsTest, AServersRoleHasToFitWhereItNamesOne) {
  EXPECT_EQ(Call(*Serve(Of("worker", "ours")).value(), Of("worker", "ours")), kUnavailable);
  EXPECT_EQ(Call(*Serve(Of("learner", "ours")).value(), Of("worker", "ours")), kUnavailable);
  EXPECT_EQ(Call(*Serve(Of("nobody", "ours")).value(), Of("worker", "ours")), kOk)
      << "verifiers may be anybody's";
}

class TlsLearnerTest : public TlsTest {
 protected:
  std::unique_ptr<GrpcServer> ServeLearner(const TlsOptions& tls,
                                           absl::Duration max_connection_age = absl::Minutes(5)) {
    return GrpcServer::Start({.listen = "127.0.0.1:0",
                              .tls = tls,
                              .max_connection_age = max_connection_age,
                              .announce = false,
                              .services = {learner_service_.get(), admin_service_.get()}})
        .value();
  }
  static std::shared_ptr<grpc::Channel> LearnerChannel(const GrpcServer& server,
                                                       const TlsOptions& tls) {
    return MakeLearnerChannel({.address = server.address(), .tls = tls}).value();
  }

  FakeLearner learner_;
  FakeAdmin admin_;
  WeightStore weights_;
  const std::unique_ptr<RpcService> learner_service_ =
      MakeLearnerService(&learner_, &weights_, &admin_, {});
  const std::unique_ptr<RpcService> admin_service_ = MakeAdminService(&admin_, nullptr);
};

// A relay isn't held to the limits of a worker.
TEST_F(TlsLearnerTest, AWorkerMayNotTakeWeightsAsARelay) {
  const auto server = ServeLearner(Of("learner", "ours"));
  ASSERT_TRUE(weights_.Publish(MakeSnapshot(1)).ok());
  const auto watch = [&](const std::string& role, const v1::WatchWeightsRequest& request) {
    grpc::ClientContext context;
    const auto stub = v1::LearnerService::NewStub(LearnerChannel(*server, Of(role, "ours")));
    const auto reader = stub->WatchWeights(&context, request);
    v1::WatchWeightsResponse message;
    const bool served = reader->Read(&message);
    if (served) context.TryCancel();
    const grpc::StatusCode code = reader->Finish().error_code();
    return served ? kOk : code;
  };
  v1::WatchWeightsRequest as_worker;
  as_worker.set_worker_id("w-1");
  as_worker.set_have_version(-1);
  v1::WatchWeightsRequest as_relay;
  as_relay.set_relay(true);
  as_relay.set_have_version(-1);
  EXPECT_EQ(watch("worker", as_worker), kOk);
  EXPECT_EQ(watch("worker", as_relay), kDenied);
  EXPECT_EQ(watch("relay", as_relay), kOk);
}

TEST_F(TlsLearnerTest, AWorkerWorksAndMayNotAdministrate) {
  const auto server = ServeLearner(Of("learner", "ours"));
  const auto channel = LearnerChannel(*server, Of("worker", "ours"));
  GrpcLearnerClient client(channel);
  EXPECT_TRUE(client.Register("w").ok());
  EXPECT_TRUE(client.LeasePrompts("w-1").ok());
  EXPECT_TRUE(client.SubmitGroups("w-1", {MakeGroup(1, 2, 0)}).ok());
  ASSERT_TRUE(weights_.Publish(WeightSnapshot::Create(1, MakeBundle({1, 2}))).ok());
  EXPECT_TRUE(client.WaitForWeights("w-1", 0, absl::InfiniteDuration()).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(RequestDrain(channel)));
  EXPECT_TRUE(absl::IsPermissionDenied(RequestCheckpoint(channel).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(GetRunStatus(channel).status()));
  EXPECT_FALSE(admin_.drained);
}

TEST_F(TlsLearnerTest, AnOperatorAdministratesAndMayNotWork) {
  const auto server = ServeLearner(Of("learner", "ours"));
  const auto channel = LearnerChannel(*server, Of("operator", "ours"));
  EXPECT_TRUE(GetRunStatus(channel).ok());
  EXPECT_TRUE(RequestCheckpoint(channel).ok());
  EXPECT_TRUE(RequestDrain(channel).ok());
  GrpcLearnerClient client(channel);
  EXPECT_TRUE(absl::IsPermissionDenied(client.Register("w").status()));
  EXPECT_TRUE(absl::IsPermissionDenied(client.SubmitGroups("w-1", {MakeGroup(1, 2, 0)}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(
      client.WaitForWeights("w-1", -1, absl::InfiniteDuration()).status()));
}

TEST_F(TlsLearnerTest, AVerifierMayCallNothingOfTheLearner) {
  const auto server = ServeLearner(Of("learner", "ours"));
  const auto channel = LearnerChannel(*server, Of("verifier", "ours"));
  GrpcLearnerClient client(channel);
  EXPECT_TRUE(absl::IsPermissionDenied(client.Register("w").status()));
  EXPECT_TRUE(absl::IsPermissionDenied(client.LeasePrompts("w-1").status()));
  EXPECT_TRUE(absl::IsPermissionDenied(RequestDrain(channel)));
}

TEST_F(TlsLearnerTest, WorkersTakeNobodyForTheLearnerWhoIsNot) {
  for (const char* impostor : {"worker", "verifier", "nobody"}) {
    const auto server = ServeLearner(Of(impostor, "ours"));
    GrpcLearnerClient client(LearnerChannel(*server, Of("worker", "ours")),
                             {.call_deadline = absl::Milliseconds(300)});
    EXPECT_FALSE(client.Register("w").ok()) << impostor;
  }
}

TEST_F(TlsTest, NeedsNoLoopback) {
  EXPECT_TRUE(
      GrpcServer::Start(
          {.listen = "0.0.0.0:0", .tls = Of("server", ""), .announce = false, .services = {}})
          .ok());
  EXPECT_TRUE(MakeVerifierChannel({.address = "192.0.2.1:5", .tls = Of("", "ours")}).ok());
}

TEST_F(TlsTest, NamesTheFileAtFault) {
  TlsOptions absent = Of("server", "");
  absent.key = File("nowhere.key");
  EXPECT_THAT(Serve(absent),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "nowhere.key: cannot be read"));
  TlsOptions swapped = Of("server", "");
  std::swap(swapped.certificate, swapped.key);
  EXPECT_THAT(Serve(swapped),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "server.key: holds no CERTIFICATE"));
  TlsOptions half = Of("server", "");
  half.key.clear();
  EXPECT_THAT(Serve(half), HoldsStatus(absl::StatusCode::kInvalidArgument, "without its key"));
  EXPECT_THAT(Serve(TlsOptions()),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "needs a certificate"));
  EXPECT_THAT(MakeVerifierChannel({.address = "127.0.0.1:5", .tls = Of("", "nowhere")}),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "nowhere.pem"));
}

TEST_F(TlsTest, RefusesAtItsStartWhatNobodyWouldAccept) {
  TlsOptions mixed = Of("server", "");
  mixed.key = File("worker.key");
  EXPECT_THAT(Serve(mixed),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "don't belong together"));
  ours_.Issue("old", {.host = "127.0.0.1", .valid_from = -7200, .valid_until = -3600});
  EXPECT_THAT(Serve(Of("old", "")),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "old.pem: has expired"));
  TlsOptions roleless = Of("nobody", "ours");
  roleless.own_role = PeerRole::kLearner;
  EXPECT_THAT(Serve(roleless), HoldsStatus(absl::StatusCode::kInvalidArgument, "tpo/learner"));
}

// Workers under load: threads that call all the time, on one channel.
class Load {
 public:
  Load(std::shared_ptr<grpc::Channel> channel,
       std::function<grpc::Status(const std::shared_ptr<grpc::Channel>&)> call)
      : channel_(std::move(channel)), call_(std::move(call)) {
    for (int i = 0; i < 3; ++i) threads_.emplace_back([this] { Run(); });
  }
  // Calls that failed.
  int Stop() {
    stopped_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    EXPECT_GT(calls_, 100);
    return failures_;
  }

 private:
  void Run() {
    while (!stopped_) {
      const grpc::Status status = call_(channel_);
      ++calls_;
      if (status.ok()) continue;
      ++failures_;
      ADD_FAILURE() << status.error_code() << " " << status.error_message();
    }
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::function<grpc::Status(const std::shared_ptr<grpc::Channel>&)> call_;
  std::atomic<bool> stopped_ = false;
  std::atomic<int> calls_ = 0;
  std::atomic<int> failures_ = 0;
  std::vector<std::thread> threads_;
};

// Connections that end all the time: each new one is a handshake with what the files hold then.
constexpr absl::Duration kAge = absl::Milliseconds(50);

class TlsRotationTest : public TlsTest {
 protected:
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(File(name + ".new"), std::ios::binary) << text;
    ASSERT_EQ(std::rename(File(name + ".new").c_str(), File(name + ".pem").c_str()), 0);
  }

  // Waits until new connections see the server's certificate as it is in its file.
  void AwaitServersCertificate(const GrpcServer& server, const TlsOptions& tls,
                               const std::string& name) {
    const auto call = [&](grpc::ClientContext* context) {
      v1::DescribeResponse response;
      return v1::VerifierService::NewStub(ChannelTo(server, tls))
          ->Describe(context, v1::DescribeRequest(), &response);
    };
    AwaitCertificate(name, call);
  }
};

TEST_F(TlsRotationTest, NoCallFailsWhileCertificatesAreReplaced) {
  const auto server = Serve(Of("server", "ours"), kAge).value();
  const TlsOptions worker = Of("worker", "ours");
  Load load(ChannelTo(*server, worker), [](const auto& channel) { return Call(channel); });
  for (int rotation = 0; rotation < 2; ++rotation) {
    ours_.Issue("server", {.host = "127.0.0.1", .role = "verifier"});
    ours_.Issue("worker", {.host = "127.0.0.1", .role = "worker"});
    AwaitServersCertificate(*server, worker, "server");
  }
  EXPECT_EQ(load.Stop(), 0);
}

// The calls that carry a run's data: groups on their streams, and weights on streams that begin all
// the time, and on one that stays.
TEST_F(TlsLearnerTest, NoStreamFailsWhileCertificatesAreReplaced) {
  const auto server = ServeLearner(Of("learner", "ours"), kAge);
  ASSERT_TRUE(weights_.Publish(MakeSnapshot(1)).ok());
  const TlsOptions worker = Of("worker", "ours");
  GrpcLearnerClient client(LearnerChannel(*server, worker));
  Load submissions(nullptr, [&](const auto&) {
    return ToGrpcStatus(client.SubmitGroups("w-1", {MakeGroup(1, 2, 0)}).status());
  });
  // A stream that begins just as its connection ends may fail, and is begun again by the client.
  std::atomic<int> joined = 0;
  Load subscriptions(LearnerChannel(*server, worker), [&](const auto& channel) {
    GrpcLearnerClient fresh(channel);
    const auto run = fresh.Register(absl::StrCat("w", ++joined));
    if (!run.ok()) return ToGrpcStatus(run.status());
    return ToGrpcStatus(
        fresh.WaitForWeights(run->worker_id, -1, absl::InfiniteDuration()).status());
  });
  v1::WatchWeightsRequest request;
  request.set_worker_id("w-1");
  request.set_have_version(-1);
  const auto channel = LearnerChannel(*server, worker);
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientReader<v1::WatchWeightsResponse>> lasting;
  const auto next_version = [&] {
    v1::WatchWeightsResponse message;
    while (lasting->Read(&message))
      if (message.has_manifest()) return message.manifest().weight_version();
    return int64_t{-1};
  };
  do {
    context = std::make_unique<grpc::ClientContext>();
    lasting = v1::LearnerService::NewStub(channel)->WatchWeights(context.get(), request);
  } while (next_version() != 1);

  for (WeightVersion version = 2; version < 4; ++version) {
    ours_.Issue("learner", {.host = "127.0.0.1", .role = "learner"});
    ours_.Issue("worker", {.host = "127.0.0.1", .role = "worker"});
    AwaitCertificate("learner", [&](grpc::ClientContext* fresh) {
      v1::LeasePromptsRequest lease;
      lease.set_worker_id("w-1");
      v1::LeasePromptsResponse response;
      return v1::LearnerService::NewStub(LearnerChannel(*server, worker))
          ->LeasePrompts(fresh, lease, &response);
    });
    ASSERT_TRUE(weights_.Publish(MakeSnapshot(version)).ok());
    EXPECT_EQ(next_version(), version);
  }
  EXPECT_EQ(submissions.Stop(), 0);
  EXPECT_EQ(subscriptions.Stop(), 0);
  context->TryCancel();
  lasting->Finish();
}

// First everybody trusts both, then everybody gets certificates of the new one, then nobody trusts
// the old one any more.
TEST_F(TlsRotationTest, NoCallFailsWhileTheAuthorityIsReplaced) {
  Write("trusted", Read("ours"));
  const auto server = Serve(Of("server", "trusted"), kAge).value();
  theirs_.Issue("new_server", {.host = "127.0.0.1", .role = "verifier"});
  const auto new_server = Serve(Of("new_server", "theirs"), kAge).value();
  // What the load's channel trusts and shows is that of its credentials, which a second channel to
  // a server of the new authority shares.
  const auto credentials =
      MakeChannelCredentials(Of("worker", "trusted"), ServerRole::kVerifier).value();
  const auto channel_to = [&credentials](const GrpcServer& peer) {
    grpc::ChannelArguments arguments;
    arguments.SetLoadBalancingPolicyName("round_robin");  // as services/grpc/channel.cc with TLS
    return grpc::CreateCustomChannel(peer.address(), credentials, arguments);
  };
  Load load(channel_to(*server), [](const auto& channel) { return Call(channel); });

  Write("trusted", Read("ours") + Read("theirs"));
  // The stranger has a certificate of the new authority: the server trusts it from now on.
  while (Call(*server, Of("stranger", "ours")) != kOk) absl::SleepFor(absl::Milliseconds(20));
  theirs_.Issue("worker", {.host = "127.0.0.1", .role = "worker"});
  // The new authority's server answers only those who trust it and show its certificate.
  while (!Call(channel_to(*new_server)).ok()) absl::SleepFor(absl::Milliseconds(20));
  theirs_.Issue("server", {.host = "127.0.0.1", .role = "verifier"});
  AwaitServersCertificate(*server, Of("worker", "trusted"), "server");
  Write("trusted", Read("theirs"));
  ours_.Issue("left_over", {.host = "127.0.0.1", .role = "worker"});
  while (Call(*server, Of("left_over", "trusted")) == kOk) absl::SleepFor(absl::Milliseconds(20));
  EXPECT_EQ(load.Stop(), 0);
}

// A damaged file keeps new connections away until it is right again, and never longer; calls on
// those that exist go on.
TEST_F(TlsRotationTest, ADamagedFileThatIsRepairedDoesNoLastingHarm) {
  const auto server = Serve(Of("server", "ours")).value();
  const TlsOptions worker = Of("worker", "ours");
  const auto existing = ChannelTo(*server, worker);
  ASSERT_EQ(Call(existing).error_code(), kOk);
  const std::string good = Read("server");
  Write("server", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
  while (Call(*server, worker) == kOk) absl::SleepFor(absl::Milliseconds(20));
  EXPECT_EQ(Call(existing).error_code(), kOk);
  Write("server", good);
  while (Call(*server, worker) != kOk) absl::SleepFor(absl::Milliseconds(20));
  EXPECT_EQ(Call(existing).error_code(), kOk);
}

}  // namespace
}  // namespace tpo
