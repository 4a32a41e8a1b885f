// A lease book over short prompts with a clock that stands still.
#ifndef TPO_TESTS_CORE_LEASE_BOOK_FIXTURE_H_
#define TPO_TESTS_CORE_LEASE_BOOK_FIXTURE_H_

#include <memory>
#include <variant>
#include <vector>

#include "core/lease_book.h"
#include "core/sequence_task.h"
#include "tests/core/core_test_support.h"

namespace tpo {

class LeaseBookFixture : public testing::Test {
 protected:
  // Synchronous; 10 steps of 5 prompts, leased by 2.
  static LeaseBook::Options DefaultOptions() {
    return {.prompts_per_lease = 2,
            .prompts_per_step = 5,
            .steps = 10,
            .max_staleness = 0,
            .min_scored_completions = 1,
            .lease_time_to_live = absl::Seconds(30)};
  }

  void SetUp() override { Start(DefaultOptions()); }

  void Start(const LeaseBook::Options& options) {
    book_ = std::make_unique<LeaseBook>(options, &source_, &clock_);
  }

  // A lease, which has to be there.
  Lease MustLease() {
    auto result = book_->LeasePrompts();
    EXPECT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(std::holds_alternative<Lease>(*result)) << "no lease";
    CheckLedger();
    return std::get<Lease>(*result);
  }

  // The absence of a lease.
  NoLease MustNotLease() {
    auto result = book_->LeasePrompts();
    EXPECT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(std::holds_alternative<NoLease>(*result)) << "an unexpected lease";
    CheckLedger();
    return std::get<NoLease>(*result);
  }

  SubmitOutcome Submit(uint64_t lease_id, uint64_t prompt_id, WeightVersion version = 0) {
    const SubmitResult result = book_->Submit(MakeGroup(lease_id, prompt_id, version));
    EXPECT_EQ(result.lease_id, lease_id);
    EXPECT_EQ(result.prompt_id, prompt_id);
    EXPECT_EQ(result.outcome == SubmitOutcome::kInvalid, !result.error.empty());
    CheckLedger();
    return result.outcome;
  }

  SubmitOutcome SubmitUnverified(uint64_t lease_id, uint64_t prompt_id) {
    Group group = MakeGroup(lease_id, prompt_id, 0);
    for (Verdict& verdict : group.verdicts) {
      verdict = Verdict::Unscored(VerdictKind::kFailed, "the verifier crashed");
    }
    const SubmitOutcome outcome = book_->Submit(std::move(group)).outcome;
    CheckLedger();
    return outcome;
  }

  void SubmitAll(const Lease& lease, WeightVersion version = 0) {
    for (const Prompt& prompt : lease.prompts) {
      EXPECT_EQ(Submit(lease.id, prompt.id, version), SubmitOutcome::kAccepted);
    }
  }

  // Leases and answers whatever there is to lease.
  void AnswerEverything(WeightVersion version = 0) {
    while (true) {
      auto result = book_->LeasePrompts();
      ASSERT_TRUE(result.ok());
      if (std::holds_alternative<NoLease>(*result)) return;
      SubmitAll(std::get<Lease>(*result), version);
    }
  }

  // Takes a batch that is ready; ids of its prompts.
  std::vector<uint64_t> TakeBatch() {
    auto batch = book_->WaitForBatch(absl::ZeroDuration());
    EXPECT_TRUE(batch.ok()) << batch.status();
    CheckLedger();
    std::vector<uint64_t> ids;
    if (!batch.ok()) return ids;
    for (const ReadyGroup& ready : *batch) {
      EXPECT_EQ(ready.prompt.id, ready.group.prompt_id);
      EXPECT_EQ(ready.prompt, *source_.At(ready.prompt.id));
      ids.push_back(ready.prompt.id);
    }
    return ids;
  }

  void ExpireAll() {
    clock_.Advance(absl::Seconds(30));
    book_->ExpireLeases();
    CheckLedger();
  }

  void CheckLedger() { EXPECT_TRUE(book_->ledger().Balances()); }

  static std::vector<uint64_t> Ids(const Lease& lease) {
    std::vector<uint64_t> ids;
    for (const Prompt& prompt : lease.prompts) ids.push_back(prompt.id);
    return ids;
  }

  SequencePromptSource source_{{.target = SequenceTarget::kCopy,
                                .reward = SequenceReward::kBagOfTokens,
                                .vocab_size = 2,
                                .length = 2},
                               7};
  FakeClock clock_;
  std::unique_ptr<LeaseBook> book_;
};

}  // namespace tpo

#endif  // TPO_TESTS_CORE_LEASE_BOOK_FIXTURE_H_
