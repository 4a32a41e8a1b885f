#include "services/grpc/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace tpo {
namespace {

// Without these the process can't be told to end; that is no state to run in.
int Checked(int fd) {
  if (fd < 0) std::abort();
  return fd;
}

}  // namespace

SignalWaiter::SignalWaiter(std::function<void(int)> on_first) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = Checked(signalfd(-1, &signals, SFD_CLOEXEC));
  stop_fd_ = Checked(eventfd(0, EFD_CLOEXEC));
  thread_ = std::thread([this, on_first = std::move(on_first)] { Wait(on_first); });
}

SignalWaiter::~SignalWaiter() {
  const uint64_t one = 1;
  while (write(stop_fd_, &one, sizeof(one)) < 0) {
  }
  thread_.join();
  close(signal_fd_);
  close(stop_fd_);
}

void SignalWaiter::Wait(const std::function<void(int)>& on_first) const {
  // The callback gets a thread of its own, so that a second signal is heard while it runs.
  std::thread callback;
  while (true) {
    pollfd fds[] = {{signal_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) break;
    signalfd_siginfo info;
    if (read(signal_fd_, &info, sizeof(info)) != sizeof(info)) continue;
    if (callback.joinable()) _exit(1);
    callback =
        std::thread([&on_first, signal = static_cast<int>(info.ssi_signo)] { on_first(signal); });
  }
  if (callback.joinable()) callback.join();
}

}  // namespace tpo
