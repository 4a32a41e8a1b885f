// A worker whose policy is a language model.
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/language_model/key_value_cache.h"
#include "rollout/worker.h"
#include "tests/policy/hugging_face/model_fixture.h"

namespace tpo {
namespace {

constexpr int kVersions = 3;
constexpr int kLeasesPerVersion = 4;
constexpr int kPromptsPerLease = 2;

RunInfo Info() {
  RunInfo run;
  run.worker_id = "worker";
  run.run_id = "run";
  run.seed = 9;
  auto model = std::make_shared<LanguageModelInfo>();
  model->config_json = SmallConfigJson();
  model->vocab_size = SmallConfig().vocab_size;
  model->end_tokens = {2, 40};
  run.language_model = std::move(model);
  run.sampling.completions_per_prompt = 3;
  run.sampling.temperature = 1.0F;
  run.sampling.max_tokens = 8;
  run.sampling.cache_bytes = 4 << 20;
  return run;
}

Prompt PromptOf(uint64_t id) {
  Prompt prompt;
  prompt.id = id;
  prompt.task = "any";
  for (uint64_t t = 0; t <= id % 7; ++t)
    prompt.tokens.push_back(static_cast<TokenId>((5 * id + t) % 77));
  return prompt;
}

// Publishes a version, leases prompts for it, and publishes the next when all are answered.
class VersionByVersion : public LearnerApi {
 public:
  absl::StatusOr<RunInfo> Register(const std::string&) override { return Info(); }

  absl::StatusOr<LeaseResult> LeasePrompts(const std::string&) override {
    const absl::MutexLock lock(&mutex_);
    NoLease none;
    none.finished = version_ == kVersions;
    none.retry_after = absl::Milliseconds(20);
    if (none.finished || leased_ == kLeasesPerVersion) return LeaseResult(none);
    ++leased_;
    Lease lease;
    lease.id = ++next_lease_;
    for (int p = 0; p < kPromptsPerLease; ++p) lease.prompts.push_back(PromptOf(next_prompt_++));
    lease.min_weight_version = version_;
    lease.time_to_live = absl::Minutes(1);
    return LeaseResult(lease);
  }

  absl::StatusOr<std::vector<SubmitResult>> SubmitGroups(
      const std::string&, const std::vector<Group>& groups) override {
    const absl::MutexLock lock(&mutex_);
    std::vector<SubmitResult> results;
    for (const Group& group : groups) {
      for (const Completion& completion : group.completions) {
        EXPECT_EQ(completion.weight_versions, (std::vector<WeightVersionSpan>{{version_, 0}}));
      }
      submitted[group.prompt_id] = group;
      results.push_back({group.lease_id, group.prompt_id, SubmitOutcome::kAccepted, ""});
    }
    answered_ += static_cast<int>(groups.size());
    if (answered_ == kLeasesPerVersion * kPromptsPerLease) {
      ++version_;
      answered_ = leased_ = 0;
    }
    return results;
  }

  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForWeights(
      const std::string&, WeightVersion newer_than, absl::Duration timeout) override {
    const absl::MutexLock lock(&mutex_);
    const auto newer = [&] { return version_ > newer_than; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&newer), timeout))
      return absl::DeadlineExceededError("none");
    return WeightSnapshot::Create(version_, RandomWeights(SmallConfig(), version_));
  }

  absl::Mutex mutex_;
  std::map<uint64_t, Group> submitted;

 private:
  WeightVersion version_ = 0;
  int leased_ = 0;
  int answered_ = 0;
  uint64_t next_lease_ = 0;
  uint64_t next_prompt_ = 0;
};

class FirstTokenVerifier : public VerifierApi {
 public:
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    WeightVersion newest = 0;
    for (const Completion& completion : request.completions)
      newest = std::max(newest, completion.weight_versions.back().weight_version);
    EXPECT_EQ(request.weight_version, newest);
    std::vector<Verdict> verdicts;
    for (const Completion& completion : request.completions)
      verdicts.push_back(Verdict::Scored(completion.tokens.front()));
    return verdicts;
  }
  absl::StatusOr<VerifierDescription> Describe() override { return VerifierDescription(); }
};

std::map<uint64_t, Group> GroupsOf(int parallel_leases) {
  VersionByVersion learner;
  RolloutWorker::Options options;
  options.parallel_leases = parallel_leases;
  options.on_warning = [](const std::string& warning) { ADD_FAILURE() << warning; };
  RolloutWorker worker(options, &learner,
                       [](const RunInfo&) -> absl::StatusOr<std::unique_ptr<VerifierApi>> {
                         return std::make_unique<FirstTokenVerifier>();
                       });
  EXPECT_TRUE(worker.Run().ok());
  EXPECT_EQ(worker.statistics().groups,
            static_cast<uint64_t>(kVersions * kLeasesPerVersion * kPromptsPerLease));
  std::map<uint64_t, Group> groups = std::move(learner.submitted);
  for (auto& [prompt, group] : groups) group.lease_id = 0;  // whoever came first
  return groups;
}

// A worker with one lease at a time, which fails when nothing works for a while.
absl::Status RunWorker(LearnerApi* learner) {
  RolloutWorker::Options options;
  options.parallel_leases = 1;
  options.give_up_after = absl::Seconds(5);
  RolloutWorker worker(options, learner,
                       [](const RunInfo&) -> absl::StatusOr<std::unique_ptr<VerifierApi>> {
                         return std::make_unique<FirstTokenVerifier>();
                       });
  return worker.Run();
}

// Has leases without end, for weights that have diverged.
class Diverged : public VersionByVersion {
 public:
  absl::StatusOr<LeaseResult> LeasePrompts(const std::string&) override {
    const absl::MutexLock lock(&mutex_);
    Lease lease;
    lease.id = ++leases;
    lease.prompts = {PromptOf(lease.id)};
    lease.time_to_live = absl::Minutes(1);
    return LeaseResult(lease);
  }

  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForWeights(const std::string&,
                                                                       WeightVersion newer_than,
                                                                       absl::Duration) override {
    if (newer_than >= 0) return absl::DeadlineExceededError("none");
    return WeightSnapshot::Create(0, DivergedWeights(SmallConfig(), 1));
  }

  uint64_t leases = 0;
};

TEST(LanguageModelWorkerTest, EndsWithADiagnosisWhenNothingCanBeSampledFromTheWeights) {
  Diverged learner;
  const absl::Status status = RunWorker(&learner);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("prompt 1: the logits of weight version 0"));
  EXPECT_EQ(learner.leases, 1U);
  EXPECT_TRUE(learner.submitted.empty());
}

// Has leases of a prompt that is longer than the cache, without end.
class LongPrompts : public VersionByVersion {
 public:
  absl::StatusOr<RunInfo> Register(const std::string&) override {
    RunInfo run = Info();
    run.sampling.cache_bytes = 2 * KeyValueCache::PageBytes(SmallConfig(), /*bfloat16=*/false);
    return run;
  }

  absl::StatusOr<LeaseResult> LeasePrompts(const std::string&) override {
    Lease lease;
    lease.id = 1;
    lease.prompts = {PromptOf(1)};
    lease.prompts.front().tokens.resize(40, 3);
    lease.time_to_live = absl::Minutes(1);
    return LeaseResult(lease);
  }
};

TEST(LanguageModelWorkerTest, EndsWithADiagnosisWhenAPromptDoesNotFitTheCache) {
  LongPrompts learner;
  const absl::Status status = RunWorker(&learner);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(status.message()),
      ::testing::AllOf(
          ::testing::HasSubstr("prompt 1: one completion needs 4 pages of the cache, which has 2"),
          ::testing::HasSubstr("rollout.cache_mib")));
}

// Forgets the worker once, and knows another run then.
class Restarted : public VersionByVersion {
 public:
  explicit Restarted(RunInfo second) : second_(std::move(second)) {
    second_.worker_id = "worker again";
  }

  absl::StatusOr<RunInfo> Register(const std::string&) override {
    const absl::MutexLock lock(&mutex_);
    return registrations_++ == 0 ? Info() : second_;
  }

  absl::StatusOr<LeaseResult> LeasePrompts(const std::string& worker_id) override {
    if (worker_id != second_.worker_id) return absl::NotFoundError("register again");
    return VersionByVersion::LeasePrompts(worker_id);
  }

 private:
  RunInfo second_;
  int registrations_ = 0;
};

// Has new weights whenever it is asked, to be taken up in flight, and one lease.
class NewWeightsAtEveryStep : public VersionByVersion {
 public:
  absl::StatusOr<RunInfo> Register(const std::string&) override {
    RunInfo run = Info();
    run.sampling.swap_in_flight = true;
    return run;
  }

  absl::StatusOr<LeaseResult> LeasePrompts(const std::string& worker_id) override {
    if (!submitted.empty())
      return LeaseResult(NoLease{.finished = true, .retry_after = absl::ZeroDuration()});
    return VersionByVersion::LeasePrompts(worker_id);
  }

  absl::StatusOr<std::vector<SubmitResult>> SubmitGroups(
      const std::string&, const std::vector<Group>& groups) override {
    for (const Group& group : groups) submitted[group.prompt_id] = group;
    return std::vector<SubmitResult>(groups.size());
  }

  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForWeights(const std::string&,
                                                                       WeightVersion newer_than,
                                                                       absl::Duration) override {
    return WeightSnapshot::Create(newer_than + 1, RandomWeights(SmallConfig(), newer_than + 1));
  }
};

TEST(LanguageModelWorkerTest, TellsVerifiersTheNewestVersionThatSampled) {
  NewWeightsAtEveryStep learner;
  ASSERT_TRUE(RunWorker(&learner).ok());
  bool swapped = false;
  for (const auto& [prompt, group] : learner.submitted) {
    for (const Completion& completion : group.completions)
      swapped |= completion.weight_versions.size() > 1;
  }
  EXPECT_TRUE(swapped) << "else the verifier, which checks it, had nothing to check";
}

TEST(LanguageModelWorkerTest, GoesOnWithALearnerThatRestarted) {
  RunInfo second = Info();
  second.run_id = "another run";
  Restarted learner(second);
  EXPECT_TRUE(RunWorker(&learner).ok());
  EXPECT_EQ(learner.submitted.size(),
            static_cast<size_t>(kVersions * kLeasesPerVersion * kPromptsPerLease));
}

TEST(LanguageModelWorkerTest, EndsWhenALearnerThatRestartedWantsOtherCompletions) {
  RunInfo other_seed = Info();
  ++other_seed.seed;
  RunInfo other_temperature = Info();
  other_temperature.sampling.temperature = 0.5F;
  RunInfo other_stop_texts = Info();
  other_stop_texts.sampling.stop_texts = {"x"};
  for (const RunInfo& second : {other_seed, other_temperature, other_stop_texts}) {
    Restarted learner(second);
    const absl::Status status = RunWorker(&learner);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("start this worker anew"));
    EXPECT_TRUE(learner.submitted.empty());
  }
}

TEST(LanguageModelWorkerTest, AnswersLeasesWithEachVersionInItsTurn) {
  const std::map<uint64_t, Group> groups = GroupsOf(1);
  ASSERT_EQ(groups.size(), static_cast<size_t>(kVersions * kLeasesPerVersion * kPromptsPerLease));
  for (const auto& [prompt, group] : groups) {
    ASSERT_EQ(group.completions.size(), 3U);
    for (size_t k = 0; k < 3; ++k) {
      const Completion& completion = group.completions[k];
      ASSERT_FALSE(completion.tokens.empty());
      EXPECT_EQ(group.verdicts[k].score, completion.tokens.front());
      const bool ended = completion.tokens.back() == 2 || completion.tokens.back() == 40;
      EXPECT_EQ(completion.finish_reason, ended ? FinishReason::kStop : FinishReason::kLength);
    }
  }
}

TEST(LanguageModelWorkerTest, LeasesAnsweredSideBySideGetTheSameGroups) {
  EXPECT_EQ(GroupsOf(0), GroupsOf(1));
}

}  // namespace
}  // namespace tpo
