// Fakes and servers that the tests of services/grpc share.
#ifndef TPO_TESTS_SERVICES_GRPC_GRPC_TEST_SUPPORT_H_
#define TPO_TESTS_SERVICES_GRPC_GRPC_TEST_SUPPORT_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "core/admin_api.h"
#include "core/learner_api.h"
#include "core/verifier_api.h"
#include "core/weight_store.h"
#include "gtest/gtest.h"
#include "services/grpc/channel.h"
#include "services/grpc/learner_service.h"
#include "services/grpc/server.h"
#include "services/grpc/verifier_service.h"
#include "tests/core/core_test_support.h"

namespace tpo {

// Answers what the test has set; by default like a learner that has accepted everything.
class FakeLearner : public LearnerApi {
 public:
  std::function<absl::StatusOr<RunInfo>(const std::string&)> on_register =
      [](const std::string& name) {
        RunInfo info;
        info.worker_id = name + "-1";
        return info;
      };
  std::function<absl::StatusOr<LeaseResult>(const std::string&)> on_lease = [](const std::string&) {
    return LeaseResult(NoLease{.finished = true, .retry_after = absl::ZeroDuration()});
  };
  std::function<void(const std::string&, const WorkerTimes&)> on_times = [](const std::string&,
                                                                            const WorkerTimes&) {};
  std::function<absl::StatusOr<SubmitResult>(const Group&)> on_submit = [](const Group& group) {
    const bool empty = group.completions.empty();
    return SubmitResult{.lease_id = group.lease_id,
                        .prompt_id = group.prompt_id,
                        .outcome = empty ? SubmitOutcome::kInvalid : SubmitOutcome::kAccepted,
                        .error = empty ? "completions: empty" : ""};
  };

  // The service streams from the store, and asks here only whether there is such a worker.
  absl::Status weights_status = absl::DeadlineExceededError("");

  absl::StatusOr<RunInfo> Register(const std::string& name) override { return on_register(name); }
  absl::StatusOr<LeaseResult> LeasePrompts(const std::string& id) override { return on_lease(id); }
  void ReportTimes(const std::string& id, const WorkerTimes& times) override {
    on_times(id, times);
  }
  absl::StatusOr<std::vector<SubmitResult>> SubmitGroups(
      const std::string&, const std::vector<Group>& groups) override {
    std::vector<SubmitResult> results;
    for (const Group& group : groups) {
      absl::StatusOr<SubmitResult> result = on_submit(group);
      if (!result.ok()) return result.status();
      results.push_back(*result);
    }
    return results;
  }
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForWeights(const std::string&,
                                                                       WeightVersion,
                                                                       absl::Duration) override {
    return weights_status;
  }
};

class FakeAdmin : public AdminApi {
 public:
  std::function<absl::StatusOr<CheckpointInfo>()> on_checkpoint = [] {
    return CheckpointInfo{.path = "/run/checkpoints/3", .step = 3};
  };
  RunStatus status;
  bool drained = false;

  absl::StatusOr<CheckpointInfo> Checkpoint() override { return on_checkpoint(); }
  void Drain() override { drained = true; }
  RunStatus GetStatus() override { return status; }
};

// Calls what the test has set; by default scores each completion with its number of tokens.
class FakeVerifier : public VerifierApi {
 public:
  std::function<absl::StatusOr<std::vector<Verdict>>(const VerifyRequest&)> on_verify =
      [](const VerifyRequest& request) {
        std::vector<Verdict> verdicts;
        for (const Completion& completion : request.completions) {
          verdicts.push_back(Verdict::Scored(static_cast<double>(completion.tokens.size())));
        }
        return verdicts;
      };

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    return on_verify(request);
  }
  VerifierDescription description = {
      .verifier = "fake", .version = "7", .tasks = {"sequence/*"}, .token_rewards = true};
  absl::Notification closed;

  std::optional<VerifierIdentity> judge;

  absl::StatusOr<VerifierDescription> Describe() override { return description; }
  std::optional<VerifierIdentity> JudgeOf(const std::string&) const override { return judge; }
  void Close() override {
    if (!closed.HasBeenNotified()) closed.Notify();
  }
};

// Counts calls by method and code.
class CountingRpcObserver : public RpcObserver {
 public:
  void OnRpc(const char* method, absl::StatusCode code, absl::Duration) override {
    absl::MutexLock lock(&mutex_);
    ++counts_[{method, code}];
  }
  // Waits: a call is counted on the server's side a moment before or after its client knows.
  void WaitFor(const std::string& method, absl::StatusCode code) {
    absl::MutexLock lock(&mutex_);
    const auto is_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return counts_[{method, code}] > 0;
    };
    mutex_.Await(absl::Condition(&is_there));
  }

 private:
  absl::Mutex mutex_;
  std::map<std::pair<std::string, absl::StatusCode>, int> counts_ ABSL_GUARDED_BY(mutex_);
};

// What a learner is told about weight streams.
class WorkerStreams {
 public:
  void Add(const std::string& worker, WorkerStream stream) {
    absl::MutexLock lock(&mutex_);
    told_.emplace_back(worker, stream);
  }
  // Waits until so many were told, and returns them.
  std::vector<std::pair<std::string, WorkerStream>> WaitFor(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return told_.size() >= count; };
    mutex_.Await(absl::Condition(&there));
    return told_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::pair<std::string, WorkerStream>> told_ ABSL_GUARDED_BY(mutex_);
};

enum class Transport { kInProcess, kLoopback };

// The learner's services around fakes.
class LearnerUnderTest {
 public:
  // `listen` is only looked at for kLoopback.
  explicit LearnerUnderTest(Transport transport, const std::string& listen = "127.0.0.1:0",
                            uint64_t frame_bytes = 16)
      : transport_(transport),
        learner_service_(MakeLearnerService(
            &learner, &weights, &admin,
            {.weight_frame_bytes = frame_bytes,
             .observer = &rpcs,
             .on_worker_stream = [this](const std::string& worker,
                                        WorkerStream stream) { streams.Add(worker, stream); }})),
        admin_service_(MakeAdminService(&admin, &rpcs, [this] {
          EXPECT_FALSE(admin.drained) << "whoever asks for the health is told first";
          server->ReportNotServing();
        })) {
    auto started = GrpcServer::Start({.listen = transport == Transport::kLoopback ? listen : "",
                                      .announce = false,
                                      .services = {learner_service_.get(), admin_service_.get()}});
    EXPECT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
  }

  std::shared_ptr<grpc::Channel> NewChannel() {
    if (transport_ == Transport::kInProcess) return server->InProcessChannel();
    return MakeLearnerChannel({.address = server->address()}).value();
  }

  FakeLearner learner;
  FakeAdmin admin;
  WeightStore weights;
  CountingRpcObserver rpcs;
  WorkerStreams streams;

 private:
  const Transport transport_;
  const std::unique_ptr<RpcService> learner_service_;
  const std::unique_ptr<RpcService> admin_service_;

 public:
  std::unique_ptr<GrpcServer> server;
};

// A verifier service around a fake.
class VerifierUnderTest {
 public:
  explicit VerifierUnderTest(Transport transport, VerifierServiceOptions options = {},
                             const std::function<void(FakeVerifier*)>& prepare = nullptr)
      : transport_(transport) {
    if (prepare) prepare(&verifier);
    service_ = MakeVerifierService(&verifier, options);
    auto started =
        GrpcServer::Start({.listen = transport == Transport::kLoopback ? "127.0.0.1:0" : "",
                           .announce = false,
                           .services = {service_.get()}});
    EXPECT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
  }

  std::shared_ptr<grpc::Channel> NewChannel() {
    if (transport_ == Transport::kInProcess) return server->InProcessChannel();
    return MakeVerifierChannel({.address = server->address()}).value();
  }

  FakeVerifier verifier;

 private:
  const Transport transport_;
  std::unique_ptr<RpcService> service_;

 public:
  std::unique_ptr<GrpcServer> server;
};

// A prompt with one completion per given length.
inline VerifyRequest MakeVerifyRequest(const std::vector<size_t>& lengths) {
  VerifyRequest request;
  request.prompt.task = "sequence/copy/terminal";
  request.prompt.tokens = {0, 1};
  for (const size_t length : lengths)
    request.completions.push_back(MakeCompletion(std::vector<TokenId>(length, 1), 0));
  return request;
}

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_GRPC_GRPC_TEST_SUPPORT_H_
