#include "services/run_directory/run_usage.h"

#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>

#include "core/clock.h"

namespace tpo {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

RunUsage::RunUsage(const ResourceUsage& previous)
    : previous_(previous), started_(Clock::Monotonic().Now()) {}

ResourceUsage RunUsage::Now() const {
  rusage self = {};
  rusage children = {};
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  ResourceUsage usage;
  usage.wall_seconds =
      previous_.wall_seconds + absl::ToDoubleSeconds(Clock::Monotonic().Now() - started_);
  usage.cpu_seconds = previous_.cpu_seconds + Seconds(self.ru_utime) + Seconds(self.ru_stime) +
                      Seconds(children.ru_utime) + Seconds(children.ru_stime);
  usage.peak_memory_bytes =
      std::max(previous_.peak_memory_bytes, static_cast<uint64_t>(self.ru_maxrss) * 1024);
  return usage;
}

}  // namespace tpo
