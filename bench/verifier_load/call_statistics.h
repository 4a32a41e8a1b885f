// How long calls took and how they ended.
#ifndef TPO_BENCH_VERIFIER_LOAD_CALL_STATISTICS_H_
#define TPO_BENCH_VERIFIER_LOAD_CALL_STATISTICS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace tpo {

// Thread-safe. Keeps four bytes a call.
class CallStatistics {
 public:
  void Add(grpc::StatusCode code, absl::Duration duration);

  int64_t calls() const;
  int64_t Count(grpc::StatusCode code) const;
  // The duration that this share of the calls that ended OK didn't exceed.
  absl::Duration Percentile(double share) const;

 private:
  mutable absl::Mutex mutex_;
  std::array<int64_t, 17> counts_ ABSL_GUARDED_BY(mutex_) = {};
  std::vector<uint32_t> microseconds_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_BENCH_VERIFIER_LOAD_CALL_STATISTICS_H_
