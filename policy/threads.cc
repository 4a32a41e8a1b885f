#include "policy/threads.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

namespace tpo {

void UseOneThreadPerOperator() { at::set_num_threads(1); }

c10::Device DefaultDevice() {
  return at::hasCUDA() ? c10::Device(c10::DeviceType::CUDA, 0) : c10::Device(c10::DeviceType::CPU);
}

}  // namespace tpo
