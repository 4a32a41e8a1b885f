// Waits for helpers that have reported how their execution ended and now remove its files, so that
// no verdict waits for that. For sandbox.cc and execution.cc.
//
// Thread-safe. One thread of its own, which the destructor joins.
#ifndef TPO_VERIFIER_SANDBOX_HELPER_REAPER_H_
#define TPO_VERIFIER_SANDBOX_HELPER_REAPER_H_

#include <sys/types.h>

#include <deque>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace tpo {

class HelperReaper {
 public:
  // `capacity`: helpers waited for at a time; what they have yet to remove is on disk.
  explicit HelperReaper(size_t capacity);
  // Waits for all helpers.
  ~HelperReaper();
  HelperReaper(const HelperReaper&) = delete;
  HelperReaper& operator=(const HelperReaper&) = delete;

  // `helper`, a child of this process, is waited for here from now on. Blocks while there are
  // `capacity` of them.
  void Adopt(pid_t helper);

 private:
  void Loop();

  const size_t capacity_;
  absl::Mutex mutex_;
  std::deque<pid_t> helpers_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Waits until `helper` has ended, and logs when it couldn't remove the files of its execution.
void WaitForHelper(pid_t helper);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HELPER_REAPER_H_
