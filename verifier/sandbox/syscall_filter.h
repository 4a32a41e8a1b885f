// The system calls that an untrusted program may make: an allow-list, compiled for seccomp.
//
// On the list is what CPython and the C library need to compute, to use files in the work directory
// and to run threads. What is not on it fails with ENOSYS, as on a kernel without it, so that
// libraries fall back; a few that programs test for fail with EPERM: sockets, signals and
// sessions where there is no PID namespace, new processes where these are not allowed. Not on it,
// among others: sockets of any kind but connected pairs, ptrace, process_vm_*, bpf,
// perf_event_open, keyctl, io_uring, userfaultfd, mount and its kin, unshare, setns, namespaces in
// clone, clone3 (whose flags a filter can't see), memfd_create and System V IPC (memory that no
// limit counts), pidfd_*, personality, module, clock and reboot calls, and fcntl's requests for a
// descriptor's owner, by which a pipe would send signals. A call through another architecture's
// table (32-bit, x32) kills the program.
#ifndef TPO_VERIFIER_SANDBOX_SYSCALL_FILTER_H_
#define TPO_VERIFIER_SANDBOX_SYSCALL_FILTER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tpo {

struct SyscallPolicy {
  // fork and its kin, not only threads.
  bool child_processes = false;
  // A PID namespace hides all processes but the program's own. Without one, signals are refused,
  // and so are sessions and process groups of its own, since its processes are killed as a group.
  bool pid_namespace = false;
  // Further calls, by name.
  std::vector<std::string> also_allowed;
};

// The filter as the kernel takes it: the bytes of an array of sock_filter. INVALID_ARGUMENT: a name
// in also_allowed is no system call.
absl::StatusOr<std::string> BuildSyscallFilter(const SyscallPolicy& policy);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_SYSCALL_FILTER_H_
