#include "learner/parallel.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace tpo {
namespace {

TEST(ParallelTasksTest, RunsEveryTaskOnceAndReturnsWhenAllAreDone) {
  ParallelTasks tasks(3, {});
  EXPECT_EQ(tasks.threads(), 3);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::atomic<int>> counts(20);
    tasks.Run(20, [&](int index, int thread) {
      EXPECT_LT(thread, 3);
      ++counts[index];
    });
    for (const auto& count : counts) EXPECT_EQ(count, 1);
  }
}

TEST(ParallelTasksTest, StartsEachThreadWithItsInitialisation) {
  std::atomic<int> starts = 0;
  {
    ParallelTasks tasks(4, [&] { ++starts; });
  }
  EXPECT_EQ(starts, 3);
}

TEST(ParallelTasksTest, ThrowsATasksExceptionAfterAllTasksAndGoesOn) {
  ParallelTasks tasks(2, {});
  std::atomic<int> done = 0;
  const auto failing = [&](int index, int) {
    if (index == 3) throw std::runtime_error("task 3");
    ++done;
  };
  EXPECT_THROW(tasks.Run(8, failing), std::runtime_error);
  EXPECT_EQ(done, 7);
  tasks.Run(2, [&](int, int) { ++done; });
  EXPECT_EQ(done, 9);
}

TEST(TurnstileTest, CommitsInOrderWhateverTheSchedule) {
  ParallelTasks tasks(4, {});
  for (int round = 0; round < 50; ++round) {
    Turnstile turnstile;
    std::vector<int> order;
    tasks.Run(16, [&](int index, int) {
      turnstile.WaitForTurn(index);
      order.push_back(index);
      turnstile.Pass();
    });
    for (int i = 0; i < 16; ++i) EXPECT_EQ(order[i], i);
  }
}

}  // namespace
}  // namespace tpo
