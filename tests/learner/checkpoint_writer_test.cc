#include "learner/checkpoint_writer.h"

#include <cerrno>
#include <memory>
#include <thread>

#include "absl/synchronization/notification.h"
#include "tests/core/core_test_support.h"
#include "tests/core/gated_file_system.h"
#include "tests/core/scratch_directory.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

CheckpointData DataOf(int64_t step) {
  CheckpointData data;
  data.step = step;
  data.model = std::make_shared<const TensorBundle>(MakeBundle({static_cast<float>(step)}));
  data.optimizer = MakeBundle({0.0F});
  return data;
}

class CheckpointWriterTest : public testing::Test {
 protected:
  GatedFileSystem files_;
  const ScratchDirectory scratch_;
  CheckpointStore store_ = CheckpointStore::Open(scratch_ / "checkpoints", &files_, 2).value();
};

TEST_F(CheckpointWriterTest, WritesWhileItsCallerGoesOn) {
  CheckpointWriter writer(&store_);
  EXPECT_TRUE(writer.idle());
  files_.CloseGate();
  writer.Begin(DataOf(3), nullptr);
  files_.WaitForWaiting();
  EXPECT_EQ(writer.writing(), 3);
  EXPECT_FALSE(writer.idle());
  EXPECT_FALSE(writer.WaitUntilIdle(absl::ZeroDuration()));
  EXPECT_THAT(*store_.Steps(), IsEmpty()) << "nothing of it is to be seen";
  EXPECT_THAT(writer.TakeResults(), IsEmpty());
  files_.OpenGate();
  EXPECT_TRUE(writer.WaitUntilIdle(absl::InfiniteDuration()));
  EXPECT_EQ(store_.LoadNewest().value()->data.step, 3);
  const std::vector<CheckpointWriter::Result> results = writer.TakeResults();
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_EQ(results[0].step, 3);
  EXPECT_EQ(results[0].info->step, 3);
  EXPECT_EQ(results[0].info->path, scratch_ / "checkpoints" + "/step_00000003");
  EXPECT_GT(results[0].time, absl::ZeroDuration());
  EXPECT_THAT(writer.TakeResults(), IsEmpty()) << "each is told once";
}

TEST_F(CheckpointWriterTest, WhatItCopiesMayChangeOnlyOnceItIsCopied) {
  CheckpointWriter writer(&store_);
  writer.WaitUntilCopied();  // nothing to wait for
  absl::Notification may_copy;
  absl::Mutex mutex;
  float state = 1.0F;
  writer.Begin(DataOf(6), [&](CheckpointData& data) {
    may_copy.WaitForNotification();
    const absl::MutexLock lock(&mutex);
    data.optimizer = MakeBundle({state});
    return absl::OkStatus();
  });
  std::thread training([&] {
    writer.WaitUntilCopied();
    EXPECT_TRUE(may_copy.HasBeenNotified());
    const absl::MutexLock lock(&mutex);
    state = 2.0F;
  });
  may_copy.Notify();
  training.join();
  ASSERT_TRUE(writer.WaitUntilIdle(absl::InfiniteDuration()));
  EXPECT_EQ(store_.LoadNewest().value()->data.optimizer.bytes(), MakeBundle({1.0F}).bytes());
}

TEST_F(CheckpointWriterTest, ACopyThatFailsIsAResult) {
  CheckpointWriter writer(&store_);
  writer.Begin(DataOf(7), [](CheckpointData&) { return absl::InternalError("no memory"); });
  writer.WaitUntilCopied();
  ASSERT_TRUE(writer.WaitUntilIdle(absl::InfiniteDuration()));
  const std::vector<CheckpointWriter::Result> results = writer.TakeResults();
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_EQ(results[0].info.status(), absl::InternalError("no memory"));
  EXPECT_THAT(*store_.Steps(), IsEmpty());
}

TEST_F(CheckpointWriterTest, ACopyForWhichThereIsNoMemoryIsAResult) {
  CheckpointWriter writer(&store_);
  writer.Begin(DataOf(7), [](CheckpointData&) -> absl::Status { throw std::bad_alloc(); });
  writer.WaitUntilCopied();
  ASSERT_TRUE(writer.WaitUntilIdle(absl::InfiniteDuration()));
  EXPECT_EQ(writer.TakeResults().at(0).info.status().code(), absl::StatusCode::kResourceExhausted);
  writer.Begin(DataOf(8), nullptr);
  ASSERT_TRUE(writer.WaitUntilIdle(absl::InfiniteDuration()));
  EXPECT_THAT(*store_.Steps(), ElementsAre(8));
}

TEST_F(CheckpointWriterTest, AFailureIsAResultAndTheNextOneMaySucceed) {
  CheckpointWriter writer(&store_);
  writer.Begin(DataOf(1), nullptr);
  ASSERT_TRUE(writer.WaitUntilIdle(absl::InfiniteDuration()));
  for (const int error : {ENOSPC, EIO}) {
    files_.FailWith(absl::ErrnoToStatus(error, "cannot write"));
    writer.Begin(DataOf(2), nullptr);
    ASSERT_TRUE(writer.WaitUntilIdle(absl::InfiniteDuration()));
    EXPECT_THAT(*store_.Steps(), ElementsAre(1)) << "the old one stays";
  }
  files_.FailWith(absl::OkStatus());
  writer.Begin(DataOf(3), nullptr);
  ASSERT_TRUE(writer.WaitUntilIdle(absl::InfiniteDuration()));
  const std::vector<CheckpointWriter::Result> results = writer.TakeResults();
  ASSERT_THAT(results, SizeIs(4));
  EXPECT_TRUE(results[0].info.ok());
  EXPECT_EQ(results[1].info.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(results[2].info.ok());
  EXPECT_EQ(results[2].step, 2);
  EXPECT_TRUE(results[3].info.ok());
  EXPECT_THAT(*store_.Steps(), ElementsAre(1, 3));
}

TEST_F(CheckpointWriterTest, TellsWhoeverAskedForIt) {
  CheckpointWriter writer(&store_);
  absl::Notification ended;
  writer.Begin(DataOf(4), nullptr, [&](const CheckpointWriter::Result& result) {
    EXPECT_EQ(result.info->step, 4);
    EXPECT_EQ(store_.LoadNewest().value()->data.step, 4) << "durable by then";
    ended.Notify();
  });
  ended.WaitForNotification();
}

TEST_F(CheckpointWriterTest, EndsWithTheCheckpointInProgress) {
  files_.CloseGate();
  auto writer = std::make_unique<CheckpointWriter>(&store_);
  writer->Begin(DataOf(5), nullptr);
  std::thread ending([&] { writer.reset(); });
  files_.WaitForWaiting();
  files_.OpenGate();
  ending.join();
  EXPECT_THAT(*store_.Steps(), ElementsAre(5));
}

}  // namespace
}  // namespace tpo
