#include "bench/verifier_load/call_statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tpo {

void CallStatistics::Add(grpc::StatusCode code, absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  ++counts_[std::min<size_t>(static_cast<size_t>(code), counts_.size() - 1)];
  if (code == grpc::StatusCode::OK)
    microseconds_.push_back(static_cast<uint32_t>(absl::ToInt64Microseconds(duration)));
}

int64_t CallStatistics::calls() const {
  absl::MutexLock lock(&mutex_);
  return std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
}

int64_t CallStatistics::Count(grpc::StatusCode code) const {
  absl::MutexLock lock(&mutex_);
  return counts_[static_cast<size_t>(code)];
}

absl::Duration CallStatistics::Percentile(double share) const {
  absl::MutexLock lock(&mutex_);
  if (microseconds_.empty()) return absl::ZeroDuration();
  std::vector<uint32_t> sorted = microseconds_;
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(std::max<size_t>(rank, 1) - 1);
  std::nth_element(sorted.begin(), nth, sorted.end());
  return absl::Microseconds(*nth);
}

}  // namespace tpo
