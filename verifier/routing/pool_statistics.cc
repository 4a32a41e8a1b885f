#include "verifier/routing/pool_statistics.h"

#include <algorithm>
#include <utility>

namespace tpo {
namespace {

template <typename Key>
void AddTo(const std::map<Key, uint64_t>& from, std::map<Key, uint64_t>* to) {
  for (const auto& [key, count] : from) (*to)[key] += count;
}

void AddTo(const ReplicaCounts& from, ReplicaCounts* to) {
  AddTo(from.attempts, &to->attempts);
  to->given_up += from.given_up;
  to->retries += from.retries;
  to->hedges += from.hedges;
  to->hedges_won += from.hedges_won;
  to->breaker_opened += from.breaker_opened;
  // The worst of the workers' views.
  if (CircuitBreaker::Gravity(from.breaker) > CircuitBreaker::Gravity(to->breaker))
    to->breaker = from.breaker;
  to->outstanding += from.outstanding;
  for (size_t i = 0; i < from.latency.buckets.size(); ++i)
    to->latency.buckets[i] += from.latency.buckets[i];
  to->latency.sum_seconds += from.latency.sum_seconds;
}

void AddTo(const PoolCounts& from, PoolCounts* to) {
  for (const ReplicaCounts& replica : from.replicas) {
    const auto same =
        std::find_if(to->replicas.begin(), to->replicas.end(),
                     [&](const ReplicaCounts& other) { return other.name == replica.name; });
    if (same == to->replicas.end()) {
      to->replicas.push_back(replica);
    } else {
      AddTo(replica, &*same);
    }
  }
  AddTo(from.verdicts, &to->verdicts);
  to->hedges_refused += from.hedges_refused;
  to->waiting += from.waiting;
  to->hedge_after = std::max(to->hedge_after, from.hedge_after);
}

}  // namespace

void LatencyCounts::Add(absl::Duration latency) {
  const double seconds = absl::ToDoubleSeconds(latency);
  const auto bound = std::lower_bound(kLatencyBounds.begin(), kLatencyBounds.end(), seconds);
  ++buckets[static_cast<size_t>(bound - kLatencyBounds.begin())];
  sum_seconds += seconds;
}

PoolStatistics::PoolStatistics(std::string verifier, const std::vector<std::string>& replicas) {
  counts_.verifier = std::move(verifier);
  counts_.replicas.resize(replicas.size());
  for (size_t i = 0; i < replicas.size(); ++i) counts_.replicas[i].name = replicas[i];
}

void PoolStatistics::Update(absl::FunctionRef<void(PoolCounts&)> change) {
  const absl::MutexLock lock(&mutex_);
  change(counts_);
}

PoolCounts PoolStatistics::Read() const {
  const absl::MutexLock lock(&mutex_);
  return counts_;
}

void PoolMonitor::Add(std::shared_ptr<const PoolStatistics> pool) {
  const absl::MutexLock lock(&mutex_);
  pools_.push_back(std::move(pool));
}

std::vector<PoolCounts> PoolMonitor::Read() const {
  const absl::MutexLock lock(&mutex_);
  std::vector<PoolCounts> all;
  for (const auto& pool : pools_) {
    PoolCounts counts = pool->Read();
    const auto same = std::find_if(all.begin(), all.end(), [&](const PoolCounts& other) {
      return other.verifier == counts.verifier;
    });
    if (same == all.end()) {
      all.push_back(std::move(counts));
    } else {
      AddTo(counts, &*same);
    }
  }
  return all;
}

}  // namespace tpo
