#include "learner/learner.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "core/file_system.h"
#include "core/sequence_task.h"
#include "rollout/worker.h"
#include "tests/core/gated_file_system.h"
#include "tests/core/scratch_directory.h"
#include "verifier/registry.h"

namespace tpo {
namespace {

constexpr SequenceTaskSpec kTask = {SequenceTarget::kReverseCopy, SequenceReward::kTerminal,
                                    /*vocab_size=*/2, /*length=*/3};

RunSpec SmallRun(int64_t steps) {
  RunSpec spec;
  spec.seed = 5;
  spec.task = kTask;
  spec.model = {.vocab_size = 2,
                .max_positions = 6,
                .d_model = 16,
                .layers = 1,
                .heads = 2,
                .feed_forward = 32};
  spec.rollout.sampling = {
      .completions_per_prompt = 4, .candidates_per_token = 0, .temperature = 1.0F, .max_tokens = 3};
  spec.learner.optimizer = MuonSpec{.learning_rate = 1e-2};
  spec.learner.prompts_per_step = 12;
  spec.learner.prompts_per_lease = 5;
  spec.learner.epochs = 2;
  spec.learner.steps = steps;
  spec.learner.lease_time_to_live = absl::Seconds(60);
  spec.learner.min_scored_completions = 2;
  spec.learner.micro_batch_tokens = 64;
  spec.learner.threads = 2;
  spec.learner.checkpoint = {.every_steps = 3, .keep = 10};
  return spec;
}

// Keeps what the run reported, and may act in the middle of it.
class Recorder : public StepObserver {
 public:
  void OnStep(const StepRecord& record) override {
    records[record.step] = record;
    if (on_step) on_step(record);
  }
  void AfterStep(const StepRecord& record) override {
    EXPECT_TRUE(records.contains(record.step)) << "OnStep comes first";
    if (after_step) after_step(record);
  }
  void OnCheckpoint(int64_t step, double, const std::string& error) override {
    checkpoints[step] = error;
    if (ledgers > 0) {
      EXPECT_EQ(std::this_thread::get_id(), thread) << "the learner's thread tells everything";
    }
    if (on_checkpoint) on_checkpoint(step);
  }
  void OnLedger(const Ledger& ledger) override {
    EXPECT_TRUE(ledger.Balances());
    thread = std::this_thread::get_id();
    ++ledgers;
  }

  std::map<int64_t, StepRecord> records;
  std::map<int64_t, std::string> checkpoints;
  int ledgers = 0;
  std::thread::id thread;  // that told of a ledger last
  std::function<void(const StepRecord&)> on_step;
  std::function<void(const StepRecord&)> after_step;
  std::function<void(int64_t step)> on_checkpoint;
};

class PausingVerifier : public VerifierApi {
 public:
  PausingVerifier(std::unique_ptr<VerifierApi> verifier, std::function<void()> before_verdict)
      : verifier_(std::move(verifier)), before_verdict_(std::move(before_verdict)) {}
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    if (before_verdict_) before_verdict_();
    return verifier_->Verify(request);
  }
  absl::StatusOr<VerifierDescription> Describe() override { return verifier_->Describe(); }

 private:
  const std::unique_ptr<VerifierApi> verifier_;
  const std::function<void()> before_verdict_;
};

// One life of a learner with a worker beside it.
struct Life {
  explicit Life(const std::string& directory, const RunSpec& spec, bool resume,
                std::string fingerprint = "same", FileSystem* files = FileSystem::Posix(),
                Learner::Options options = {})
      : source(kTask, spec.seed), checkpoints(CheckpointStore::Open(directory, files, 10).value()) {
    options.spec = spec;
    options.run_id = "run";
    options.config_fingerprint = std::move(fingerprint);
    options.resume = resume;
    absl::StatusOr<std::unique_ptr<Learner>> made =
        Learner::Create(options, &source, &Clock::Monotonic(), &checkpoints, &recorder);
    status = made.status();
    if (made.ok()) learner = *std::move(made);
  }

  // `before_verdict` is called for every group.
  absl::StatusOr<Learner::Outcome> Run(int parallel_leases = 1,
                                       const std::function<void()>& before_verdict = nullptr) {
    RolloutWorker::Options options;
    options.parallel_leases = parallel_leases;
    RolloutWorker worker(
        options, &learner->api(),
        [&](const RunInfo&) -> absl::StatusOr<std::unique_ptr<VerifierApi>> {
          absl::StatusOr<std::unique_ptr<VerifierRegistry>> registry = VerifierRegistry::BuiltIn();
          if (!registry.ok()) return registry.status();
          return std::make_unique<PausingVerifier>(*std::move(registry), before_verdict);
        });
    std::thread thread([&worker] { EXPECT_TRUE(worker.Run().ok()); });
    // The learner changes how its thread computes (PrepareComputingThread); this one is the tests'.
    absl::StatusOr<Learner::Outcome> outcome;
    std::thread([&] { outcome = learner->Run(); }).join();
    worker.Stop();
    thread.join();
    groups_refused = worker.statistics().rejected;
    return outcome;
  }

  SequencePromptSource source;
  CheckpointStore checkpoints;
  Recorder recorder;
  absl::Status status;
  uint64_t groups_refused = 0;
  std::unique_ptr<Learner> learner;
};

// The weights that a run ended with, as bytes.
std::string FinalWeights(const CheckpointStore& checkpoints, int64_t step) {
  const LoadedCheckpoint loaded = checkpoints.Load(step).value();
  const auto bytes = loaded.data.model->bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string WeightsOfUninterruptedRun(int64_t steps) {
  const ScratchDirectory directory;
  Life life(directory.path(), SmallRun(steps), false);
  EXPECT_EQ(life.Run().value(), Learner::Outcome::kFinished);
  return FinalWeights(life.checkpoints, steps);
}

TEST(LearnerTest, TrainsEveryStepAndAccountsForEveryGroup) {
  const ScratchDirectory directory;
  Life life(directory.path(), SmallRun(7), false);
  ASSERT_EQ(life.Run(3).value(), Learner::Outcome::kFinished);
  ASSERT_EQ(life.recorder.records.size(), 7);
  const StepRecord& last = life.recorder.records[6];
  EXPECT_EQ(last.weight_version, 7);
  EXPECT_EQ(last.groups_total, 7 * 12);
  EXPECT_EQ(last.tokens_total, 7 * 12 * 4 * 3);
  EXPECT_EQ(last.staleness_max, 0);
  EXPECT_TRUE(last.ledger.Balances());
  EXPECT_EQ(last.ledger.trained, 7 * 12);
  EXPECT_THAT(life.recorder.checkpoints,
              ::testing::ElementsAre(::testing::Pair(3, ""), ::testing::Pair(6, ""),
                                     ::testing::Pair(7, "")));
}

TEST(LearnerTest, WorkersInParallelDoNotChangeABit) {
  const ScratchDirectory one_directory;
  const ScratchDirectory many_directory;
  Life one(one_directory.path(), SmallRun(8), false);
  Life many(many_directory.path(), SmallRun(8), false);
  ASSERT_TRUE(one.Run(1).ok());
  ASSERT_TRUE(many.Run(4).ok());
  EXPECT_EQ(FinalWeights(one.checkpoints, 8), FinalWeights(many.checkpoints, 8));
  for (const auto& [step, record] : one.recorder.records) {
    EXPECT_EQ(record.loss, many.recorder.records[step].loss);
    EXPECT_EQ(record.grad_norm, many.recorder.records[step].grad_norm);
  }
}

TEST(LearnerTest, ExactStalenessIsReachedAndReproducible) {
  RunSpec spec = SmallRun(8);
  spec.learner.max_staleness = 3;
  spec.learner.exact_staleness = true;
  spec.learner.objective.anchor.anchor = Anchor::kRatio;
  const ScratchDirectory one_directory;
  const ScratchDirectory many_directory;
  Life one(one_directory.path(), spec, false);
  Life many(many_directory.path(), spec, false);
  ASSERT_TRUE(one.Run(1).ok());
  ASSERT_TRUE(many.Run(4).ok());
  for (const auto& [step, record] : one.recorder.records) {
    EXPECT_EQ(record.staleness_max, std::min<int64_t>(step, 3));
    EXPECT_EQ(record.staleness_mean, static_cast<double>(std::min<int64_t>(step, 3)));
    EXPECT_EQ(record.ledger.dropped_stale, 0);
    EXPECT_EQ(record.loss, many.recorder.records[step].loss);
  }
  EXPECT_LT(one.recorder.records[7].effective_sample_size, 1.0);
  EXPECT_EQ(FinalWeights(one.checkpoints, 8), FinalWeights(many.checkpoints, 8));
}

TEST(LearnerTest, AsynchronousRunsKeepTheBoundAndTellHowLongTheyWaited) {
  RunSpec spec = SmallRun(12);
  spec.learner.max_staleness = 2;
  spec.rollout.sampling.swap_in_flight = true;
  const ScratchDirectory directory;
  Life life(directory.path(), spec, false);
  ASSERT_TRUE(life.Run(3).ok());
  double told = 0.0;
  for (const auto& [step, record] : life.recorder.records) {
    EXPECT_LE(record.staleness_max, 2);
    for (const double ratio : {record.learner_idle_ratio, record.rollout_idle_ratio,
                               record.rollout_verdict_wait_ratio}) {
      EXPECT_GE(ratio, 0.0);
      EXPECT_LE(ratio, 1.0);
    }
    told += record.rollout_idle_ratio + record.rollout_verdict_wait_ratio;
  }
  EXPECT_GT(told, 0.0);
  EXPECT_EQ(life.recorder.records[11].ledger.trained, 12 * 12);
}

// Every way to deal with stale groups is the same as none when there are no stale groups, but for
// the rounding of the recorded log-probs.
TEST(LearnerTest, InSynchronousModeTheAnchorsTrainAlike) {
  const auto last = [](Anchor anchor) {
    RunSpec spec = SmallRun(4);
    spec.learner.objective.anchor.anchor = anchor;
    const ScratchDirectory directory;
    Life life(directory.path(), spec, false);
    EXPECT_TRUE(life.Run().ok());
    return life.recorder.records[0];
  };
  const StepRecord behavior = last(Anchor::kBehavior);
  const StepRecord proximal = last(Anchor::kProximal);
  EXPECT_NEAR(behavior.loss, proximal.loss, 1e-5);
  EXPECT_NEAR(behavior.grad_norm, proximal.grad_norm, 1e-5);
  EXPECT_NE(last(Anchor::kRatio).grad_norm, behavior.grad_norm);
}

// A worker that comes too early would wait before it asks again.
TEST(LearnerTest, WhoeverLearnsOfAVersionFindsALease) {
  const ScratchDirectory directory;
  const RunSpec spec = SmallRun(4);
  Life life(directory.path(), spec, /*resume=*/false);
  LearnerApi& api = life.learner->api();
  WeightStore& weights = life.learner->weights();
  std::vector<WeightVersion> with_lease;
  absl::Mutex mutex;
  WeightVersion asked = 0;  // guarded by mutex
  const uint64_t subscription = weights.Subscribe([&] {
    const std::string id = api.Register("early")->worker_id;
    const WeightVersion version = weights.Newest()->version;
    if (std::holds_alternative<Lease>(api.LeasePrompts(id).value())) with_lease.push_back(version);
    ASSERT_TRUE(api.Deregister(id).ok());
    const absl::MutexLock lock(&mutex);
    asked = version;
  });
  // Else the run's own worker, which has the weights too, may have had all leases before.
  const auto after_the_early = [&] {
    const WeightVersion version = weights.Newest()->version;
    const auto has_asked = [&] { return asked >= version; };
    const absl::MutexLock lock(&mutex, absl::Condition(&has_asked));
  };
  ASSERT_TRUE(life.Run(1, after_the_early).ok());
  weights.Unsubscribe(subscription);
  EXPECT_THAT(with_lease, testing::ElementsAre(1, 2, 3)) << "with the fourth the run is over";
}

TEST(LearnerTest, ADrainedRunGoesOnBitByBit) {
  const ScratchDirectory directory;
  {
    Life life(directory.path(), SmallRun(9), false);
    life.recorder.on_step = [&](const StepRecord& record) {
      if (record.step == 3) life.learner->Drain();
    };
    ASSERT_EQ(life.Run().value(), Learner::Outcome::kDrained);
    EXPECT_EQ(life.recorder.records.size(), 4);
  }
  Life life(directory.path(), SmallRun(9), true);
  ASSERT_TRUE(life.status.ok()) << life.status;
  EXPECT_EQ(life.learner->first_step(), 4);
  ASSERT_EQ(life.Run().value(), Learner::Outcome::kFinished);
  EXPECT_EQ(life.recorder.records[8].groups_total, 9 * 12);
  EXPECT_EQ(FinalWeights(life.checkpoints, 9), WeightsOfUninterruptedRun(9));
}

TEST(LearnerTest, ADrainedLearnerTakesInWhatWorkersHaveInHand) {
  const ScratchDirectory directory;
  Life life(directory.path(), SmallRun(9), false);
  std::atomic<int> groups = 0;
  absl::Notification judging;
  absl::Notification saved;
  life.recorder.on_step = [&](const StepRecord& record) {
    if (record.step != 3) return;
    judging.WaitForNotification();  // a group of the next step
    life.learner->Drain();
  };
  // The learner's last word before it ends.
  life.recorder.on_checkpoint = [&](int64_t step) {
    if (step == 4) saved.Notify();
  };
  const auto outcome = life.Run(3, [&] {
    const int number = ++groups - 4 * 12;
    if (number == 1) judging.Notify();
    if (number >= 1) saved.WaitForNotification();
  });
  ASSERT_EQ(outcome.value(), Learner::Outcome::kDrained);
  EXPECT_EQ(life.groups_refused, 0);
  const Ledger ledger = life.learner->GetStatus().ledger;
  EXPECT_GE(ledger.expired, 1) << "taken in, and not trained on";
  EXPECT_EQ(ledger.in_flight, 0);
}

TEST(LearnerTest, ADrainedLearnerWaitsForWorkersNoLongerThanItIsTold) {
  const ScratchDirectory directory;
  Learner::Options options;
  options.drain_patience = absl::Milliseconds(1);
  Life life(directory.path(), SmallRun(9), false, "same", FileSystem::Posix(), options);
  LearnerApi& api = life.learner->api();
  const std::string worker = api.Register("hangs")->worker_id;
  ASSERT_TRUE(std::holds_alternative<Lease>(api.LeasePrompts(worker).value()));
  life.learner->Drain();
  ASSERT_EQ(life.learner->Run().value(), Learner::Outcome::kDrained);
  EXPECT_EQ(life.learner->GetStatus().ledger.expired, 5);
}

TEST(LearnerTest, ACheckpointAtAnyMomentHoldsAWholeStep) {
  const ScratchDirectory directory;
  {
    Life life(directory.path(), SmallRun(9), false);
    std::thread operator_thread;
    // From another thread, so that it falls anywhere between the batches.
    life.recorder.on_step = [&](const StepRecord& record) {
      if (record.step == 4) {
        operator_thread = std::thread([&] { EXPECT_TRUE(life.learner->Checkpoint().ok()); });
      }
      if (record.step == 6) life.learner->Drain();
    };
    ASSERT_TRUE(life.Run().ok());
    operator_thread.join();
    // As if the process had died right after the operator's checkpoint.
    const std::vector<int64_t> steps = life.checkpoints.Steps().value();
    EXPECT_GE(steps.size(), 3);
    for (const int64_t step : steps) {
      const LeaseBook::State leases = life.checkpoints.Load(step).value().data.lease_book;
      EXPECT_EQ(leases.ledger.trained, static_cast<uint64_t>(step) * 12);
      EXPECT_TRUE(leases.unfinished_units.empty());
    }
  }
  Life life(directory.path(), SmallRun(9), true);
  ASSERT_TRUE(life.Run().ok());
  EXPECT_EQ(FinalWeights(life.checkpoints, 9), WeightsOfUninterruptedRun(9));
}

TEST(LearnerTest, AnOperatorsCheckpointIsReported) {
  const ScratchDirectory directory;
  Life life(directory.path(), SmallRun(7), false);
  life.recorder.on_step = [&](const StepRecord& record) {
    if (record.step != 3) return;
    // Waits for it within the step's report, so that the run isn't over before.
    std::thread([&] {
      const CheckpointInfo first = life.learner->Checkpoint().value();
      EXPECT_EQ(first.step, 4);
      EXPECT_EQ(life.learner->Checkpoint().value(), first) << "not written again";
    }).join();
  };
  ASSERT_EQ(life.Run().value(), Learner::Outcome::kFinished);
  EXPECT_THAT(life.recorder.checkpoints,
              ::testing::ElementsAre(::testing::Pair(3, ""), ::testing::Pair(4, ""),
                                     ::testing::Pair(6, ""), ::testing::Pair(7, "")));
  EXPECT_GE(life.recorder.ledgers, 7);
}

TEST(LearnerTest, ACheckpointDoesNotWaitForWhatObserversDoAfterTheStep) {
  const ScratchDirectory directory;
  Life life(directory.path(), SmallRun(4), false);
  bool saved = false;
  life.recorder.after_step = [&](const StepRecord& record) {
    if (record.step != 2) return;
    const absl::Time give_up = absl::Now() + absl::Minutes(1);
    while (!saved && absl::Now() < give_up) saved = life.checkpoints.Load(3).ok();
  };
  ASSERT_EQ(life.Run().value(), Learner::Outcome::kFinished);
  EXPECT_TRUE(saved);
}

TEST(LearnerTest, TrainingGoesOnWhileTheDiskIsBusy) {
  const ScratchDirectory directory;
  GatedFileSystem files;
  Life life(directory.path(), SmallRun(7), false, "same", &files);
  files.CloseGate();
  life.recorder.on_step = [&](const StepRecord& record) {
    if (record.step != 4) return;
    EXPECT_TRUE(life.recorder.checkpoints.empty()) << "that of step 3 is still being written";
    files.OpenGate();
  };
  ASSERT_EQ(life.Run().value(), Learner::Outcome::kFinished);
  EXPECT_THAT(life.recorder.checkpoints,
              ::testing::ElementsAre(::testing::Pair(3, ""), ::testing::Pair(6, ""),
                                     ::testing::Pair(7, "")));
  EXPECT_EQ(FinalWeights(life.checkpoints, 7), WeightsOfUninterruptedRun(7));
  // What was written late is what was there when it was due.
  EXPECT_EQ(FinalWeights(life.checkpoints, 3), WeightsOfUninterruptedRun(3));
}

TEST(LearnerTest, ADiskThatHangsCostsCheckpointsAndNoTraining) {
  const ScratchDirectory directory;
  GatedFileSystem files;
  Learner::Options impatient;
  impatient.checkpoint_patience = absl::ZeroDuration();
  Life life(directory.path(), SmallRun(10), false, "same", &files, impatient);
  files.CloseGate();
  life.recorder.on_step = [&](const StepRecord& record) {
    if (record.step != 6) return;
    files.OpenGate();
    // Frees the writer for the next one.
    std::thread([&] { EXPECT_TRUE(life.learner->Checkpoint().ok()); }).join();
  };
  ASSERT_EQ(life.Run().value(), Learner::Outcome::kFinished);
  EXPECT_THAT(life.recorder.checkpoints[6],
              ::testing::HasSubstr("left out: the checkpoint of step 3 is still being written"));
  EXPECT_EQ(life.recorder.checkpoints[3], "");
  EXPECT_THAT(life.checkpoints.Steps().value(), ::testing::ElementsAre(3, 7, 9, 10));
}

TEST(LearnerTest, AFullDiskCostsCheckpointsAndNoTraining) {
  const ScratchDirectory directory;
  GatedFileSystem files;
  Life life(directory.path(), SmallRun(13), false, "same", &files);
  life.recorder.on_step = [&](const StepRecord& record) {
    // Each just before the next checkpoint is begun, and after the one before has ended.
    if (record.step == 5) {
      while (!life.checkpoints.Load(3).ok()) std::this_thread::yield();
      files.FailWith(absl::ErrnoToStatus(ENOSPC, "cannot write"));
    } else if (record.step == 8) {
      files.WaitForFailures(1);
      files.FailWith(absl::ErrnoToStatus(EIO, "cannot write"));
    } else if (record.step == 11) {
      files.WaitForFailures(2);
      files.FailWith(absl::OkStatus());
    }
  };
  ASSERT_EQ(life.Run().value(), Learner::Outcome::kFinished);
  EXPECT_EQ(life.recorder.checkpoints[3], "");
  EXPECT_THAT(life.recorder.checkpoints[6], ::testing::HasSubstr("No space left"));
  EXPECT_THAT(life.recorder.checkpoints[9], ::testing::HasSubstr("Input/output error"));
  EXPECT_EQ(life.recorder.checkpoints[12], "");
  EXPECT_THAT(life.checkpoints.Steps().value(), ::testing::ElementsAre(3, 12, 13));
  EXPECT_EQ(FinalWeights(life.checkpoints, 13), WeightsOfUninterruptedRun(13));
}

TEST(LearnerTest, ARunWithoutItsLastCheckpointFails) {
  const ScratchDirectory directory;
  GatedFileSystem files;
  Life life(directory.path(), SmallRun(4), false, "same", &files);
  life.recorder.on_step = [&](const StepRecord& record) {
    if (record.step != 3) return;
    while (!life.checkpoints.Load(3).ok()) std::this_thread::yield();
    files.FailWith(absl::ErrnoToStatus(ENOSPC, "cannot write"));
  };
  EXPECT_EQ(life.Run().status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(life.recorder.checkpoints[4], ::testing::HasSubstr("No space left"));
  EXPECT_THAT(life.checkpoints.Steps().value(), ::testing::ElementsAre(3)) << "the old one stays";
}

// Remembers where the weights were that it was given to write.
class WatchingFileSystem : public GatedFileSystem {
 public:
  absl::Status WriteFile(const std::string& path,
                         absl::Span<const std::string_view> pieces) override {
    if (path.ends_with("model.safetensors")) {
      weights.emplace_back();
      for (const std::string_view piece : pieces.subspan(1))  // behind the header
        weights.back().push_back(piece.data());
    }
    return GatedFileSystem::WriteFile(path, pieces);
  }

  std::vector<std::vector<const char*>> weights;  // of each file; the writer's thread's
};

TEST(LearnerTest, TheLastCheckpointIsOfTheTensorsThemselvesAlsoWhenItIsDue) {
  const ScratchDirectory directory;
  WatchingFileSystem files;
  Life life(directory.path(), SmallRun(3), false, "same", &files);
  life.recorder.on_step = [&](const StepRecord& record) {
    if (record.step == 2) files.FailWith(absl::ErrnoToStatus(ENOSPC, "cannot write"));
  };
  life.recorder.after_step = [&](const StepRecord& record) {
    if (record.step != 2) return;
    files.WaitForFailures(1);
    files.FailWith(absl::OkStatus());
  };
  ASSERT_EQ(life.Run().value(), Learner::Outcome::kFinished);
  // The one that was due, and the one of the end, which always is.
  ASSERT_EQ(files.weights.size(), 2);
  EXPECT_FALSE(files.weights[0].empty());
  EXPECT_EQ(files.weights[0], files.weights[1]);
  EXPECT_EQ(FinalWeights(life.checkpoints, 3), WeightsOfUninterruptedRun(3));
}

TEST(LearnerTest, RefusesACheckpointWhoseCountsContradictEachOther) {
  const ScratchDirectory directory;
  {
    Life life(directory.path(), SmallRun(3), false);
    ASSERT_TRUE(life.Run().ok());
    CheckpointData data = std::move(life.checkpoints.Load(3).value().data);
    data.groups_total += 1;
    std::filesystem::remove_all(directory.path() + "/step_00000003");
    ASSERT_TRUE(life.checkpoints.Save(data).ok());
  }
  const Life life(directory.path(), SmallRun(6), true);
  EXPECT_EQ(life.status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(life.status.message()),
              ::testing::HasSubstr("ledger.trained: 36 groups after step 3, which trained 37"));
}

TEST(LearnerTest, GoesBackToTheCheckpointBeforeADamagedOne) {
  const ScratchDirectory directory;
  {
    Life life(directory.path(), SmallRun(6), false);
    ASSERT_TRUE(life.Run().ok());
  }
  std::filesystem::resize_file(directory.path() + "/step_00000006/model.safetensors", 10);
  Life life(directory.path(), SmallRun(6), true);
  ASSERT_TRUE(life.status.ok()) << life.status;
  EXPECT_EQ(life.learner->first_step(), 3);
  EXPECT_EQ(life.learner->damaged_checkpoints(), 1);
  EXPECT_THAT(life.learner->resume_warning(), ::testing::HasSubstr("going back to step 3"));
  ASSERT_TRUE(life.Run().ok());
  EXPECT_EQ(FinalWeights(life.checkpoints, 6), WeightsOfUninterruptedRun(6));
}

TEST(LearnerTest, RefusesACheckpointOfAnotherConfig) {
  const ScratchDirectory directory;
  {
    Life life(directory.path(), SmallRun(3), false, "one");
    ASSERT_TRUE(life.Run().ok());
  }
  const Life life(directory.path(), SmallRun(3), true, "another");
  EXPECT_EQ(life.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(life.status.message()), ::testing::HasSubstr("another config"));
}

TEST(LearnerTest, RefusesACheckpointOfAnotherDataset) {
  const ScratchDirectory directory;
  const auto with = [](const std::string& checksum) {
    Learner::Options options;
    options.inputs = {{"model.hf.path", "crc32c 1"}, {"task.dataset.path", checksum}};
    return options;
  };
  {
    Life life(directory.path(), SmallRun(3), false, "same", FileSystem::Posix(), with("crc32c 2"));
    ASSERT_TRUE(life.Run().ok());
  }
  const Life same(directory.path(), SmallRun(3), true, "same", FileSystem::Posix(),
                  with("crc32c 2"));
  EXPECT_TRUE(same.status.ok()) << same.status;
  const Life other(directory.path(), SmallRun(3), true, "same", FileSystem::Posix(),
                   with("crc32c 3"));
  EXPECT_EQ(other.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.status.message()),
              ::testing::AllOf(::testing::StartsWith("task.dataset.path: "),
                               ::testing::HasSubstr("crc32c 2 then, crc32c 3 now")));
}

// A tilt that overflows.
RunSpec RunThatCannotBeComputed(int64_t steps, int max_skipped_steps) {
  RunSpec spec = SmallRun(steps);
  spec.learner.objective.eta = 1e-310;
  spec.learner.max_skipped_steps = max_skipped_steps;
  return spec;
}

TEST(LearnerTest, StepsThatAreNotFiniteAreLeftOutAndTold) {
  const ScratchDirectory directory;
  Life life(directory.path(), RunThatCannotBeComputed(3, 3), false);
  ASSERT_EQ(life.Run().value(), Learner::Outcome::kFinished);
  for (const auto& [step, record] : life.recorder.records) {
    EXPECT_THAT(record.skipped, ::testing::HasSubstr("epoch 0"));
    EXPECT_THAT(record.skipped, ::testing::HasSubstr("prompts "));
    EXPECT_EQ(record.weight_version, step + 1);
  }
  // The weights are the initial ones.
  const ScratchDirectory fresh;
  Life untrained(fresh.path(), SmallRun(3), false);
  const auto initial = untrained.learner->weights().Newest()->weights.bytes();
  EXPECT_EQ(FinalWeights(life.checkpoints, 3),
            std::string(reinterpret_cast<const char*>(initial.data()), initial.size()));
}

TEST(LearnerTest, TooManyStepsThatAreNotFiniteInARowEndTheRun) {
  const ScratchDirectory directory;
  Life life(directory.path(), RunThatCannotBeComputed(9, 2), false);
  const auto outcome = life.Run();
  EXPECT_EQ(outcome.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(outcome.status().message()),
              ::testing::AllOf(::testing::HasSubstr("3 steps in a row"),
                               ::testing::HasSubstr("learning rate")));
  EXPECT_EQ(life.recorder.records.size(), 2U);
}

TEST(LearnerTest, StepsThatAreNotFiniteCountOnInTheNextLife) {
  const ScratchDirectory directory;
  {
    Life life(directory.path(), RunThatCannotBeComputed(9, 2), false);
    life.recorder.on_step = [&](const StepRecord& record) {
      if (record.step == 1) life.learner->Drain();
    };
    ASSERT_EQ(life.Run().value(), Learner::Outcome::kDrained);
  }
  Life life(directory.path(), RunThatCannotBeComputed(9, 2), true);
  EXPECT_THAT(std::string(life.Run().status().message()), ::testing::HasSubstr("3 steps in a row"));
}

TEST(LearnerTest, TheLearningRateFollowsItsSchedule) {
  const ScratchDirectory directory;
  RunSpec spec = SmallRun(4);
  spec.learner.schedule = {.shape = ScheduleShape::kLinear, .warmup_steps = 2};
  Life life(directory.path(), spec, false);
  ASSERT_TRUE(life.Run().ok());
  const double factors[] = {0.5, 1.0, 1.0, 0.5};
  for (const auto& [step, record] : life.recorder.records)
    EXPECT_EQ(record.learning_rate_factor, factors[step]) << step;
}

TEST(LearnerTest, ResumingAFinishedRunHasNothingToDo) {
  const ScratchDirectory directory;
  {
    Life life(directory.path(), SmallRun(3), false);
    ASSERT_TRUE(life.Run().ok());
  }
  Life life(directory.path(), SmallRun(3), true);
  EXPECT_EQ(life.Run().value(), Learner::Outcome::kFinished);
  EXPECT_TRUE(life.recorder.records.empty());
}

TEST(LearnerTest, StatusFollowsTheRun) {
  const ScratchDirectory directory;
  Life life(directory.path(), SmallRun(3), false);
  EXPECT_EQ(life.learner->GetStatus().step, 0);
  ASSERT_TRUE(life.Run().ok());
  const RunStatus status = life.learner->GetStatus();
  EXPECT_EQ(status.step, 3);
  EXPECT_EQ(status.weight_version, 3);
  EXPECT_EQ(status.total_steps, 3);
  EXPECT_TRUE(status.draining);
  EXPECT_EQ(status.workers, 0) << "it has left";
}

}  // namespace
}  // namespace tpo
