// What another process on this machine uses, from /proc.
#ifndef TPO_BENCH_VERIFIER_LOAD_PROCESS_USAGE_H_
#define TPO_BENCH_VERIFIER_LOAD_PROCESS_USAGE_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tpo {

struct ProcessUsage {
  absl::Duration cpu;  // user and system, since it began
  int64_t resident_bytes = 0;
  int threads = 0;
};

// NOT_FOUND: there is no such process, or it belongs to somebody else.
absl::StatusOr<ProcessUsage> UsageOf(pid_t process);

}  // namespace tpo

#endif  // TPO_BENCH_VERIFIER_LOAD_PROCESS_USAGE_H_
