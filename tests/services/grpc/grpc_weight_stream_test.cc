// WatchWeights as a subscriber sees it on the wire.
#include <memory>
#include <string>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/services/grpc/grpc_test_support.h"
#include "tpo/v1/learner.grpc.pb.h"

namespace tpo {
namespace {

// One subscriber's stream.
class Subscriber {
 public:
  Subscriber(LearnerUnderTest& learner, const v1::WatchWeightsRequest& request)
      : stub_(v1::LearnerService::NewStub(learner.NewChannel())),
        reader_(stub_->WatchWeights(&context_, request)) {}

  v1::WatchWeightsResponse Read() {
    v1::WatchWeightsResponse message;
    EXPECT_TRUE(reader_->Read(&message));
    return message;
  }
  // Reads one whole version: its manifest, then frames from `offset` on. Returns their bytes.
  std::string ReadVersion(WeightVersion version, uint64_t offset = 0) {
    const v1::WatchWeightsResponse begin = Read();
    EXPECT_EQ(begin.manifest().weight_version(), version);
    std::string bytes;
    while (offset + bytes.size() < begin.manifest().size_bytes()) {
      const v1::WatchWeightsResponse message = Read();
      if (!message.has_frame()) {
        ADD_FAILURE() << "expected a frame: " << message.ShortDebugString();
        break;
      }
      EXPECT_EQ(message.frame().weight_version(), version);
      EXPECT_EQ(message.frame().offset_bytes(), offset + bytes.size());
      EXPECT_LE(message.frame().data().size(), 16);
      bytes += message.frame().data();
    }
    return bytes;
  }
  grpc::Status End() {
    v1::WatchWeightsResponse message;
    EXPECT_FALSE(reader_->Read(&message)) << message.ShortDebugString();
    return reader_->Finish();
  }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<v1::LearnerService::Stub> stub_;
  const std::unique_ptr<grpc::ClientReader<v1::WatchWeightsResponse>> reader_;
};

v1::WatchWeightsRequest Request(WeightVersion have, WeightVersion resume = 0, uint64_t bytes = 0) {
  v1::WatchWeightsRequest request;
  request.set_worker_id("w");
  request.set_have_version(have);
  request.set_resume_version(resume);
  request.set_resume_bytes(bytes);
  return request;
}

std::string BytesOf(const WeightSnapshot& snapshot) {
  const auto bytes = snapshot.weights.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class WeightStreamTest : public testing::TestWithParam<Transport> {
 protected:
  std::shared_ptr<const WeightSnapshot> Publish(WeightVersion version) {
    auto snapshot = MakeSnapshot(version);
    EXPECT_TRUE(learner_.weights.Publish(snapshot).ok());
    return snapshot;
  }

  LearnerUnderTest learner_{GetParam()};
};

TEST_P(WeightStreamTest, SendsTheNewestThenEachThatIsPublished) {
  const auto four = Publish(4);
  Subscriber subscriber(learner_, Request(-1));
  EXPECT_EQ(subscriber.ReadVersion(4), BytesOf(*four));
  const auto five = Publish(5);
  EXPECT_EQ(subscriber.ReadVersion(5), BytesOf(*five));
}

TEST_P(WeightStreamTest, WaitsForTheFirstVersion) {
  Subscriber subscriber(learner_, Request(-1));
  const auto zero = Publish(0);
  EXPECT_EQ(subscriber.ReadVersion(0), BytesOf(*zero));
}

TEST_P(WeightStreamTest, SendsNothingThatTheSubscriberHas) {
  Publish(4);
  Subscriber subscriber(learner_, Request(4));
  Publish(6);
  subscriber.ReadVersion(6);
}

TEST_P(WeightStreamTest, ResumesWithinTheNewest) {
  const auto four = Publish(4);
  Subscriber subscriber(learner_, Request(-1, 4, 24));
  EXPECT_EQ(subscriber.ReadVersion(4, 24), BytesOf(*four).substr(24));
}

TEST_P(WeightStreamTest, BeginsTheNewestAnewWhenAnotherWasHeldInPart) {
  Publish(4);
  Subscriber older(learner_, Request(-1, 3, 24));
  EXPECT_EQ(older.ReadVersion(4).size(), 64);
  Subscriber impossible(learner_, Request(-1, 4, 65));
  EXPECT_EQ(impossible.ReadVersion(4).size(), 64);
}

TEST_P(WeightStreamTest, EndsWithOkWhenTheStoreCloses) {
  Publish(4);
  Subscriber subscriber(learner_, Request(-1));
  subscriber.ReadVersion(4);
  learner_.weights.Close();
  EXPECT_TRUE(subscriber.End().ok());
  Subscriber late(learner_, Request(-1));
  EXPECT_TRUE(late.End().ok());
}

TEST_P(WeightStreamTest, EndsWithUnavailableWhenTheServerShutsDown) {
  Publish(4);
  Subscriber subscriber(learner_, Request(-1));
  subscriber.ReadVersion(4);
  learner_.server->Shutdown(absl::InfiniteDuration());
  EXPECT_EQ(subscriber.End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_P(WeightStreamTest, ASubscriberThatLeavesCostsNothing) {
  Publish(4);
  {
    Subscriber subscriber(learner_, Request(-1));
    subscriber.ReadVersion(4);
    subscriber.Cancel();
    EXPECT_EQ(subscriber.End().error_code(), grpc::StatusCode::CANCELLED);
  }
  learner_.rpcs.WaitFor("WatchWeights", absl::StatusCode::kCancelled);
  Publish(5);
}

TEST_P(WeightStreamTest, TheLearnerIsToldWhoseStreamBeginsAndHowItEnds) {
  using testing::ElementsAre;
  using testing::Pair;
  Publish(4);
  {
    Subscriber subscriber(learner_, Request(-1));
    subscriber.ReadVersion(4);
    EXPECT_THAT(learner_.streams.WaitFor(1), ElementsAre(Pair("w", WorkerStream::kOpened)));
    subscriber.Cancel();
    subscriber.End();
    EXPECT_THAT(learner_.streams.WaitFor(2).back(), Pair("w", WorkerStream::kLost));
  }
  Subscriber refused(learner_, Request(-2));
  refused.End();
  Subscriber subscriber(learner_, Request(-1));
  subscriber.ReadVersion(4);
  EXPECT_THAT(learner_.streams.WaitFor(3).back(), Pair("w", WorkerStream::kOpened));
  learner_.weights.Close();
  subscriber.End();
  EXPECT_THAT(learner_.streams.WaitFor(4).back(), Pair("w", WorkerStream::kClosed));
}

TEST_P(WeightStreamTest, AWorkerHasABoundedNumberOfStreams) {
  const auto four = Publish(4);
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (int i = 0; i < 16; ++i) {
    subscribers.push_back(std::make_unique<Subscriber>(learner_, Request(-1)));
    EXPECT_EQ(subscribers.back()->ReadVersion(4), BytesOf(*four));
  }
  EXPECT_EQ(Subscriber(learner_, Request(-1)).End().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  v1::WatchWeightsRequest other = Request(-1);
  other.set_worker_id("another");
  Subscriber unaffected(learner_, other);
  EXPECT_EQ(unaffected.ReadVersion(4), BytesOf(*four));
  unaffected.Cancel();
  (void)unaffected.End();
  for (const auto& subscriber : subscribers) {
    subscriber->Cancel();
    (void)subscriber->End();
  }
}

TEST_P(WeightStreamTest, RefusesVersionsThatCannotBe) {
  Subscriber have(learner_, Request(-2));
  EXPECT_EQ(have.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  Subscriber resume(learner_, Request(-1, -1));
  EXPECT_EQ(resume.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_P(WeightStreamTest, RefusesWorkersThatTheLearnerDoesNotKnow) {
  learner_.learner.weights_status = absl::NotFoundError("worker_id: register again");
  Subscriber stranger(learner_, Request(-1));
  EXPECT_EQ(stranger.End().error_code(), grpc::StatusCode::NOT_FOUND);
}

INSTANTIATE_TEST_SUITE_P(Transports, WeightStreamTest,
                         testing::Values(Transport::kInProcess, Transport::kLoopback));

// In process a write is done when it has been read, so that what is sent when doesn't depend on
// time.
TEST(SlowSubscriber, GetsTheVersionItBeganAndThenTheNewest) {
  LearnerUnderTest learner(Transport::kInProcess);
  ASSERT_TRUE(learner.weights.Publish(MakeSnapshot(1)).ok());
  Subscriber subscriber(learner, Request(-1));
  EXPECT_EQ(subscriber.Read().manifest().weight_version(), 1);
  for (WeightVersion version = 2; version <= 20; ++version) {
    ASSERT_TRUE(learner.weights.Publish(MakeSnapshot(version)).ok());
  }
  for (uint64_t offset = 0; offset < 64; offset += 16) {
    const v1::WatchWeightsResponse message = subscriber.Read();
    EXPECT_EQ(message.frame().weight_version(), 1);
    EXPECT_EQ(message.frame().offset_bytes(), offset);
  }
  subscriber.ReadVersion(20);
}

// Counts the snapshots that somebody holds.
class Snapshots {
 public:
  std::shared_ptr<const WeightSnapshot> Make(WeightVersion version, int64_t floats) {
    TensorSpec tensor = {.name = "w", .type = TensorType::kFloat32, .shape = {floats}};
    auto snapshot = WeightSnapshot::Create(version, TensorBundle::Create({tensor}).value());
    const WeightSnapshot* const plain = snapshot.get();
    Count(+1);
    return {plain, [this, snapshot](const WeightSnapshot*) mutable {
              snapshot.reset();
              Count(-1);
            }};
  }
  // Waits until there are so many or fewer.
  void WaitForAtMost(int count) {
    const absl::MutexLock lock(&mutex_);
    const auto few = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return held_ <= count; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&few), absl::Seconds(30)))
        << held_ << " versions are in memory";
  }

 private:
  void Count(int change) {
    const absl::MutexLock lock(&mutex_);
    held_ += change;
  }

  absl::Mutex mutex_;
  int held_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Subscribers that read nothing keep what they began in memory, each another version: all but one
// have to begin anew. Who reads gets every version meanwhile.
TEST(SlowSubscriber, OneOldVersionStaysInMemoryHoweverManyAreSlow) {
  // More than a connection takes while nobody reads.
  constexpr int64_t kFloats = 4 << 20;
  Snapshots snapshots;
  LearnerUnderTest learner(Transport::kLoopback, "127.0.0.1:0", 1 << 20);
  std::vector<std::unique_ptr<Subscriber>> slow;
  Subscriber reader(learner, Request(-1));
  for (WeightVersion version = 1; version <= 6; ++version) {
    ASSERT_TRUE(learner.weights.Publish(snapshots.Make(version, kFloats)).ok());
    EXPECT_EQ(reader.Read().manifest().weight_version(), version);
    for (uint64_t bytes = 0; bytes < 4 * kFloats;) {
      const v1::WatchWeightsResponse message = reader.Read();
      ASSERT_EQ(message.frame().weight_version(), version);
      bytes += message.frame().data().size();
    }
    // The newest, and one that is being sent.
    snapshots.WaitForAtMost(2);
    slow.push_back(std::make_unique<Subscriber>(learner, Request(-1)));
    EXPECT_EQ(slow.back()->Read().manifest().weight_version(), version);
  }
  // Seven were opened, and some have ended. The learner doesn't take their workers for lost.
  for (const auto& [worker, stream] : learner.streams.WaitFor(7 + 1)) {
    EXPECT_NE(stream, WorkerStream::kLost) << worker;
  }
}

}  // namespace
}  // namespace tpo
