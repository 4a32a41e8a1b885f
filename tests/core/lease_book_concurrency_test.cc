// Workers that die, lie, repeat themselves and come late, all at once: still every prompt ends
// once, and every step trains on whole batches.
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "core/lease_book.h"
#include "tests/core/lease_book_fixture.h"

namespace tpo {
namespace {

class LeaseBookConcurrencyTest : public LeaseBookFixture {
 protected:
  static constexpr int kPerStep = 12;
  static constexpr int64_t kSteps = 60;

  // Leases and answers until the run is over; misbehaves in ways that `random` chooses.
  void Work(unsigned seed) {
    std::mt19937 random(seed);
    while (!over_) {
      auto result = book_->LeasePrompts();
      ASSERT_TRUE(result.ok());
      if (std::holds_alternative<NoLease>(*result)) {
        if (std::get<NoLease>(*result).finished) return;
        clock_.Advance(absl::Seconds(1));  // nothing else makes lost leases expire
        std::this_thread::yield();
        continue;
      }
      Answer(std::get<Lease>(*result), random);
    }
  }

  void Answer(const Lease& lease, std::mt19937& random) {
    for (const Prompt& prompt : lease.prompts) {
      switch (random() % 8) {
        case 0:
          return;  // dies
        case 1:
          book_->Reject(lease.id, prompt.id, "malformed");
          break;
        case 2: {
          Group group = MakeGroup(lease.id, prompt.id, lease.min_weight_version);
          for (Verdict& verdict : group.verdicts) verdict.kind = VerdictKind::kFailed;
          book_->Submit(std::move(group));
          break;
        }
        case 3:
          book_->Submit(MakeGroup(lease.id, prompt.id, lease.min_weight_version));
          [[fallthrough]];
        default:
          book_->Submit(MakeGroup(lease.id, prompt.id, lease.min_weight_version));
          break;
      }
    }
  }

  void Train(int max_staleness) {
    std::set<uint64_t> trained;
    for (WeightVersion version = 0; version < kSteps; ++version) {
      const auto batch = book_->WaitForBatch(absl::InfiniteDuration());
      ASSERT_TRUE(batch.ok()) << batch.status();
      ASSERT_EQ(batch->size(), kPerStep);
      for (const ReadyGroup& ready : *batch) {
        ASSERT_TRUE(trained.insert(ready.prompt.id).second) << "trained twice: " << ready.prompt.id;
        ASSERT_LE(version - OldestWeightVersion(ready.group), max_staleness);
      }
      CheckLedger();
      book_->SetWeightVersion(version + 1);
    }
  }

  void Run(int max_staleness) {
    Start({.prompts_per_lease = 5,
           .prompts_per_step = kPerStep,
           .steps = kSteps,
           .max_staleness = max_staleness,
           .min_scored_completions = 1,
           .lease_time_to_live = absl::Seconds(5)});
    std::vector<std::thread> workers;
    for (unsigned seed = 0; seed < 4; ++seed) workers.emplace_back([this, seed] { Work(seed); });
    Train(max_staleness);
    over_ = true;
    for (std::thread& worker : workers) worker.join();

    const Ledger ledger = book_->ledger();
    EXPECT_TRUE(ledger.Balances());
    EXPECT_EQ(ledger.trained, kSteps * kPerStep);
    EXPECT_GT(ledger.expired, 0);
    EXPECT_GT(ledger.dropped_unverified, 0);
  }

  std::atomic<bool> over_ = false;
};

TEST_F(LeaseBookConcurrencyTest, Synchronous) { Run(/*max_staleness=*/0); }
TEST_F(LeaseBookConcurrencyTest, Asynchronous) { Run(/*max_staleness=*/3); }

TEST_F(LeaseBookConcurrencyTest, WaitForBatchNoticesExpiryAndCompletion) {
  const Lease dead = MustLease();
  AnswerEverything();
  std::thread learner([this] { EXPECT_TRUE(book_->WaitForBatch(absl::InfiniteDuration()).ok()); });
  clock_.Advance(absl::Seconds(30));
  // Nobody asks for a lease: only the waiting learner can expire it.
  while (book_->ledger().expired == 0) std::this_thread::yield();
  SubmitAll(dead);
  learner.join();
  EXPECT_EQ(book_->ledger().trained, 5);
}

TEST_F(LeaseBookConcurrencyTest, CloseEndsTheWait) {
  std::thread closer([this] { book_->Close(); });
  EXPECT_EQ(book_->WaitForBatch(absl::InfiniteDuration()).status().code(),
            absl::StatusCode::kCancelled);
  closer.join();
}

}  // namespace
}  // namespace tpo
