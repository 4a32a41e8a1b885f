// Calls a verifier as many workers at a time do.
#ifndef TPO_BENCH_VERIFIER_LOAD_LOAD_H_
#define TPO_BENCH_VERIFIER_LOAD_LOAD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bench/verifier_load/call_statistics.h"
#include "grpcpp/channel.h"
#include "tpo/v1/verifier.pb.h"

namespace tpo {

struct LoadOptions {
  int workers = 8;  // each has one call open at a time
  // The load ends with the groups or with the time, whichever is first.
  int64_t groups = INT64_MAX;
  absl::Duration time = absl::InfiniteDuration();
  // The oldest open call is cancelled before a new one begins, so that calls are cancelled at every
  // stage of their lives.
  bool cancel = false;
  // Called from time to time with the number of calls that have ended, about `progress_steps`
  // times.
  std::function<void(int64_t)> on_progress = nullptr;
  int progress_steps = 10;
};

struct LoadResult {
  absl::Duration elapsed;
  int64_t completions = 0;  // that were judged
  int64_t wrong = 0;  // answers that ended OK but lack a verdict, or hold one that isn't SCORED
};

// Blocks until all calls have ended. The workers send the requests in turn.
LoadResult RunLoad(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
                   const std::vector<v1::VerifyRequest>& requests, const LoadOptions& options,
                   CallStatistics* statistics);

}  // namespace tpo

#endif  // TPO_BENCH_VERIFIER_LOAD_LOAD_H_
