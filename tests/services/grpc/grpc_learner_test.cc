// LearnerService and AdminService with their clients, in process and over loopback.
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "core/trace.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/grpc/admin_client.h"
#include "services/grpc/convert.h"
#include "services/grpc/grpc_learner_client.h"
#include "tests/services/grpc/grpc_test_support.h"
#include "tests/services/grpc/raw_call.h"
#include "tpo/v1/learner.grpc.pb.h"

namespace tpo {
namespace {

// Answers as the learner would, and keeps the header of each SubmitGroups call.
class HeaderKeeper : public v1::LearnerService::Service {
 public:
  HeaderKeeper() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~HeaderKeeper() override { server_->Shutdown(); }

  grpc::Status Register(grpc::ServerContext*, const v1::RegisterRequest*,
                        v1::RegisterResponse* response) override {
    RunInfo info;
    info.worker_id = "w-1";
    info.run_id = "run";
    ToProto(info, response);
    return grpc::Status::OK;
  }
  grpc::Status SubmitGroups(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::SubmitGroupsResponse, v1::SubmitGroupsRequest>*) override {
    const auto header = context->client_metadata().find("traceparent");
    traceparent = header == context->client_metadata().end()
                      ? ""
                      : std::string(header->second.data(), header->second.size());
    return grpc::Status::OK;
  }
  std::shared_ptr<grpc::Channel> NewChannel() const {
    return MakeLearnerChannel({.address = absl::StrCat("127.0.0.1:", port_)}).value();
  }

  std::string traceparent;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class NoSpans : public SpanSink {
 public:
  void Add(Span) override {}
};

TEST(GrpcLearnerClientTest, NamesTheFirstTracedGroupInTheHeaderOfASubmission) {
  HeaderKeeper learner;
  NoSpans sink;
  // Some groups are traced, others aren't.
  const Tracing tracing = {.sink = &sink, .sample_ratio = 0.5};
  std::vector<Group> plain;
  std::vector<Group> mixed;
  std::optional<uint64_t> first_traced;
  for (uint64_t prompt = 0; !first_traced.has_value(); ++prompt) {
    mixed.push_back(MakeGroup(7, prompt, 3));
    if (tracing.Wants(GroupTraceId("run", prompt))) {
      first_traced = prompt;
    } else {
      plain.push_back(mixed.back());
    }
  }
  GrpcLearnerClientOptions options;
  options.tracing = tracing;
  GrpcLearnerClient client(learner.NewChannel(), options);
  ASSERT_TRUE(client.Register("host").ok());
  client.SubmitGroups("w-1", mixed).IgnoreError();
  const TraceId trace = GroupTraceId("run", *first_traced);
  EXPECT_EQ(
      ParseTraceParent(learner.traceparent),
      (SpanContext{.trace = trace, .span = KnownSpanId(trace, "rollout", 7), .sampled = true}));
  if (!plain.empty()) {
    client.SubmitGroups("w-1", plain).IgnoreError();
    EXPECT_EQ(learner.traceparent, "");
  }
}

class GrpcLearnerTest : public testing::TestWithParam<Transport> {
 protected:
  LearnerUnderTest learner_{GetParam()};
  GrpcLearnerClient client_{learner_.NewChannel()};
};

TEST_P(GrpcLearnerTest, Registers) {
  RunInfo info;
  info.worker_id = "w-1";
  info.seed = 17;
  info.sampling.completions_per_prompt = 8;
  info.sampling.swap_in_flight = true;
  learner_.learner.on_register = [&](const std::string& name) {
    EXPECT_EQ(name, "host-a");
    return info;
  };
  EXPECT_EQ(client_.Register("host-a").value(), info);
}

TEST_P(GrpcLearnerTest, RefusesAnotherProtocol) {
  grpc::ClientContext context;
  v1::RegisterRequest request;
  request.set_worker_name("host-a");
  request.set_protocol_version(kProtocolVersion + 1);
  v1::RegisterResponse response;
  const grpc::Status status =
      v1::LearnerService::NewStub(learner_.NewChannel())->Register(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(status.error_message().find("protocol_version"), std::string::npos);
}

TEST_P(GrpcLearnerTest, RefusesNamesThatAreEmptyOrEndless) {
  EXPECT_THAT(client_.Register(""), HoldsStatus(absl::StatusCode::kInvalidArgument, "worker_name"));
  EXPECT_THAT(client_.LeasePrompts(std::string(257, 'w')),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "worker_id"));
}

TEST_P(GrpcLearnerTest, Leases) {
  Prompt prompt;
  prompt.tokens = {3};
  const Lease lease{
      .id = 4, .prompts = {prompt}, .min_weight_version = 2, .time_to_live = absl::Seconds(9)};
  learner_.learner.on_lease = [&](const std::string& worker_id) {
    EXPECT_EQ(worker_id, "w-1");
    return LeaseResult(lease);
  };
  const LeaseResult result = client_.LeasePrompts("w-1").value();
  EXPECT_EQ(std::get<Lease>(result).id, 4);
  EXPECT_EQ(std::get<Lease>(result).prompts, lease.prompts);
}

TEST_P(GrpcLearnerTest, AWorkersTimesTravelOnceWithItsNextQuestionForALease) {
  const WorkerTimes times = {.waiting_for_lease = absl::Seconds(1),
                             .waiting_for_weights = absl::Seconds(2),
                             .sampling = absl::Milliseconds(3),
                             .waiting_for_verdicts = absl::Seconds(4),
                             .submitting = absl::Seconds(5)};
  std::vector<std::pair<std::string, WorkerTimes>> received;
  learner_.learner.on_times = [&](const std::string& worker_id, const WorkerTimes& reported) {
    received.emplace_back(worker_id, reported);
  };
  client_.ReportTimes("w-1", {});
  client_.ReportTimes("w-1", times);
  client_.ReportTimes("w-2", {});
  ASSERT_TRUE(client_.LeasePrompts("w-1").ok());
  ASSERT_TRUE(client_.LeasePrompts("w-1").ok());
  ASSERT_EQ(received.size(), 1);
  EXPECT_EQ(received[0], std::make_pair(std::string("w-1"), times));
}

TEST_P(GrpcLearnerTest, RefusesNegativeTimes) {
  WorkerTimes times;
  times.sampling = absl::Seconds(-1);
  client_.ReportTimes("w-1", times);
  EXPECT_THAT(client_.LeasePrompts("w-1"),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "times.sampling"));
}

TEST_P(GrpcLearnerTest, PassesTheLearnersErrorsOn) {
  learner_.learner.on_lease = [](const std::string&) {
    return absl::NotFoundError("worker_id: who are you?");
  };
  EXPECT_THAT(client_.LeasePrompts("w-1"),
              HoldsStatus(absl::StatusCode::kNotFound, "who are you?"));
  learner_.learner.on_submit = [](const Group&) {
    return absl::NotFoundError("worker_id: who are you?");
  };
  EXPECT_THAT(client_.SubmitGroups("w-1", {MakeGroup(1, 2, 0)}),
              HoldsStatus(absl::StatusCode::kNotFound, "who are you?"));
}

TEST_P(GrpcLearnerTest, SubmitsMoreGroupsThanFitOnTheWayInOrder) {
  std::vector<Group> groups;
  // Several messages' worth, by number and by size.
  constexpr uint64_t kGroups = 600;
  for (uint64_t prompt = 0; prompt < kGroups; ++prompt) groups.push_back(MakeGroup(7, prompt, 0));
  groups[300].completions[0].text = std::string(1 << 20, 'x');
  std::vector<uint64_t> received;
  learner_.learner.on_submit = [&](const Group& group) {
    EXPECT_EQ(group, groups[group.prompt_id]);
    received.push_back(group.prompt_id);
    const SubmitOutcome outcome =
        group.prompt_id % 2 == 0 ? SubmitOutcome::kAccepted : SubmitOutcome::kStale;
    return SubmitResult{
        .lease_id = 7, .prompt_id = group.prompt_id, .outcome = outcome, .error = ""};
  };
  const std::vector<SubmitResult> results = client_.SubmitGroups("w-1", groups).value();
  ASSERT_EQ(results.size(), kGroups);
  for (uint64_t prompt = 0; prompt < kGroups; ++prompt) {
    EXPECT_EQ(received[prompt], prompt);
    EXPECT_EQ(results[prompt].prompt_id, prompt);
    EXPECT_EQ(results[prompt].outcome,
              prompt % 2 == 0 ? SubmitOutcome::kAccepted : SubmitOutcome::kStale);
  }
}

TEST_P(GrpcLearnerTest, SubmitsNothing) { EXPECT_TRUE(client_.SubmitGroups("w-1", {})->empty()); }

TEST_P(GrpcLearnerTest, RefusesAMessageWithoutGroupsOrWithTooMany) {
  const auto stub = v1::LearnerService::NewStub(learner_.NewChannel());
  for (const int count : {0, kMaxGroupsPerMessage + 1}) {
    grpc::ClientContext context;
    v1::SubmitGroupsRequest request;
    request.set_worker_id("w-1");
    for (int i = 0; i < count; ++i) request.add_groups();
    const auto stream = stub->SubmitGroups(&context);
    stream->Write(request);
    stream->WritesDone();
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_NE(status.error_message().find("groups: "), std::string::npos);
  }
}

TEST_P(GrpcLearnerTest, AnswersAMalformedGroupAndGoesOn) {
  std::vector<Group> groups = {MakeGroup(7, 1, 0), MakeGroup(7, 2, 0)};
  groups[0].completions[1].behavior_log_probs[0] = std::numeric_limits<float>::quiet_NaN();
  uint64_t emptied = 0;
  learner_.learner.on_submit = [&, accept = learner_.learner.on_submit](const Group& group) {
    if (group.completions.empty()) emptied = group.prompt_id;
    return accept(group);
  };
  const std::vector<SubmitResult> results = client_.SubmitGroups("w-1", groups).value();
  ASSERT_EQ(results.size(), 2);
  EXPECT_EQ(results[0].outcome, SubmitOutcome::kInvalid);
  EXPECT_EQ(results[0].error, "completions[1].behavior_log_probs[0]: not a finite number");
  EXPECT_EQ(emptied, 1) << "the learner has to hear of the group, to lease its prompt again";
  EXPECT_EQ(results[1].outcome, SubmitOutcome::kAccepted);
}

TEST_P(GrpcLearnerTest, WaitsForWeights) {
  ASSERT_TRUE(learner_.weights.Publish(MakeSnapshot(3)).ok());
  const auto snapshot = client_.WaitForWeights("w-1", -1, absl::InfiniteDuration()).value();
  EXPECT_EQ(snapshot->version, 3);
  EXPECT_EQ(snapshot->weights.bytes(), learner_.weights.Newest()->weights.bytes());
  EXPECT_THAT(client_.WaitForWeights("w-1", 3, absl::ZeroDuration()),
              HoldsStatus(absl::StatusCode::kDeadlineExceeded, ""));
  ASSERT_TRUE(learner_.weights.Publish(MakeSnapshot(4)).ok());
  EXPECT_EQ(client_.WaitForWeights("w-1", 3, absl::InfiniteDuration()).value()->version, 4);
  learner_.weights.Close();
  EXPECT_THAT(client_.WaitForWeights("w-1", 4, absl::InfiniteDuration()),
              HoldsStatus(absl::StatusCode::kCancelled, ""));
}

TEST_P(GrpcLearnerTest, RegisteringAgainForgetsTheWeights) {
  ASSERT_TRUE(learner_.weights.Publish(MakeSnapshot(3)).ok());
  ASSERT_TRUE(client_.WaitForWeights("w-1", -1, absl::InfiniteDuration()).ok());
  ASSERT_TRUE(client_.Register("host-a").ok());
  EXPECT_EQ(client_.WaitForWeights("w-2", -1, absl::InfiniteDuration()).value()->version, 3);
}

TEST_P(GrpcLearnerTest, CloseCancelsCallsInProgressAndToCome) {
  absl::Notification closed;
  learner_.learner.on_lease = [&](const std::string&) {
    client_.Close();
    closed.Notify();
    return LeaseResult(NoLease{.finished = true, .retry_after = absl::ZeroDuration()});
  };
  // The call in progress may have got its answer first.
  const auto in_progress = client_.LeasePrompts("w-1");
  closed.WaitForNotification();
  EXPECT_TRUE(in_progress.ok() || absl::IsCancelled(in_progress.status())) << in_progress.status();
  EXPECT_THAT(client_.LeasePrompts("w-1"), HoldsStatus(absl::StatusCode::kCancelled, ""));
  EXPECT_THAT(client_.SubmitGroups("w-1", {MakeGroup(1, 2, 0)}),
              HoldsStatus(absl::StatusCode::kCancelled, ""));
  EXPECT_THAT(client_.WaitForWeights("w-1", -1, absl::InfiniteDuration()),
              HoldsStatus(absl::StatusCode::kCancelled, ""));
}

TEST_P(GrpcLearnerTest, TellsOperatorsTheStatus) {
  learner_.admin.status.run_id = "run";
  learner_.admin.status.step = 12;
  EXPECT_EQ(GetRunStatus(learner_.NewChannel()).value(), learner_.admin.status);
}

TEST_P(GrpcLearnerTest, WritesCheckpointsWithoutHoldingUpOtherCalls) {
  absl::Notification begun;
  absl::Notification may_end;
  learner_.admin.on_checkpoint = [&] {
    begun.Notify();
    may_end.WaitForNotification();
    return CheckpointInfo{.path = "/run/checkpoints/3", .step = 3};
  };
  absl::StatusOr<CheckpointInfo> info;
  std::thread operator_thread([&] { info = RequestCheckpoint(learner_.NewChannel()); });
  begun.WaitForNotification();
  EXPECT_TRUE(client_.LeasePrompts("w-1").ok());
  EXPECT_TRUE(GetRunStatus(learner_.NewChannel()).ok());
  may_end.Notify();
  operator_thread.join();
  EXPECT_EQ(info.value(), (CheckpointInfo{.path = "/run/checkpoints/3", .step = 3}));
}

TEST_P(GrpcLearnerTest, PassesOnWhyACheckpointFailed) {
  learner_.admin.on_checkpoint = [] { return absl::ResourceExhaustedError("/run: disk full"); };
  EXPECT_THAT(RequestCheckpoint(learner_.NewChannel()),
              HoldsStatus(absl::StatusCode::kResourceExhausted, "disk full"));
}

TEST_P(GrpcLearnerTest, DrainsAfterItHasSaidThatItDoesNotServe) {
  const std::shared_ptr<grpc::Channel> channel = learner_.NewChannel();
  const auto health = [&] {
    std::string response;
    EXPECT_TRUE(CallRaw(channel, "/grpc.health.v1.Health/Check", "", &response).ok());
    return response;
  };
  EXPECT_EQ(health(), "\x08\x01") << "HealthCheckResponse{status = SERVING}";
  EXPECT_TRUE(RequestDrain(channel).ok());
  EXPECT_TRUE(learner_.admin.drained);
  EXPECT_EQ(health(), "\x08\x02") << "NOT_SERVING";
  EXPECT_TRUE(client_.LeasePrompts("w-1").ok()) << "workers are served on";
}

TEST_P(GrpcLearnerTest, ReportsCalls) {
  ASSERT_TRUE(client_.LeasePrompts("w-1").ok());
  ASSERT_FALSE(client_.LeasePrompts("").ok());
  ASSERT_TRUE(client_.SubmitGroups("w-1", {MakeGroup(1, 2, 0)}).ok());
  learner_.rpcs.WaitFor("LeasePrompts", absl::StatusCode::kOk);
  learner_.rpcs.WaitFor("LeasePrompts", absl::StatusCode::kInvalidArgument);
  learner_.rpcs.WaitFor("SubmitGroups", absl::StatusCode::kOk);
}

INSTANTIATE_TEST_SUITE_P(Transports, GrpcLearnerTest,
                         testing::Values(Transport::kInProcess, Transport::kLoopback));

TEST(GrpcLearnerClient, HasADeadlineForALearnerThatIsNotThere) {
  GrpcLearnerClient client(
      MakeLearnerChannel({.address = "127.0.0.1:1"}).value(),
      {.call_deadline = absl::Milliseconds(50), .submit_deadline = absl::Milliseconds(50)});
  EXPECT_THAT(client.Register("w"), HoldsStatus(absl::StatusCode::kDeadlineExceeded, "Register"));
  EXPECT_THAT(client.LeasePrompts("w"),
              HoldsStatus(absl::StatusCode::kDeadlineExceeded, "LeasePrompts"));
  EXPECT_THAT(client.SubmitGroups("w", {MakeGroup(1, 2, 0)}),
              HoldsStatus(absl::StatusCode::kDeadlineExceeded, "SubmitGroups"));
  EXPECT_THAT(
      GetRunStatus(MakeLearnerChannel({.address = "127.0.0.1:1"}).value(), absl::Seconds(30)),
      HoldsStatus(absl::StatusCode::kUnavailable, "GetStatus"));
}

// The learner dies, and comes back on the same port from a checkpoint that is older than what it
// had published.
TEST(GrpcLearnerClient, OutlivesALearnerThatRestarts) {
  auto first = std::make_unique<LearnerUnderTest>(Transport::kLoopback);
  const std::string address = first->server->address();
  GrpcLearnerClient client(first->NewChannel());
  ASSERT_TRUE(client.Register("w").ok());
  ASSERT_TRUE(first->weights.Publish(MakeSnapshot(57)).ok());
  ASSERT_EQ(client.WaitForWeights("w-1", -1, absl::InfiniteDuration()).value()->version, 57);
  first.reset();

  absl::StatusOr<LeaseResult> lease;
  std::thread worker([&] { lease = client.LeasePrompts("w-1"); });
  LearnerUnderTest second(Transport::kLoopback, address);
  worker.join();
  // The call came too early, or it waited for the learner: either way there is an answer.
  EXPECT_TRUE(lease.ok() || absl::IsUnavailable(lease.status())) << lease.status();
  ASSERT_TRUE(second.weights.Publish(MakeSnapshot(50)).ok());
  ASSERT_TRUE(client.Register("w").ok());
  EXPECT_EQ(client.WaitForWeights("w-1", -1, absl::InfiniteDuration()).value()->version, 50);
}

}  // namespace
}  // namespace tpo
