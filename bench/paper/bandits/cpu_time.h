// Processor time that was used, in seconds. Thread-safe.
#ifndef TPO_BENCH_PAPER_BANDITS_CPU_TIME_H_
#define TPO_BENCH_PAPER_BANDITS_CPU_TIME_H_

#include <ctime>

namespace tpo {

// Of the calling thread since it started.
inline double ThreadCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_CPU_TIME_H_
