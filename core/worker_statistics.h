// What rollout workers did so far, for their metrics and their tests.
#ifndef TPO_CORE_WORKER_STATISTICS_H_
#define TPO_CORE_WORKER_STATISTICS_H_

#include <cstdint>

#include "core/learner_api.h"

namespace tpo {

// Of one worker, or the sum of several.
struct WorkerStatistics {
  uint64_t leases = 0;
  uint64_t groups = 0;
  uint64_t tokens = 0;
  uint64_t rejected = 0;  // groups whose submission wasn't accepted
  uint64_t unscored = 0;  // completions whose verdict isn't a score
  WorkerTimes times;      // without what leases waited for their turn to sample

  WorkerStatistics& operator+=(const WorkerStatistics& other) {
    leases += other.leases;
    groups += other.groups;
    tokens += other.tokens;
    rejected += other.rejected;
    unscored += other.unscored;
    times.waiting_for_lease += other.times.waiting_for_lease;
    times.waiting_for_weights += other.times.waiting_for_weights;
    times.sampling += other.times.sampling;
    times.waiting_for_verdicts += other.times.waiting_for_verdicts;
    times.submitting += other.times.submitting;
    return *this;
  }
};

}  // namespace tpo

#endif  // TPO_CORE_WORKER_STATISTICS_H_
