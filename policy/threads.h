// How LibTorch uses this machine.
#ifndef TPO_POLICY_THREADS_H_
#define TPO_POLICY_THREADS_H_

#include <c10/core/Device.h>

namespace tpo {

// Makes LibTorch's operators run on the calling thread alone. Call once at the start of every
// thread that computes: both roles run several small computations side by side, which beats
// splitting each of them.
void UseOneThreadPerOperator();

// Tells the kernel that the calling thread computes for long and need not run the moment it is
// woken (Linux's SCHED_BATCH). Threads that are woken side by side then end up on a core each;
// otherwise they interrupt their waker, and wait on its core for one another while the next core is
// idle. No privilege is needed; a kernel without it goes on as before.
void ScheduleAsBatch();

// The first CUDA device when there is one that LibTorch can use, else the CPU.
c10::Device DefaultDevice();

}  // namespace tpo

#endif  // TPO_POLICY_THREADS_H_
