// SIGTERM and SIGINT as a callback on an ordinary thread, where anything may be called.
#ifndef TPO_SERVICES_GRPC_SIGNALS_H_
#define TPO_SERVICES_GRPC_SIGNALS_H_

#include <functional>
#include <thread>

namespace tpo {

// The first signal calls back; the second ends the process at once with status 1, for a drain that
// hangs.
//
// Make one before any other thread: threads inherit that these signals are blocked, and one that
// doesn't would die of them. At most one at a time.
class SignalWaiter {
 public:
  // `on_first` gets the signal's number, on this object's thread.
  explicit SignalWaiter(std::function<void(int)> on_first);
  // Joins; waits for a callback in progress. The signals stay blocked.
  ~SignalWaiter();

  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

 private:
  void Wait(const std::function<void(int)>& on_first) const;

  int signal_fd_ = -1;
  int stop_fd_ = -1;
  std::thread thread_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_SIGNALS_H_
