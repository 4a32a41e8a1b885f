// What those who watch a learner and its workers are told over the wire.
#include <atomic>
#include <vector>

#include "core/run_board.h"
#include "gtest/gtest.h"
#include "services/grpc/admin_client.h"
#include "services/grpc/bounded_executor.h"
#include "services/grpc/grpc_learner_client.h"
#include "tests/services/grpc/grpc_test_support.h"

namespace tpo {
namespace {

class CountingWeightObserver : public WeightObserver {
 public:
  void OnWeightBytesReceived(uint64_t bytes) override {
    absl::MutexLock lock(&mutex_);
    bytes_ += bytes;
  }
  void OnWeights(WeightVersion version, absl::Duration duration) override {
    absl::MutexLock lock(&mutex_);
    version_ = version;
    duration_ = duration;
  }
  uint64_t bytes() const {
    absl::MutexLock lock(&mutex_);
    return bytes_;
  }
  WeightVersion version() const {
    absl::MutexLock lock(&mutex_);
    return version_;
  }
  absl::Duration duration() const {
    absl::MutexLock lock(&mutex_);
    return duration_;
  }

 private:
  mutable absl::Mutex mutex_;
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  WeightVersion version_ ABSL_GUARDED_BY(mutex_) = -1;
  absl::Duration duration_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
};

class SentBytes : public RpcObserver {
 public:
  void OnRpc(const char*, absl::StatusCode, absl::Duration) override {}
  void OnWeightBytesSent(uint64_t bytes) override { sent += bytes; }
  std::atomic<uint64_t> sent = 0;
};

std::unique_ptr<GrpcServer> Serve(RpcService* service) {
  GrpcServer::Options options;
  options.announce = false;
  options.services = {service};
  return GrpcServer::Start(options).value();
}

TEST(Watching, StatusCarriesDetailsWhenAsked) {
  FakeLearner learner;
  FakeAdmin admin;
  admin.status.run_id = "run";
  admin.status.workers_seen = {{.name = "worker", .idle = absl::Seconds(1)}};
  WeightStore weights;
  FakeClock clock;
  RunBoard board(&clock);
  StepRecord record;
  record.step = 3;
  record.reward_mean = 0.5;
  board.OnStep(record);
  board.OnCheckpoint(2, 0.1, "");
  LearnerServiceOptions options;
  options.board = &board;
  const auto service = MakeLearnerService(&learner, &weights, &admin, options);
  const auto server = Serve(service.get());
  EXPECT_TRUE(GetRunStatus(server->InProcessChannel())->workers_seen.empty()) << "not asked for";
  const DetailedRunStatus detailed = GetDetailedRunStatus(server->InProcessChannel()).value();
  EXPECT_EQ(detailed.status, admin.status);
  EXPECT_EQ(detailed.details, board.Read());
  server->Shutdown(absl::Seconds(5));
}

TEST(Watching, WeightsAreCountedOnBothSides) {
  FakeLearner learner;
  FakeAdmin admin;
  WeightStore weights;
  SentBytes sent;
  LearnerServiceOptions service_options;
  service_options.weight_frame_bytes = 16;
  service_options.observer = &sent;
  const auto service = MakeLearnerService(&learner, &weights, &admin, service_options);
  const auto server = Serve(service.get());
  CountingWeightObserver received;
  {
    GrpcLearnerClientOptions options;
    options.weight_observer = &received;
    GrpcLearnerClient client(server->InProcessChannel(), options);
    ASSERT_TRUE(weights.Publish(MakeSnapshot(3)).ok());
    const auto snapshot = client.WaitForWeights("w-1", -1, absl::InfiniteDuration()).value();
    EXPECT_EQ(received.version(), 3);
    EXPECT_EQ(received.bytes(), snapshot->weights.bytes().size());
    EXPECT_GE(received.duration(), absl::ZeroDuration());
    EXPECT_EQ(sent.sent, snapshot->weights.bytes().size());
  }
  server->Shutdown(absl::Seconds(5));
}

TEST(Watching, WeightsOfTheSameProcessAreSharedAndNotSent) {
  FakeLearner learner;
  FakeAdmin admin;
  WeightStore weights;
  SentBytes sent;
  LearnerServiceOptions service_options;
  service_options.observer = &sent;
  const auto service = MakeLearnerService(&learner, &weights, &admin, service_options);
  const auto server = Serve(service.get());
  CountingWeightObserver received;
  {
    GrpcLearnerClient client(server->InProcessChannel(),
                             {.weight_observer = &received, .local_weights = &weights});
    const auto first = MakeSnapshot(3);
    ASSERT_TRUE(weights.Publish(first).ok());
    EXPECT_EQ(client.WaitForWeights("w-1", -1, absl::InfiniteDuration()).value(), first);
    EXPECT_EQ(received.version(), 3);
    const auto second = MakeSnapshot(4);
    ASSERT_TRUE(weights.Publish(second).ok());
    EXPECT_EQ(client.WaitForWeights("w-1", 3, absl::InfiniteDuration()).value(), second);
    EXPECT_EQ(first.use_count(), 1) << "the old version is kept by nobody but this test";
    EXPECT_EQ(received.bytes(), 0);
    EXPECT_EQ(sent.sent, 0);
  }
  server->Shutdown(absl::Seconds(5));
}

TEST(Watching, AQueueTellsItsLengthAsItGrowsAndShrinks) {
  absl::Notification go;
  absl::Notification begun;
  std::vector<size_t> lengths;  // told in order, under the queue's lock
  {
    BoundedExecutor executor(1, 2, [&](size_t length) { lengths.push_back(length); });
    EXPECT_TRUE(executor.TryRun([&] {
      begun.Notify();
      go.WaitForNotification();
    }));
    begun.WaitForNotification();
    EXPECT_TRUE(executor.TryRun([] {}));
    EXPECT_TRUE(executor.TryRun([] {}));
    EXPECT_FALSE(executor.TryRun([] {})) << "full";
    go.Notify();
  }
  EXPECT_EQ(lengths, (std::vector<size_t>{1, 0, 1, 2, 1, 0}));
}

}  // namespace
}  // namespace tpo
