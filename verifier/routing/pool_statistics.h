// What a verifier pool counts, for metrics. Kept apart from the pool so that it can be read at any
// time, whatever becomes of the pool.
#ifndef TPO_VERIFIER_ROUTING_POOL_STATISTICS_H_
#define TPO_VERIFIER_ROUTING_POOL_STATISTICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/types.h"
#include "verifier/routing/circuit_breaker.h"

namespace tpo {

// Upper bounds, in seconds, of the buckets that latencies are counted in; above the last is one
// more.
inline constexpr std::array<double, 16> kLatencyBounds = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 100};

struct LatencyCounts {
  std::array<uint64_t, kLatencyBounds.size() + 1> buckets{};  // not cumulative
  double sum_seconds = 0.0;

  void Add(absl::Duration latency);
};

struct ReplicaCounts {
  std::string name;
  std::map<absl::StatusCode, uint64_t> attempts;  // that ended, but for the given up
  uint64_t given_up = 0;    // attempts cancelled because another one had been answered, or on Close
  uint64_t retries = 0;     // attempts begun after a failure of the group
  uint64_t hedges = 0;      // attempts begun beside a slow one
  uint64_t hedges_won = 0;  // those of them that were answered first
  uint64_t breaker_opened = 0;
  CircuitBreaker::State breaker = CircuitBreaker::State::kClosed;  // when an attempt last ended
  int outstanding = 0;
  LatencyCounts latency;  // of answered attempts
};

struct PoolCounts {
  std::string verifier;
  std::vector<ReplicaCounts> replicas;
  std::map<VerdictKind, uint64_t> verdicts;  // of completions
  uint64_t hedges_refused = 0;               // for want of budget
  int waiting = 0;                           // groups that no replica can take now
  absl::Duration hedge_after;                // zero: not known yet
};

// Thread-safe.
class PoolStatistics {
 public:
  PoolStatistics(std::string verifier, const std::vector<std::string>& replicas);

  void Update(absl::FunctionRef<void(PoolCounts&)> change);
  PoolCounts Read() const;

 private:
  mutable absl::Mutex mutex_;
  PoolCounts counts_ ABSL_GUARDED_BY(mutex_);
};

// All pools of a process. Thread-safe.
class PoolMonitor {
 public:
  void Add(std::shared_ptr<const PoolStatistics> pool);
  // In the order in which they were added; one for each verifier and replica name: pools of several
  // workers in one process, which ask the same, are added up.
  std::vector<PoolCounts> Read() const;

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::shared_ptr<const PoolStatistics>> pools_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_POOL_STATISTICS_H_
