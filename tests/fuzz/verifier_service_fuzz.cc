// Requests to a verifier, through the service to the verifiers that need no settings.
#include <cmath>
#include <memory>
#include <string>

#include "services/grpc/server.h"
#include "services/grpc/verifier_service.h"
#include "tests/fuzz/fuzz.h"
#include "tests/services/grpc/raw_call.h"
#include "tpo/v1/verifier.pb.h"
#include "verifier/registry.h"

namespace tpo {
namespace {

struct Served {
  Served() {
    verifier = VerifierRegistry::BuiltIn().value();
    service = MakeVerifierService(verifier.get(), {.threads = 1});
    server =
        GrpcServer::Start({.listen = "", .announce = false, .services = {service.get()}}).value();
    channel = server->InProcessChannel();
  }
  std::unique_ptr<VerifierApi> verifier;
  std::unique_ptr<RpcService> service;
  std::unique_ptr<GrpcServer> server;
  std::shared_ptr<grpc::Channel> channel;
};

}  // namespace
}  // namespace tpo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tpo;  // NOLINT
  static auto* const served = new Served;
  FuzzInput input(data, size);
  const uint8_t kind = input.Byte();
  std::string bytes(input.Rest());
  std::string answer;
  if (kind % 8 == 7) {
    (void)CallRaw(served->channel, "/tpo.v1.VerifierService/Describe", bytes, &answer);
    return 0;
  }
  const grpc::Status status =
      CallRaw(served->channel, "/tpo.v1.VerifierService/Verify", bytes, &answer);
  Require(status.error_code() != grpc::StatusCode::UNKNOWN, "no handler throws");
  if (!status.ok()) return 0;
  v1::VerifyRequest request;
  v1::VerifyResponse response;
  Require(request.ParseFromString(bytes) && response.ParseFromString(answer),
          "what was answered was a request, and the answer is one");
  Require(response.verdicts_size() == request.completions_size(), "a verdict for each completion");
  for (const v1::Verdict& verdict : response.verdicts())
    Require(std::isfinite(verdict.score()), "scores are finite");
  return 0;
}
