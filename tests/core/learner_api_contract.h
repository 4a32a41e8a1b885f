// What every LearnerApi must do, whatever lies between worker and learner: the same suite runs on
// the learner's own endpoint and on clients that reach it over a channel.
//
// To run it, instantiate it with a factory:
//
//   class MyFactory {
//    public:
//     explicit MyFactory(const LearnerContractParts& parts);  // builds a learner over the parts,
//     and the way to it LearnerApi& api();                                      // lives as long as
//     the factory
//   };
//   INSTANTIATE_TYPED_TEST_SUITE_P(MyWay, LearnerApiContract, MyFactory);
//
// The factory is destroyed before the parts.
#ifndef TPO_TESTS_CORE_LEARNER_API_CONTRACT_H_
#define TPO_TESTS_CORE_LEARNER_API_CONTRACT_H_

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "core/clock.h"
#include "core/learner_api.h"
#include "core/lease_book.h"
#include "core/sequence_task.h"
#include "core/weight_store.h"
#include "tests/core/core_test_support.h"

namespace tpo {

// What a learner consists of; the test works on it from the other side.
struct LearnerContractParts {
  RunInfo run;  // without worker_id
  LeaseBook* lease_book = nullptr;
  WeightStore* weights = nullptr;
  const Clock* clock = nullptr;
};

template <typename Factory>
class LearnerApiContract : public testing::Test {
 protected:
  static constexpr int kPerStep = 6;

  static RunInfo DefaultRun() {
    RunInfo run;
    run.run_id = "run-7";
    run.seed = ~uint64_t{0};
    run.transformer = {.vocab_size = 2,
                       .max_positions = 8,
                       .d_model = 64,
                       .layers = 2,
                       .heads = 2,
                       .feed_forward = 256};
    run.sampling = {.completions_per_prompt = 2,
                    .candidates_per_token = 0,
                    .temperature = 0.75F,
                    .max_tokens = 4};
    run.verifiers = {{.address = "localhost:5000", .deadline = absl::Milliseconds(1500)}};
    return run;
  }

  void SetUp() override { Start(DefaultRun()); }

  void Start(RunInfo run) {
    factory_.reset();
    weights_ = std::make_unique<WeightStore>();
    lease_book_ =
        std::make_unique<LeaseBook>(LeaseBook::Options{.prompts_per_lease = 4,
                                                       .prompts_per_step = kPerStep,
                                                       .steps = 3,
                                                       .max_staleness = 0,
                                                       .min_scored_completions = 1,
                                                       .lease_time_to_live = absl::Seconds(30)},
                                    &source_, &clock_);
    factory_ = std::make_unique<Factory>(LearnerContractParts{.run = std::move(run),
                                                              .lease_book = lease_book_.get(),
                                                              .weights = weights_.get(),
                                                              .clock = &clock_});
    const auto registered = api().Register("a worker");
    ASSERT_TRUE(registered.ok()) << registered.status();
    worker_ = registered->worker_id;
  }

  LearnerApi& api() { return factory_->api(); }

  Lease MustLease() {
    const auto result = api().LeasePrompts(worker_);
    EXPECT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(result.ok() && std::holds_alternative<Lease>(*result)) << "no lease";
    return result.ok() && std::holds_alternative<Lease>(*result) ? std::get<Lease>(*result)
                                                                 : Lease();
  }

  NoLease MustNotLease() {
    const auto result = api().LeasePrompts(worker_);
    EXPECT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(std::holds_alternative<NoLease>(*result)) << "an unexpected lease";
    return std::get<NoLease>(*result);
  }

  SubmitResult Submit(const Group& group) {
    const auto results = api().SubmitGroups(worker_, {group});
    EXPECT_TRUE(results.ok()) << results.status();
    EXPECT_EQ(results->size(), 1);
    EXPECT_EQ(results->front().lease_id, group.lease_id);
    EXPECT_EQ(results->front().prompt_id, group.prompt_id);
    return results->front();
  }

  SequencePromptSource source_{{.target = SequenceTarget::kReverseCopy,
                                .reward = SequenceReward::kBagOfTokens,
                                .vocab_size = 2,
                                .length = 4},
                               7};
  FakeClock clock_;
  std::unique_ptr<WeightStore> weights_;
  std::unique_ptr<LeaseBook> lease_book_;
  std::unique_ptr<Factory> factory_;  // goes first
  std::string worker_;
};

TYPED_TEST_SUITE_P(LearnerApiContract);

TYPED_TEST_P(LearnerApiContract, RegisterTellsTheRun) {
  const auto first = this->api().Register("a");
  const auto second = this->api().Register("a");
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(first->worker_id.empty());
  EXPECT_NE(first->worker_id, second->worker_id) << "names need not be unique, ids are";
  RunInfo expected = this->DefaultRun();
  expected.worker_id = first->worker_id;
  EXPECT_EQ(*first, expected);
}

TYPED_TEST_P(LearnerApiContract, AnUnknownWorkerIsToldToRegister) {
  EXPECT_EQ(this->api().LeasePrompts("nobody").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(this->api().SubmitGroups("nobody", {MakeGroup(1, 0, 0)}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(this->lease_book_->ledger(), Ledger());
}

TYPED_TEST_P(LearnerApiContract, ALeaseCarriesItsPromptsWhole) {
  this->lease_book_->SetWeightVersion(0);
  const Lease lease = this->MustLease();
  ASSERT_EQ(lease.prompts.size(), 4);
  for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(lease.prompts[i], *this->source_.At(i));
  EXPECT_GT(lease.id, 0);
  EXPECT_EQ(lease.min_weight_version, 0);
  EXPECT_EQ(lease.time_to_live, absl::Seconds(30));
}

TYPED_TEST_P(LearnerApiContract, SaysWhetherALeaseMayStillCome) {
  this->MustLease();
  this->MustLease();
  const NoLease wait = this->MustNotLease();
  EXPECT_FALSE(wait.finished);
  EXPECT_FALSE(wait.draining);
  EXPECT_GT(wait.retry_after, absl::ZeroDuration());
  this->lease_book_->Drain();
  EXPECT_TRUE(this->MustNotLease().draining);
  EXPECT_FALSE(this->MustNotLease().finished);
  this->lease_book_->Finish();
  EXPECT_TRUE(this->MustNotLease().finished);
  EXPECT_FALSE(this->MustNotLease().draining);
}

TYPED_TEST_P(LearnerApiContract, SubmittingIsIdempotent) {
  const Lease lease = this->MustLease();
  const Group group = MakeGroup(lease.id, 0, 0);
  EXPECT_EQ(this->Submit(group).outcome, SubmitOutcome::kAccepted);
  EXPECT_EQ(this->Submit(group).outcome, SubmitOutcome::kAccepted) << "the same answer again";
  Group other = group;
  other.completions[1].behavior_log_probs[0] = -0.25F;
  const SubmitResult refused = this->Submit(other);
  EXPECT_EQ(refused.outcome, SubmitOutcome::kInvalid);
  EXPECT_THAT(refused.error, testing::HasSubstr("submitted before"));
  EXPECT_EQ(this->lease_book_->ledger().in_flight, 4);
  EXPECT_EQ(this->lease_book_->ledger().leased, 4);
}

TYPED_TEST_P(LearnerApiContract, AWorkerThatLeavesGivesItsLeasesBack) {
  const Lease lease = this->MustLease();
  ASSERT_TRUE(this->api().Deregister(this->worker_).ok());
  EXPECT_EQ(this->lease_book_->ledger().expired, 4);
  EXPECT_EQ(this->api().LeasePrompts(this->worker_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(this->api().Deregister(this->worker_).ok()) << "idempotent";
  this->worker_ = this->api().Register("another")->worker_id;
  EXPECT_EQ(this->MustLease().prompts, lease.prompts);
}

TYPED_TEST_P(LearnerApiContract, EachGroupIsAnsweredInOrder) {
  const Lease lease = this->MustLease();
  Group unverified = MakeGroup(lease.id, 1, 0);
  for (Verdict& verdict : unverified.verdicts) {
    verdict = Verdict::Unscored(VerdictKind::kTimedOut, "slow");
  }
  Group invalid = MakeGroup(lease.id, 2, 0);
  invalid.completions[1].tokens[0] = 9;
  const auto results = this->api().SubmitGroups(
      this->worker_, {MakeGroup(lease.id, 3, 0), unverified, invalid, MakeGroup(lease.id, 0, 0),
                      MakeGroup(lease.id, 3, 0)});
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 5);
  EXPECT_EQ((*results)[0].outcome, SubmitOutcome::kAccepted);
  EXPECT_EQ((*results)[0].prompt_id, 3);
  EXPECT_EQ((*results)[1].outcome, SubmitOutcome::kUnverified);
  EXPECT_EQ((*results)[2].outcome, SubmitOutcome::kInvalid);
  EXPECT_THAT((*results)[2].error, testing::HasSubstr("completions[1].tokens[0]"));
  EXPECT_EQ((*results)[3].outcome, SubmitOutcome::kAccepted);
  EXPECT_EQ((*results)[3].prompt_id, 0);
  EXPECT_EQ((*results)[4].outcome, SubmitOutcome::kAccepted) << "submitted twice";
  EXPECT_TRUE(this->lease_book_->ledger().Balances());
}

TYPED_TEST_P(LearnerApiContract, AVersionThatIsNotPublishedIsRefused) {
  ASSERT_TRUE(this->weights_->Publish(MakeSnapshot(0)).ok());
  const Lease lease = this->MustLease();
  Group group = MakeGroup(lease.id, 0, 0);
  group.completions[1].weight_versions = {{.weight_version = 0, .first_token = 0},
                                          {.weight_version = 1, .first_token = 1}};
  const SubmitResult result = this->Submit(group);
  EXPECT_EQ(result.outcome, SubmitOutcome::kInvalid);
  EXPECT_THAT(result.error,
              testing::HasSubstr("completions[1].weight_versions: 1 isn't published"));
  EXPECT_EQ(this->lease_book_->ledger().expired, 1) << "somebody else answers the prompt";
}

TYPED_TEST_P(LearnerApiContract, SubmittingNothingIsFine) {
  const auto results = this->api().SubmitGroups(this->worker_, {});
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_TRUE(results->empty());
}

TYPED_TEST_P(LearnerApiContract, TellsStaleAndExpiredApart) {
  const Lease lease = this->MustLease();
  this->lease_book_->SetWeightVersion(1);
  EXPECT_EQ(this->Submit(MakeGroup(lease.id, 0, 0)).outcome, SubmitOutcome::kStale);
  this->lease_book_->Close();
  EXPECT_EQ(this->Submit(MakeGroup(lease.id, 1, 1)).outcome, SubmitOutcome::kLeaseExpired);
}

TYPED_TEST_P(LearnerApiContract, AGroupArrivesAsItWasSent) {
  RunInfo run = this->DefaultRun();
  run.sampling.candidates_per_token = 2;
  run.want_token_rewards = true;
  this->Start(run);
  std::vector<Group> sent;
  for (int leases = 0; leases < 2; ++leases) {
    const Lease lease = this->MustLease();
    for (const Prompt& prompt : lease.prompts) {
      Group group = MakeGroup(lease.id, prompt.id, 0);
      for (Completion& completion : group.completions) {
        completion.behavior_log_probs = {-0.1F, -3.25e-7F};
        completion.finish_reason = FinishReason::kStop;
        completion.text = "z\xC3\xBCg";
        completion.candidate_tokens = {completion.tokens[0], 1, completion.tokens[1], 0};
        completion.candidate_log_probs = {-0.1F, -0.2F, -3.25e-7F, -80.0F};
        completion.weight_versions = {{.weight_version = 0, .first_token = 0},
                                      {.weight_version = 0, .first_token = 1}};
      }
      group.verdicts[0].score = 1.0 / 3.0;
      group.verdicts[0].components = {{"exact_match", 0.0}, {"style", -2.5}};
      group.verdicts[0].reason = "fine";
      group.verdicts[0].token_rewards = {1.0F, 0.0F, 0.5F, -1.0F};
      group.verdicts[1] = Verdict::Unscored(VerdictKind::kAbstained, "not my task");
      sent.push_back(std::move(group));
    }
  }
  const auto results = this->api().SubmitGroups(this->worker_, sent);
  ASSERT_TRUE(results.ok()) << results.status();
  for (const SubmitResult& result : *results) {
    EXPECT_EQ(result.outcome, SubmitOutcome::kAccepted) << result.error;
  }
  const auto batch = this->lease_book_->WaitForBatch(absl::ZeroDuration());
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->size(), sent.size());
  for (size_t i = 0; i < sent.size(); ++i) EXPECT_EQ((*batch)[i].group, sent[i]);
}

TYPED_TEST_P(LearnerApiContract, WeightsArriveWhole) {
  std::vector<float> values(900'000);  // several frames
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 1013);
  const auto published = WeightSnapshot::Create(0, MakeBundle(values));
  ASSERT_TRUE(this->weights_->Publish(published).ok());
  const auto got = this->api().WaitForWeights(this->worker_, -1, absl::InfiniteDuration());
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ((*got)->version, 0);
  EXPECT_EQ((*got)->crc32c, published->crc32c);
  EXPECT_EQ((*got)->weights.tensors(), published->weights.tensors());
  EXPECT_EQ((*got)->weights.bytes(), published->weights.bytes());
}

TYPED_TEST_P(LearnerApiContract, WaitsForANewerVersion) {
  ASSERT_TRUE(this->weights_->Publish(MakeSnapshot(0)).ok());
  EXPECT_EQ(this->api().WaitForWeights(this->worker_, 0, absl::Milliseconds(1)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  std::thread publisher([this] {
    for (WeightVersion version = 1; version <= 20; ++version) {
      ASSERT_TRUE(this->weights_->Publish(MakeSnapshot(version)).ok());
    }
  });
  WeightVersion have = 0;
  while (have < 20) {
    const auto got = this->api().WaitForWeights(this->worker_, have, absl::InfiniteDuration());
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_GT((*got)->version, have) << "versions never go backwards; some may be skipped";
    have = (*got)->version;
    EXPECT_EQ((*got)->weights.bytes(), MakeSnapshot(have)->weights.bytes());
  }
  publisher.join();
}

TYPED_TEST_P(LearnerApiContract, ClosingEndsTheWaitForWeights) {
  ASSERT_TRUE(this->weights_->Publish(MakeSnapshot(0)).ok());
  ASSERT_TRUE(this->api().WaitForWeights(this->worker_, -1, absl::InfiniteDuration()).ok());
  std::thread closer([this] { this->weights_->Close(); });
  EXPECT_EQ(this->api().WaitForWeights(this->worker_, 0, absl::InfiniteDuration()).status().code(),
            absl::StatusCode::kCancelled);
  closer.join();
}

TYPED_TEST_P(LearnerApiContract, ServesManyThreads) {
  std::atomic<int> accepted = 0;
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([this, &accepted] {
      const auto registered = this->api().Register("one of many");
      ASSERT_TRUE(registered.ok()) << registered.status();
      while (true) {
        const auto result = this->api().LeasePrompts(registered->worker_id);
        ASSERT_TRUE(result.ok()) << result.status();
        if (std::holds_alternative<NoLease>(*result)) return;
        const Lease& lease = std::get<Lease>(*result);
        std::vector<Group> groups;
        for (const Prompt& prompt : lease.prompts) {
          groups.push_back(MakeGroup(lease.id, prompt.id, 0));
        }
        const auto results = this->api().SubmitGroups(registered->worker_id, groups);
        ASSERT_TRUE(results.ok()) << results.status();
        for (const SubmitResult& one : *results) {
          if (one.outcome == SubmitOutcome::kAccepted) ++accepted;
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(accepted, this->kPerStep);
  EXPECT_EQ(this->lease_book_->ledger().in_flight, this->kPerStep);
}

REGISTER_TYPED_TEST_SUITE_P(LearnerApiContract, RegisterTellsTheRun,
                            AnUnknownWorkerIsToldToRegister, ALeaseCarriesItsPromptsWhole,
                            SaysWhetherALeaseMayStillCome, SubmittingIsIdempotent,
                            AWorkerThatLeavesGivesItsLeasesBack, EachGroupIsAnsweredInOrder,
                            AVersionThatIsNotPublishedIsRefused, SubmittingNothingIsFine,
                            TellsStaleAndExpiredApart, AGroupArrivesAsItWasSent, WeightsArriveWhole,
                            WaitsForANewerVersion, ClosingEndsTheWaitForWeights, ServesManyThreads);

}  // namespace tpo

#endif  // TPO_TESTS_CORE_LEARNER_API_CONTRACT_H_
