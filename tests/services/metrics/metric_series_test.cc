// Nobody can make a program's series grow by what he sends.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/metrics/metrics_registry.h"
#include "services/metrics/service_metrics.h"
#include "tests/services/grpc/grpc_test_support.h"
#include "tpo/v1/learner.grpc.pb.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {
namespace {

constexpr int kMany = 50;

size_t SeriesOf(const MetricsRegistry& metrics) {
  const std::string text = metrics.Text();
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  return static_cast<size_t>(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.starts_with("tpo_") && !line.starts_with("tpo_process");
  }));
}

std::unique_ptr<GrpcServer> Serve(RpcService* service, RpcObserver* observer) {
  GrpcServer::Options options;
  options.announce = false;
  options.observer = observer;
  options.services = {service};
  return GrpcServer::Start(options).value();
}

void CallUnknownMethod(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
  grpc::TemplatedGenericStub<v1::GetStatusRequest, v1::GetStatusResponse> stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  v1::GetStatusResponse response;
  grpc::Status status;
  auto call = stub.PrepareUnaryCall(&context, method, v1::GetStatusRequest(), &queue);
  call->StartCall();
  call->Finish(&response, &status, &call);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  EXPECT_FALSE(status.ok());
}

TEST(MetricSeries, OfALearnerDoNotGrowWithIdsAndNames) {
  MetricsRegistry metrics("tpo-test");
  PrometheusRpcObserver observer(&metrics);
  FakeLearner learner;
  learner.on_lease = [](const std::string& id) -> absl::StatusOr<LeaseResult> {
    return absl::NotFoundError(id);
  };
  FakeAdmin admin;
  WeightStore weights;
  LearnerServiceOptions options;
  options.observer = &observer;
  const auto service = MakeLearnerService(&learner, &weights, &admin, options);
  const auto server = Serve(service.get(), &observer);
  const auto channel = server->InProcessChannel();
  const auto stub = v1::LearnerService::NewStub(channel);
  const auto attack = [&](const std::string& word) {
    const auto call = [&](auto method, auto request, auto response) {
      grpc::ClientContext context;
      (stub.get()->*method)(&context, request, &response);
    };
    v1::RegisterRequest name;
    name.set_worker_name(word);
    name.set_protocol_version(kProtocolVersion);
    call(&v1::LearnerService::Stub::Register, name, v1::RegisterResponse());
    v1::LeasePromptsRequest lease;
    lease.set_worker_id(word);
    call(&v1::LearnerService::Stub::LeasePrompts, lease, v1::LeasePromptsResponse());
    CallUnknownMethod(channel, absl::StrCat("/tpo.v1.LearnerService/", word));
    CallUnknownMethod(channel, absl::StrCat("/", word, "/", word));
  };
  attack("first");
  const size_t before = SeriesOf(metrics);
  for (int i = 0; i < kMany; ++i) attack(absl::StrCat("name", i));
  EXPECT_EQ(SeriesOf(metrics), before) << metrics.Text();
  server->Shutdown(absl::Seconds(5));
}

TEST(MetricSeries, OfAVerifierDoNotGrowWithTasksAndVerdicts) {
  MetricsRegistry metrics("tpo-test");
  PrometheusRpcObserver rpcs(&metrics);
  PrometheusVerifierObserver verdicts(&metrics);
  FakeVerifier verifier;
  verifier.on_verify = [](const VerifyRequest& request) {
    Verdict scored = Verdict::Scored(1);
    scored.components[request.prompt.task] = 1;
    Verdict unscored = Verdict::Unscored(VerdictKind::kFailed, request.prompt.task);
    return std::vector<Verdict>{scored, unscored};
  };
  const auto service = MakeVerifierService(
      &verifier, {.threads = 1, .rpc_observer = &rpcs, .verifier_observer = &verdicts});
  const auto server = Serve(service.get(), &rpcs);
  const auto stub = v1::VerifierService::NewStub(server->InProcessChannel());
  const auto attack = [&](const std::string& word) {
    v1::VerifyRequest request;
    request.mutable_prompt()->set_task(word);
    request.mutable_prompt()->add_tokens(1);
    (*request.mutable_prompt()->mutable_metadata())[word] = word;
    request.set_idempotency_key(word);
    for (int k = 0; k < 2; ++k) {
      v1::Completion* completion = request.add_completions();
      completion->add_tokens(1);
      completion->add_behavior_log_probs(-1);
      completion->set_finish_reason(v1::FINISH_REASON_STOP);
      completion->add_weight_versions();
    }
    grpc::ClientContext context;
    v1::VerifyResponse response;
    EXPECT_TRUE(stub->Verify(&context, request, &response).ok());
  };
  attack("first");
  const size_t before = SeriesOf(metrics);
  for (int i = 0; i < kMany; ++i) attack(absl::StrCat("task", i));
  EXPECT_EQ(SeriesOf(metrics), before) << metrics.Text();
  server->Shutdown(absl::Seconds(5));
}

}  // namespace
}  // namespace tpo
