// Everything that a peer may send to a learner, through the services to the lease book: calls in
// any order, each as bytes. The input is a list of calls: a byte for the method and whether the
// call is made with the id of a registered worker, then the request. Beside the learner is a relay
// that hands on weights of another one: a bit of that byte says which of them is asked for weights.
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/admin_api.h"
#include "core/clock.h"
#include "core/lease_book.h"
#include "core/role_book.h"
#include "core/run_board.h"
#include "core/sequence_task.h"
#include "core/step_record.h"
#include "core/weight_store.h"
#include "learner/learner_endpoint.h"
#include "services/grpc/learner_service.h"
#include "services/grpc/relay_service.h"
#include "services/grpc/server.h"
#include "tests/fuzz/fuzz.h"
#include "tests/services/grpc/raw_call.h"
#include "tpo/v1/learner.pb.h"

namespace tpo {
namespace {

class StillClock : public Clock {
 public:
  absl::Duration Now() const override { return absl::Seconds(1); }
};

RunInfo SmallRun() {
  RunInfo run;
  run.transformer.vocab_size = 4;
  run.sampling.completions_per_prompt = 2;
  run.sampling.max_tokens = 4;
  return run;
}

// A learner without a model: what workers can reach, made anew for each input.
struct SmallLearner {
  SequencePromptSource source{{.vocab_size = 4, .length = 4}, 7};
  StillClock clock;
  WeightStore weights;
  LeaseBook book{{.prompts_per_lease = 2,
                  .prompts_per_step = 4,
                  .steps = 3,
                  .max_staleness = 1,
                  .min_scored_completions = 1,
                  .lease_time_to_live = absl::Seconds(30)},
                 &source,
                 &clock};
  LearnerEndpoint endpoint{SmallRun(), &book, &weights, &clock};
};

// The service stays, what is behind it changes. A call that its caller has given up may still be at
// work when the next input comes: it keeps the learner that it began with.
class Forwarder : public LearnerApi {
 public:
  void SetTarget(std::shared_ptr<LearnerApi> target) {
    const absl::MutexLock lock(&mutex_);
    target_ = std::move(target);
  }

  absl::StatusOr<RunInfo> Register(const std::string& name) override {
    return target()->Register(name);
  }
  absl::StatusOr<LeaseResult> LeasePrompts(const std::string& id) override {
    return target()->LeasePrompts(id);
  }
  absl::StatusOr<std::vector<SubmitResult>> SubmitGroups(
      const std::string& id, const std::vector<Group>& groups) override {
    return target()->SubmitGroups(id, groups);
  }
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForWeights(
      const std::string& id, WeightVersion newer_than, absl::Duration timeout) override {
    return target()->WaitForWeights(id, newer_than, timeout);
  }
  absl::Status Deregister(const std::string& id) override { return target()->Deregister(id); }

 private:
  std::shared_ptr<LearnerApi> target() {
    const absl::MutexLock lock(&mutex_);
    return target_;
  }

  absl::Mutex mutex_;
  std::shared_ptr<LearnerApi> target_ ABSL_GUARDED_BY(mutex_);
};

class NoAdmin : public AdminApi {
 public:
  absl::StatusOr<CheckpointInfo> Checkpoint() override { return CheckpointInfo(); }
  void Drain() override {}
  RunStatus GetStatus() override { return {}; }
};

// What the relay says of its weights: a manifest, and frames of 64 bytes.
constexpr size_t kRelayAnswers = 5;

std::shared_ptr<const WeightSnapshot> SmallWeights() {
  TensorSpec tensor;
  tensor.name = "a";
  tensor.type = TensorType::kFloat32;
  tensor.shape = {64};
  return WeightSnapshot::Create(1, TensorBundle::Create({tensor}).value());
}

// Over TCP, for gRPC 1.51's in-process transport keeps some 30 KB of each stream that its client
// gives up: after minutes of fuzzing gigabytes.
std::shared_ptr<grpc::Channel> ChannelTo(const GrpcServer& server) {
  return grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
}

struct Served {
  Served() {
    Require(weights.Publish(WeightSnapshot::Create(0, TensorBundle::Create({}).value())).ok(),
            "publish");
    StepRecord record;
    record.inspected_groups.emplace_back().prompt.text = "one plus one";
    board.OnStep(record);
    learner_service =
        MakeLearnerService(&learner, &weights, &admin, {.board = &board, .roles = &roles});
    admin_service = MakeAdminService(&admin, nullptr);
    server = GrpcServer::Start({.listen = "127.0.0.1:0",
                                .announce = false,
                                .services = {learner_service.get(), admin_service.get()}})
                 .value();
    channel = ChannelTo(*server);
    Require(relay->Publish({"life", SmallWeights()}).ok(), "publish");
    relay_server =
        GrpcServer::Start({.listen = "127.0.0.1:0", .announce = false, .services = {relay.get()}})
            .value();
    relay_channel = ChannelTo(*relay_server);
  }

  Forwarder learner;
  // What is heard of relays and verifiers stays from input to input, up to the book's bounds.
  StillClock clock;
  RunBoard board{&clock};
  RoleBook roles{&clock};
  WeightStore weights;
  NoAdmin admin;
  std::unique_ptr<RpcService> learner_service;
  std::unique_ptr<RpcService> admin_service;
  std::unique_ptr<GrpcServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<RelayService> relay = RelayService::Make({.weight_frame_bytes = 64});
  std::unique_ptr<GrpcServer> relay_server;
  std::shared_ptr<grpc::Channel> relay_channel;
};

// The request with the id of a worker in it, when it is one that can hold it.
template <typename Request>
std::string WithWorker(const std::string& bytes, const std::string& worker_id) {
  Request request;
  if (!request.ParseFromString(bytes)) return bytes;
  request.set_worker_id(worker_id);
  return request.SerializeAsString();
}

void CheckStatus(const grpc::Status& status) {
  Require(status.error_code() != grpc::StatusCode::UNKNOWN, "no handler throws");
}

const char* OperatorMethod(uint8_t kind) {
  if (kind >= 128) return "/tpo.v1.LearnerService/GetStatus";
  return kind >= 64 ? "/tpo.v1.AdminService/Checkpoint" : "/tpo.v1.AdminService/Drain";
}

void Call(const Served& served, uint8_t kind, std::string bytes, const std::string& worker_id) {
  const bool known = kind >= 128;
  const bool of_relay = (kind & 64) != 0;
  std::string response;
  std::vector<std::string> responses;
  switch (kind % 8) {
    case 0:
      CheckStatus(CallRaw(served.channel, "/tpo.v1.LearnerService/Register", bytes, &response));
      break;
    case 1:
      if (known) bytes = WithWorker<v1::LeasePromptsRequest>(bytes, worker_id);
      CheckStatus(CallRaw(served.channel, "/tpo.v1.LearnerService/LeasePrompts", bytes, &response));
      break;
    case 2:
    case 3:
    case 4:
      if (known) bytes = WithWorker<v1::SubmitGroupsRequest>(bytes, worker_id);
      CheckStatus(RawStream::Call(served.channel, "/tpo.v1.LearnerService/SubmitGroups",
                                  {bytes, bytes}, 2, &responses));
      break;
    case 5:
      if (known) bytes = WithWorker<v1::WatchWeightsRequest>(bytes, worker_id);
      // One who has the newest version already waits for the next, which never comes.
      CheckStatus(RawStream::Call(
          of_relay ? served.relay_channel : served.channel, "/tpo.v1.LearnerService/WatchWeights",
          {bytes}, of_relay ? kRelayAnswers : 1, &responses, std::chrono::milliseconds(5)));
      break;
    case 6:
      if (known) bytes = WithWorker<v1::DeregisterRequest>(bytes, worker_id);
      CheckStatus(CallRaw(served.channel, "/tpo.v1.LearnerService/Deregister", bytes, &response));
      break;
    default:
      CheckStatus(CallRaw(served.channel, OperatorMethod(kind), bytes, &response));
      break;
  }
}

}  // namespace
}  // namespace tpo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tpo;  // NOLINT
  static auto* const served = new Served;
  const auto shared = std::make_shared<SmallLearner>();
  SmallLearner& learner = *shared;
  Require(learner.weights.Publish(WeightSnapshot::Create(0, TensorBundle::Create({}).value())).ok(),
          "publish");
  served->learner.SetTarget(std::shared_ptr<LearnerApi>(shared, &learner.endpoint));
  const std::string worker_id = learner.endpoint.Register("known").value().worker_id;
  Require(learner.book.LeasePrompts().ok(), "there is something to lease");
  FuzzInput input(data, size);
  for (int calls = 0; !input.empty() && calls < 16; ++calls) {
    const uint8_t kind = input.Byte();
    Call(*served, kind, std::string(input.Piece()), worker_id);
    Require(CheckBalance(learner.book.ledger()).ok(), "the ledger balances");
  }
  (void)learner.book.WaitForBatch(absl::ZeroDuration());
  Require(CheckBalance(learner.book.ledger()).ok(), "the ledger balances");
  return 0;
}
