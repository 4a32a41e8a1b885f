// What reaches a worker from a learner whose weight streams break and lie.
#include "services/grpc/weight_watcher.h"

#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/grpc/channel.h"
#include "services/grpc/convert.h"
#include "tests/core/core_test_support.h"
#include "tpo/v1/learner.grpc.pb.h"

namespace tpo {
namespace {

using Writer = grpc::ServerWriter<v1::WatchWeightsResponse>;
using Script = std::function<grpc::Status(grpc::ServerContext*, Writer*)>;

// Plays one script per stream, in order; after the last, streams stay open and silent.
class ScriptedLearner : public v1::LearnerService::Service {
 public:
  explicit ScriptedLearner(std::deque<Script> scripts) : scripts_(std::move(scripts)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~ScriptedLearner() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::Status WatchWeights(grpc::ServerContext* context, const v1::WatchWeightsRequest* request,
                            Writer* writer) override {
    Script script = StaySilent;
    {
      absl::MutexLock lock(&mutex_);
      requests_.push_back(*request);
      if (!scripts_.empty()) {
        script = std::move(scripts_.front());
        scripts_.pop_front();
      }
    }
    return script(context, writer);
  }

  static grpc::Status StaySilent(grpc::ServerContext* context, Writer*) {
    while (!context->IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  }

  // The request of the stream number `index`, when it has come.
  v1::WatchWeightsRequest RequestOfStream(size_t index) {
    absl::MutexLock lock(&mutex_);
    const auto has_come = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return requests_.size() > index;
    };
    mutex_.Await(absl::Condition(&has_come));
    return requests_[index];
  }

  std::shared_ptr<grpc::Channel> NewChannel() const {
    return MakeLearnerChannel({.address = absl::StrCat("127.0.0.1:", port_)}).value();
  }

 private:
  int port_ = 0;
  absl::Mutex mutex_;
  std::deque<Script> scripts_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::WatchWeightsRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

void WriteManifest(const WeightSnapshot& snapshot, Writer* writer) {
  v1::WatchWeightsResponse message;
  ToProto(snapshot, message.mutable_manifest());
  writer->Write(message);
}

void WriteFrame(WeightVersion version, uint64_t offset, const std::string& data, Writer* writer) {
  v1::WatchWeightsResponse message;
  message.mutable_frame()->set_weight_version(version);
  message.mutable_frame()->set_offset_bytes(offset);
  message.mutable_frame()->set_data(data);
  writer->Write(message);
}

std::string BytesOf(const WeightSnapshot& snapshot, size_t from, size_t size) {
  const auto bytes = snapshot.weights.bytes().subspan(from, size);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void WriteWhole(const WeightSnapshot& snapshot, Writer* writer) {
  WriteManifest(snapshot, writer);
  WriteFrame(snapshot.version, 0, BytesOf(snapshot, 0, 64), writer);
}

Script SendWholeAndStay(const std::shared_ptr<const WeightSnapshot>& snapshot) {
  return [snapshot](grpc::ServerContext* context, Writer* writer) {
    WriteWhole(*snapshot, writer);
    return ScriptedLearner::StaySilent(context, writer);
  };
}

// A stream of `lie`, which goes on for ever unless the client ends it.
Script Lie(std::function<void(Writer*)> lie) {
  return [lie = std::move(lie)](grpc::ServerContext* context, Writer* writer) {
    lie(writer);
    return ScriptedLearner::StaySilent(context, writer);
  };
}

const grpc::Status kBroken(grpc::StatusCode::UNAVAILABLE, "broken on purpose");

class WeightWatcherTest : public testing::Test {
 protected:
  const std::shared_ptr<const WeightSnapshot> five_ = MakeSnapshot(5);
};

TEST_F(WeightWatcherTest, ResumesABrokenStreamWhereItWas) {
  ScriptedLearner learner({[&](grpc::ServerContext*, Writer* writer) {
                             WriteManifest(*five_, writer);
                             WriteFrame(5, 0, BytesOf(*five_, 0, 24), writer);
                             return kBroken;
                           },
                           [&](grpc::ServerContext* context, Writer* writer) {
                             WriteManifest(*five_, writer);
                             WriteFrame(5, 24, BytesOf(*five_, 24, 40), writer);
                             return ScriptedLearner::StaySilent(context, writer);
                           }});
  WeightWatcher watcher(learner.NewChannel());
  const auto snapshot = watcher.WaitForNewer("w", -1, absl::InfiniteDuration()).value();
  EXPECT_EQ(snapshot->version, 5);
  EXPECT_EQ(snapshot->weights.bytes(), five_->weights.bytes());
  EXPECT_EQ(learner.RequestOfStream(0).resume_bytes(), 0);
  EXPECT_EQ(learner.RequestOfStream(0).have_version(), -1);
  EXPECT_EQ(learner.RequestOfStream(1).resume_version(), 5);
  EXPECT_EQ(learner.RequestOfStream(1).resume_bytes(), 24);
}

TEST_F(WeightWatcherTest, ShowsNothingOfAStreamThatLies) {
  std::string flipped = BytesOf(*five_, 0, 64);
  flipped[7] ^= 1;
  const std::vector<std::function<void(Writer*)>> lies = {
      [&](Writer* w) { WriteFrame(5, 0, BytesOf(*five_, 0, 64), w); },
      [&](Writer* w) {
        WriteManifest(*five_, w);
        WriteFrame(5, 0, flipped, w);
      },
      [&](Writer* w) {
        WriteManifest(*five_, w);
        WriteFrame(5, 1, BytesOf(*five_, 1, 63), w);
      },
      [&](Writer* w) {
        WriteManifest(*five_, w);
        WriteFrame(6, 0, BytesOf(*five_, 0, 64), w);
      },
      [&](Writer* w) {
        WriteManifest(*five_, w);
        WriteFrame(5, 0, BytesOf(*five_, 0, 64) + "x", w);
      },
      [](Writer* w) { w->Write(v1::WatchWeightsResponse()); },
  };
  for (const auto& lie : lies) {
    ScriptedLearner learner({Lie(lie), SendWholeAndStay(MakeSnapshot(6))});
    WeightWatcher watcher(learner.NewChannel());
    EXPECT_EQ(watcher.WaitForNewer("w", -1, absl::InfiniteDuration()).value()->version, 6);
    EXPECT_EQ(learner.RequestOfStream(1).have_version(), -1);
    EXPECT_EQ(learner.RequestOfStream(1).resume_bytes(), 0);
  }
}

TEST_F(WeightWatcherTest, NeverGoesBack) {
  ScriptedLearner learner({Lie([&](Writer* writer) {
                             WriteWhole(*five_, writer);
                             WriteWhole(*MakeSnapshot(4), writer);
                           }),
                           SendWholeAndStay(MakeSnapshot(6))});
  WeightWatcher watcher(learner.NewChannel());
  EXPECT_EQ(watcher.WaitForNewer("w", 5, absl::InfiniteDuration()).value()->version, 6);
  EXPECT_EQ(learner.RequestOfStream(1).have_version(), 5);
}

TEST_F(WeightWatcherTest, BeginsAnewAfterRestart) {
  ScriptedLearner learner({SendWholeAndStay(five_), SendWholeAndStay(MakeSnapshot(3))});
  WeightWatcher watcher(learner.NewChannel());
  EXPECT_EQ(watcher.WaitForNewer("w", -1, absl::InfiniteDuration()).value()->version, 5);
  watcher.Restart("w2");
  EXPECT_EQ(watcher.WaitForNewer("w", -1, absl::InfiniteDuration()).value()->version, 3);
  EXPECT_EQ(learner.RequestOfStream(1).have_version(), -1);
}

TEST_F(WeightWatcherTest, IsOverWhenTheLearnerEndsTheStream) {
  ScriptedLearner learner({[](grpc::ServerContext*, Writer*) { return grpc::Status::OK; }});
  WeightWatcher watcher(learner.NewChannel());
  EXPECT_THAT(watcher.WaitForNewer("w", -1, absl::InfiniteDuration()),
              HoldsStatus(absl::StatusCode::kCancelled, "over"));
  EXPECT_THAT(watcher.WaitForNewer("w", -1, absl::InfiniteDuration()),
              HoldsStatus(absl::StatusCode::kCancelled, "over"));
}

TEST_F(WeightWatcherTest, SaysThatTheLearnerDoesNotKnowTheWorkerUntilItRegisters) {
  ScriptedLearner learner({[](grpc::ServerContext*, Writer*) {
                             return grpc::Status(grpc::StatusCode::NOT_FOUND, "register again");
                           },
                           SendWholeAndStay(five_)});
  WeightWatcher watcher(learner.NewChannel());
  EXPECT_THAT(watcher.WaitForNewer("w", -1, absl::InfiniteDuration()),
              HoldsStatus(absl::StatusCode::kNotFound, "register again"));
  watcher.Restart("w2");
  EXPECT_EQ(watcher.WaitForNewer("w2", -1, absl::InfiniteDuration()).value()->version, 5);
  EXPECT_EQ(learner.RequestOfStream(0).worker_id(), "w");
  EXPECT_EQ(learner.RequestOfStream(1).worker_id(), "w2");
}

// A version as a certain life of the learner sends it; the stream stays open.
Script SendOfLife(const std::string& incarnation,
                  const std::shared_ptr<const WeightSnapshot>& snapshot) {
  return [incarnation, snapshot](grpc::ServerContext* context, Writer* writer) {
    v1::WatchWeightsResponse message;
    ToProto(*snapshot, message.mutable_manifest());
    message.mutable_manifest()->set_learner_incarnation(incarnation);
    writer->Write(message);
    WriteFrame(snapshot->version, 0, BytesOf(*snapshot, 0, 64), writer);
    return ScriptedLearner::StaySilent(context, writer);
  };
}

TEST_F(WeightWatcherTest, AWorkerTakesNothingOfALifeOfTheLearnerThatItIsNotRegisteredWith) {
  ScriptedLearner learner({SendOfLife("one", five_), SendOfLife("two", MakeSnapshot(3))});
  WeightWatcher watcher(learner.NewChannel());
  watcher.Restart("w", "two");
  EXPECT_EQ(watcher.WaitForNewer("w", -1, absl::InfiniteDuration()).value()->version, 3);
  EXPECT_EQ(learner.RequestOfStream(0).learner_incarnation(), "two");
  EXPECT_FALSE(learner.RequestOfStream(0).relay());
  EXPECT_EQ(learner.RequestOfStream(1).have_version(), -1);
}

TEST_F(WeightWatcherTest, ARelayGoesBackWithALearnerThatRestarted) {
  ScriptedLearner learner({[&](grpc::ServerContext*, Writer* writer) {
                             v1::WatchWeightsResponse message;
                             ToProto(*five_, message.mutable_manifest());
                             message.mutable_manifest()->set_learner_incarnation("one");
                             writer->Write(message);
                             WriteFrame(5, 0, BytesOf(*five_, 0, 64), writer);
                             return kBroken;
                           },
                           SendOfLife("two", MakeSnapshot(3))});
  WeightWatcher watcher(learner.NewChannel(), {.subscriber = WeightSubscriber::kRelay});
  const PublishedWeights first = watcher.WaitForOthers({}).value();
  EXPECT_EQ(first.incarnation, "one");
  EXPECT_EQ(first.snapshot->version, 5);
  const PublishedWeights second = watcher.WaitForOthers(first).value();
  EXPECT_EQ(second.incarnation, "two");
  EXPECT_EQ(second.snapshot->version, 3);
  EXPECT_TRUE(learner.RequestOfStream(0).relay());
  EXPECT_EQ(learner.RequestOfStream(0).worker_id(), "");
  EXPECT_EQ(learner.RequestOfStream(1).have_version(), 5);
  EXPECT_EQ(learner.RequestOfStream(1).learner_incarnation(), "one");
}

TEST_F(WeightWatcherTest, ARelayAsksAgainAfterTheEndOfARun) {
  ScriptedLearner learner(
      {[](grpc::ServerContext*, Writer*) { return grpc::Status::OK; }, SendOfLife("two", five_)});
  WeightWatcher watcher(learner.NewChannel(), {.subscriber = WeightSubscriber::kRelay});
  EXPECT_EQ(watcher.WaitForOthers({}).status().code(), absl::StatusCode::kOutOfRange);
  watcher.Resume();
  EXPECT_EQ(watcher.WaitForOthers({}).value().snapshot->version, 5);
}

Script Refuse(grpc::StatusCode code) {
  return [code](grpc::ServerContext*, Writer*) { return grpc::Status(code, "not for you"); };
}

TEST_F(WeightWatcherTest, ARelayIsToldWhenItsPeerRefusesItForGood) {
  for (const grpc::StatusCode code :
       {grpc::StatusCode::INVALID_ARGUMENT, grpc::StatusCode::UNIMPLEMENTED,
        grpc::StatusCode::PERMISSION_DENIED, grpc::StatusCode::NOT_FOUND}) {
    ScriptedLearner learner({Refuse(code), SendOfLife("one", five_)});
    WeightWatcher watcher(learner.NewChannel(), {.subscriber = WeightSubscriber::kRelay});
    EXPECT_THAT(watcher.WaitForOthers({}),
                HoldsStatus(static_cast<absl::StatusCode>(code), "not for you"));
  }
}

TEST_F(WeightWatcherTest, ARelayAsksAgainAfterAStreamThatLies) {
  ScriptedLearner learner(
      {Lie([](Writer* w) { w->Write(v1::WatchWeightsResponse()); }), SendOfLife("one", five_)});
  WeightWatcher watcher(learner.NewChannel(), {.subscriber = WeightSubscriber::kRelay});
  EXPECT_EQ(watcher.WaitForOthers({}).value().snapshot->version, 5);
}

TEST_F(WeightWatcherTest, AWorkerAsksAgainWhenItsPeerDoesNotTakeTheCall) {
  ScriptedLearner learner({Refuse(grpc::StatusCode::UNIMPLEMENTED),
                           Refuse(grpc::StatusCode::INVALID_ARGUMENT), SendWholeAndStay(five_)});
  WeightWatcher watcher(learner.NewChannel());
  EXPECT_EQ(watcher.WaitForNewer("w", -1, absl::InfiniteDuration()).value()->version, 5);
}

TEST_F(WeightWatcherTest, PresenceAsksForNothing) {
  ScriptedLearner learner({});
  WeightWatcher presence(learner.NewChannel(), {.subscriber = WeightSubscriber::kPresence});
  presence.Restart("w");
  EXPECT_EQ(learner.RequestOfStream(0).worker_id(), "w");
  EXPECT_EQ(learner.RequestOfStream(0).have_version(), std::numeric_limits<WeightVersion>::max());
}

TEST_F(WeightWatcherTest, TimesOut) {
  ScriptedLearner learner({});
  WeightWatcher watcher(learner.NewChannel());
  EXPECT_THAT(watcher.WaitForNewer("w", 7, absl::ZeroDuration()),
              HoldsStatus(absl::StatusCode::kDeadlineExceeded, "no weight version above 7"));
}

TEST_F(WeightWatcherTest, CloseEndsAWait) {
  ScriptedLearner learner({});
  WeightWatcher watcher(learner.NewChannel());
  std::thread closer([&] {
    learner.RequestOfStream(0);
    watcher.Close();
  });
  EXPECT_THAT(watcher.WaitForNewer("w", -1, absl::InfiniteDuration()),
              HoldsStatus(absl::StatusCode::kCancelled, "closed"));
  closer.join();
}

TEST_F(WeightWatcherTest, IsMadeAndDestroyedWithoutALearner) {
  const auto channel = MakeLearnerChannel({.address = "127.0.0.1:1"}).value();
  WeightWatcher unused(channel);
  WeightWatcher waiting(channel);
  EXPECT_THAT(waiting.WaitForNewer("w", -1, absl::ZeroDuration()),
              HoldsStatus(absl::StatusCode::kDeadlineExceeded, ""));
}

}  // namespace
}  // namespace tpo
