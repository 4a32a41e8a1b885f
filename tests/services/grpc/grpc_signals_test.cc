#include "services/grpc/signals.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace tpo {
namespace {

// Runs `body` in a process of its own, whose end it returns as waitpid does.
int RunInChild(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST(SignalWaiter, CallsBackForEitherSignal) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const int status = RunInChild([signal] {
      absl::Notification called;
      int got = 0;
      {
        const SignalWaiter waiter([&](int number) {
          got = number;
          called.Notify();
        });
        kill(getpid(), signal);
        called.WaitForNotification();
      }
      if (got != signal) _exit(3);
    });
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
}

TEST(SignalWaiter, TheSecondSignalEndsTheProcessThoughTheCallbackHangs) {
  const int status = RunInChild([] {
    const SignalWaiter waiter([](int) {
      kill(getpid(), SIGTERM);
      absl::Notification never;
      never.WaitForNotification();
    });
    kill(getpid(), SIGINT);
    absl::Notification never;
    never.WaitForNotification();
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

TEST(SignalWaiter, EndsWithoutAnySignal) {
  EXPECT_EQ(RunInChild([] { const SignalWaiter waiter([](int) { _exit(4); }); }), 0);
}

}  // namespace
}  // namespace tpo
