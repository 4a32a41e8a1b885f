// What a run has used of the machine, over all processes that worked on it.
#ifndef TPO_SERVICES_RUN_DIRECTORY_RUN_USAGE_H_
#define TPO_SERVICES_RUN_DIRECTORY_RUN_USAGE_H_

#include <cstdint>

#include "absl/time/time.h"

namespace tpo {

struct ResourceUsage {
  double wall_seconds = 0.0;
  double cpu_seconds = 0.0;  // user and system, of the process and the children it has waited for
  uint64_t peak_memory_bytes = 0;  // resident, of the process alone
};

// Measures this process on top of what earlier ones used. A value; thread-safe.
class RunUsage {
 public:
  explicit RunUsage(const ResourceUsage& previous);

  // Wall time counts from construction, CPU time from the start of the process.
  ResourceUsage Now() const;

 private:
  ResourceUsage previous_;
  absl::Duration started_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_RUN_USAGE_H_
