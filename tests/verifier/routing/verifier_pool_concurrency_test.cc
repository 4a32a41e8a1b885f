// The pool with real time, its own alarm and replicas that answer, fail and hang from other
// threads: for ThreadSanitizer, and for whatever only shows when things happen at once.
#include <atomic>
#include <thread>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "tests/verifier/routing/routing_test_support.h"
#include "verifier/routing/alarm.h"

namespace tpo {
namespace {

TEST(AlarmThread, RingsAtTheTimeSetLast) {
  absl::Notification rung;
  AlarmThread alarm(&Clock::Monotonic(), [&rung] { rung.Notify(); });
  const absl::Duration now = Clock::Monotonic().Now();
  alarm.Set(now + absl::Hours(1));
  alarm.Set(now + absl::Milliseconds(1));
  rung.WaitForNotification();
  EXPECT_GE(Clock::Monotonic().Now(), now + absl::Milliseconds(1));
}

TEST(AlarmThread, ATimeInThePastRingsAtOnceAndOnce) {
  std::atomic<int> rings = 0;
  absl::Notification rung;
  {
    AlarmThread alarm(&Clock::Monotonic(), [&] {
      if (++rings == 1) rung.Notify();
    });
    alarm.Set(absl::ZeroDuration());
    rung.WaitForNotification();
    alarm.Set(absl::InfiniteDuration());
  }
  EXPECT_EQ(rings, 1);
}

// Ends attempts from a few threads.
class Answerers {
 public:
  explicit Answerers(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
  }
  ~Answerers() {
    {
      const absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    for (std::thread& thread : threads_) thread.join();
  }
  void Add(std::function<void()> work) {
    const absl::MutexLock lock(&mutex_);
    work_.push_back(std::move(work));
  }

 private:
  void Run() {
    const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return ending_ || !work_.empty();
    };
    while (true) {
      std::function<void()> work;
      {
        const absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(&something));
        if (work_.empty()) return;
        work = std::move(work_.back());
        work_.pop_back();
      }
      work();
    }
  }
  absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::function<void()>> work_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

VerifierPoolOptions Options() {
  VerifierPoolOptions options;
  options.deadline = absl::Seconds(100);
  options.max_in_flight = 8;
  options.call = {.max_attempts = 100,
                  .backoff = {.first = absl::Microseconds(100), .longest = absl::Milliseconds(1)}};
  options.breaker = {.failures = 3, .failure_ratio = 0.9, .open_time = absl::Milliseconds(1)};
  options.hedge_quantile = 0.9;
  options.max_hedge_fraction = 0.2;
  return options;
}

TEST(VerifierPoolConcurrency, EveryGroupIsAnsweredOnceWhateverHappens) {
  Answerers answerers(4);
  std::atomic<uint64_t> attempts = 0;
  std::vector<std::unique_ptr<VerifierReplica>> replicas;
  for (int r = 0; r < 3; ++r) {
    auto replica = std::make_unique<FakeReplica>(absl::StrCat("replica-", r));
    replica->on_start = [&, r](FakeAttempt& attempt) {
      const uint64_t number = ++attempts;
      const auto self = attempt.shared_from_this();
      // One in 64 hangs until it is given up for its hedge; the first has nothing to compare with.
      if (number > 200 && number % 64 == 0 && r != 0) return;
      if (number % 7 == 0) {
        self->End(absl::UnavailableError("at once"), number % 2 == 0);
      } else if (number % 11 == 0) {
        answerers.Add([self] { self->End(absl::ResourceExhaustedError("busy")); });
      } else {
        answerers.Add([self] { self->Answer(1.0); });
      }
    };
    replicas.push_back(std::move(replica));
  }
  VerifierPoolOptions options = Options();
  // What hangs without a hedge has to end, too.
  options.deadline = absl::Seconds(3);
  VerifierPool pool(std::move(replicas), options);
  std::atomic<int> scored = 0;
  std::atomic<int> timed_out = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        for (const auto& result : pool.VerifyAll(std::vector<VerifyRequest>(25, RequestOf(2)))) {
          ASSERT_TRUE(result.ok()) << result.status();
          ASSERT_EQ(result->size(), 2U);
          ((*result)[0].kind == VerdictKind::kScored ? scored : timed_out)++;
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(scored + timed_out, 4 * 20 * 25);
  EXPECT_GT(scored, 1900);
  const PoolCounts counts = pool.statistics()->Read();
  EXPECT_EQ(counts.waiting, 0);
  EXPECT_EQ(counts.verdicts.at(VerdictKind::kScored), 2U * static_cast<uint64_t>(scored));
}

TEST(VerifierPoolConcurrency, CloseFromAnotherThreadEndsCallsThatHang) {
  absl::BlockingCounter begun(8);
  auto replica = std::make_unique<FakeReplica>("hangs");
  replica->on_start = [&begun](FakeAttempt&) { begun.DecrementCount(); };
  std::vector<std::unique_ptr<VerifierReplica>> replicas;
  replicas.push_back(std::move(replica));
  VerifierPool pool(std::move(replicas), Options());
  std::thread closer([&] {
    begun.Wait();
    pool.Close();
  });
  for (const auto& result : pool.VerifyAll(std::vector<VerifyRequest>(20, RequestOf(1)))) {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  }
  closer.join();
}

}  // namespace
}  // namespace tpo
