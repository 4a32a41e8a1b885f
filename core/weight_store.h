// Holds the newest published weights and tells those who wait for newer ones. The learner
// publishes; workers' streams and in-process workers read. A reader keeps its snapshot alive by
// holding the pointer; the store keeps only the newest.
#ifndef TPO_CORE_WEIGHT_STORE_H_
#define TPO_CORE_WEIGHT_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/weight_snapshot.h"

namespace tpo {

// Thread-safe.
class WeightStore {
 public:
  // FAILED_PRECONDITION: the version isn't above the newest (versions never go backwards).
  absl::Status Publish(std::shared_ptr<const WeightSnapshot> snapshot);

  // nullptr before the first publication.
  std::shared_ptr<const WeightSnapshot> Newest() const;

  // Waits for a version above `newer_than` (-1: any). DEADLINE_EXCEEDED after `timeout`; CANCELLED
  // when closed.
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForNewer(WeightVersion newer_than,
                                                                     absl::Duration timeout) const;

  // Calls `on_change` after each publication and on Close, from the publisher's thread, without a
  // lock held; it must return quickly, and neither publish nor (un)subscribe. After Unsubscribe
  // returns, no call is running or will come.
  uint64_t Subscribe(std::function<void()> on_change);
  void Unsubscribe(uint64_t subscription);

  // Ends all waits with CANCELLED. Publish fails from then on.
  void Close();
  bool closed() const;

 private:
  void NotifySubscribers();

  mutable absl::Mutex mutex_;
  std::shared_ptr<const WeightSnapshot> newest_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  // Held while subscribers are called, so that Unsubscribe can wait for them. Taken before mutex_.
  absl::Mutex subscribers_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::map<uint64_t, std::function<void()>> subscribers_ ABSL_GUARDED_BY(subscribers_mutex_);
  uint64_t next_subscription_ ABSL_GUARDED_BY(subscribers_mutex_) = 1;
};

}  // namespace tpo

#endif  // TPO_CORE_WEIGHT_STORE_H_
