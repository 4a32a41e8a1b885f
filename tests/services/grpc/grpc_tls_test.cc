// Servers and channels with TLS.
#include "services/grpc/tls.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/grpc/grpc_verifier_client.h"
#include "tests/core/scratch_directory.h"
#include "tests/services/grpc/grpc_test_support.h"
#include "tests/services/grpc/test_certificates.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {
namespace {

class TlsTest : public testing::Test {
 protected:
  TlsTest() {
    TestAuthority ours(scratch_.path(), "ours");
    ours.Issue("server", "127.0.0.1");
    ours.Issue("named_server", "judge.example.org");
    ours.Issue("worker", "worker.example.org");
    TestAuthority theirs(scratch_.path(), "theirs");
    theirs.Issue("stranger", "worker.example.org");
  }

  std::string File(const std::string& name) const { return scratch_.path() + "/" + name; }

  TlsOptions Of(const std::string& name, const std::string& authority) const {
    TlsOptions options;
    if (!name.empty()) {
      options.certificate = File(name + ".pem");
      options.key = File(name + ".key");
    }
    if (!authority.empty()) options.peer_authority = File(authority + ".pem");
    return options;
  }

  absl::StatusOr<std::unique_ptr<GrpcServer>> Serve(const TlsOptions& tls) {
    return GrpcServer::Start(
        {.listen = "127.0.0.1:0", .tls = tls, .announce = false, .services = {service_.get()}});
  }

  // What becomes of a call; one that can't connect ends at once.
  static grpc::StatusCode Call(const GrpcServer& server, const std::optional<TlsOptions>& tls) {
    const auto channel =
        MakeVerifierChannel({.address = server.address(), .tls = tls, .retries = false}).value();
    grpc::ClientContext context;
    v1::DescribeResponse response;
    return v1::VerifierService::NewStub(channel)
        ->Describe(&context, v1::DescribeRequest(), &response)
        .error_code();
  }

  ScratchDirectory scratch_;
  FakeVerifier verifier_;
  const std::unique_ptr<RpcService> service_ = MakeVerifierService(&verifier_, {});
};

constexpr grpc::StatusCode kOk = grpc::StatusCode::OK;
constexpr grpc::StatusCode kUnavailable = grpc::StatusCode::UNAVAILABLE;

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
  GrpcVerifierClient client(
      MakeVerifierChannel({.address = server->address(), .tls = Of("worker", "ours")}).value());
  EXPECT_EQ(client.Verify(MakeVerifyRequest({3})).value(),
            std::vector<Verdict>{Verdict::Scored(3)});
}

TEST_F(TlsTest, RefusesClientsWithoutACertificateOfItsAuthority) {
  const auto server = Serve(Of("server", "ours")).value();
  EXPECT_EQ(Call(*server, Of("worker", "ours")), kOk);
  EXPECT_EQ(Call(*server, Of("", "ours")), kUnavailable);
  EXPECT_EQ(Call(*server, Of("stranger", "ours")), kUnavailable);
}

TEST_F(TlsTest, TheServersNameHasToFit) {
  const auto server = Serve(Of("named_server", "")).value();
  TlsOptions tls = Of("", "ours");
  EXPECT_EQ(Call(*server, tls), kUnavailable);
  tls.server_name = "judge.example.org";
  EXPECT_EQ(Call(*server, tls), kOk);
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

TEST_F(TlsTest, RefusesAKeyOfAnotherCertificate) {
  TlsOptions tls = Of("server", "");
  tls.key = File("worker.key");
  EXPECT_THAT(Serve(tls), HoldsStatus(absl::StatusCode::kFailedPrecondition, "belong together"));
}

}  // namespace
}  // namespace tpo
