#include "policy/threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <ATen/Context.h>
#include <ATen/Parallel.h>

namespace tpo {

void PrepareComputingThread() {
  at::set_num_threads(1);
  at::globalContext().setFlushDenormal(true);
}

void ScheduleAsBatch() {
  const sched_param priority = {};
  pthread_setschedparam(pthread_self(), SCHED_BATCH, &priority);
}

c10::Device DefaultDevice() {
  // The programs link only the CPU's library, so that they start where there is no CUDA. The other
  // one registers itself when it is loaded; loading it takes seconds and memory, so only where the
  // driver has a device.
  static const bool has_cuda = access("/dev/nvidiactl", F_OK) == 0 &&
                               dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr &&
                               at::hasCUDA();
  return has_cuda ? c10::Device(c10::DeviceType::CUDA, 0) : c10::Device(c10::DeviceType::CPU);
}

}  // namespace tpo
