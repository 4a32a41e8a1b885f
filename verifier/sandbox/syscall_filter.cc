#include "verifier/sandbox/syscall_filter.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

// Grouped by what they are for. Names that an architecture lacks are passed over.
constexpr const char* kAllowed[] = {
    // Memory
    "brk",
    "mmap",
    "mmap2",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "mincore",
    "msync",
    "get_mempolicy",
    "membarrier",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    // Files
    "open",
    "openat",
    "openat2",
    "creat",
    "close",
    "close_range",
    "read",
    "readv",
    "pread64",
    "preadv",
    "preadv2",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "lseek",
    "_llseek",
    "stat",
    "lstat",
    "fstat",
    "newfstatat",
    "fstatat64",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getcwd",
    "chdir",
    "fchdir",
    "getdents",
    "getdents64",
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "umask",
    "truncate",
    "ftruncate",
    "fallocate",
    "fadvise64",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "fsync",
    "fdatasync",
    "flock",
    "copy_file_range",
    "sendfile",
    "dup",
    "dup2",
    "dup3",
    "pipe",
    "pipe2",
    "eventfd",
    "eventfd2",
    // Waiting
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "nanosleep",
    "clock_nanosleep",
    "pause",
    "restart_syscall",
    "futex",
    "futex_waitv",
    "sched_yield",
    // Clocks and timers
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "times",
    "getitimer",
    "setitimer",
    "alarm",
    "timer_create",
    "timer_settime",
    "timer_gettime",
    "timer_getoverrun",
    "timer_delete",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    // Signals to itself, and their handling
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sigaltstack",
    "sigreturn",
    "signalfd",
    "signalfd4",
    // Processes and threads
    "execve",
    "exit",
    "exit_group",
    "wait4",
    "waitid",
    "getpid",
    "getppid",
    "gettid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "getpgid",
    "getpgrp",
    "getsid",
    "set_tid_address",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "arch_prctl",
    "getrlimit",
    "setrlimit",
    "getrusage",
    "getpriority",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "getcpu",
    "uname",
    "sysinfo",
    "getrandom",
    "capget",
    // Messages over the channel to the verifier and over pairs of sockets
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "shutdown",
    "getsockopt",
    "getsockname",
    "getpeername",
};

constexpr const char* kNotPermitted[] = {"socket", "connect", "bind",
                                         "listen", "accept",  "accept4"};
constexpr const char* kReachingOthers[] = {
    "kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "setsid", "setpgid"};

// Terminal and descriptor queries that libraries make. Every other request is refused.
constexpr std::array<uint64_t, 6> kIoctlRequests = {0x5401 /* TCGETS */,   0x5413 /* TIOCGWINSZ */,
                                                    0x541b /* FIONREAD */, 0x5421 /* FIONBIO */,
                                                    0x5450 /* FIONCLEX */, 0x5451 /* FIOCLEX */};

// Not F_SETOWN, F_SETOWN_EX and F_SETSIG: with them a pipe sends any signal to any process of the
// same user, and kill() need not be allowed for that.
constexpr uint64_t kFcntlCommands[] = {
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,     F_GETFL,      F_SETFL,      F_GETLK,
    F_SETLK, F_SETLKW,        F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_GETPIPE_SZ, F_SETPIPE_SZ};

constexpr uint64_t kNamespaceFlags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS |
                                     CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
                                     0x80 /* CLONE_NEWTIME */;

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

// Remembers the first error, so that a table of rules needs one check.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

  void Add(uint32_t action, const char* name, std::vector<scmp_arg_cmp> arguments = {}) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR || number < 0 || !status_.ok()) return;
    const int error = seccomp_rule_add_array(
        filter_, action, number, static_cast<unsigned int>(arguments.size()), arguments.data());
    // EACCES: the rule says what happens anyway.
    if (error != 0 && error != -EACCES) {
      status_ = absl::InternalError(absl::StrCat("seccomp: no rule for ", name, ": error ", error));
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  scmp_filter_ctx filter_;
  absl::Status status_;
};

void AddProcessRules(const SyscallPolicy& policy, Rules* rules) {
  if (policy.child_processes) {
    rules->Add(SCMP_ACT_ALLOW, "clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, kNamespaceFlags, 0)});
    for (const char* name : {"fork", "vfork"}) rules->Add(SCMP_ACT_ALLOW, name);
  } else {
    rules->Add(SCMP_ACT_ALLOW, "clone",
               {SCMP_A0(SCMP_CMP_MASKED_EQ, kNamespaceFlags | CLONE_THREAD, CLONE_THREAD)});
    rules->Add(SCMP_ACT_ERRNO(EPERM), "clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)});
    for (const char* name : {"fork", "vfork"}) rules->Add(SCMP_ACT_ERRNO(EPERM), name);
  }
  for (const char* name : kReachingOthers) {
    rules->Add(policy.pid_namespace ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), name);
  }
  // Limits of other processes are none of its business.
  rules->Add(SCMP_ACT_ALLOW, "prlimit64", {SCMP_A0(SCMP_CMP_EQ, 0)});
  for (const uint64_t option : {PR_SET_NAME, PR_GET_NAME}) {
    rules->Add(SCMP_ACT_ALLOW, "prctl", {SCMP_A0(SCMP_CMP_EQ, option)});
  }
}

void AddRules(const SyscallPolicy& policy, Rules* rules) {
  for (const char* name : kAllowed) rules->Add(SCMP_ACT_ALLOW, name);
  for (const char* name : kNotPermitted) rules->Add(SCMP_ACT_ERRNO(EPERM), name);
  for (const uint64_t request : kIoctlRequests) {
    rules->Add(SCMP_ACT_ALLOW, "ioctl", {SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, request)});
  }
  for (const uint64_t command : kFcntlCommands) {
    rules->Add(SCMP_ACT_ALLOW, "fcntl", {SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, command)});
  }
  // Streams only: a datagram socket of a pair can still send to any address.
  rules->Add(SCMP_ACT_ALLOW, "socketpair",
             {SCMP_A0(SCMP_CMP_EQ, AF_UNIX), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM)});
  AddProcessRules(policy, rules);
}

absl::StatusOr<std::string> Export(scmp_filter_ctx filter) {
  const int file = memfd_create("filter", MFD_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, "seccomp: memfd_create");
  std::string bytes;
  absl::Status status;
  if (const int error = seccomp_export_bpf(filter, file); error != 0) {
    status = absl::ErrnoToStatus(-error, "seccomp: exporting the filter");
  } else {
    bytes.resize(static_cast<size_t>(lseek(file, 0, SEEK_END)));
    if (pread(file, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
      status = absl::ErrnoToStatus(errno, "seccomp: reading the filter");
    }
  }
  close(file);
  if (!status.ok()) return status;
  return bytes;
}

}  // namespace

absl::StatusOr<std::string> BuildSyscallFilter(const SyscallPolicy& policy) {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), &seccomp_release);
  if (filter == nullptr) return absl::InternalError("seccomp: seccomp_init failed");
  // A tree instead of a chain: a call then costs some comparisons, not two hundred.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  Rules rules(filter.get());
  for (const std::string& name : policy.also_allowed) {
    if (seccomp_syscall_resolve_name(name.c_str()) == __NR_SCMP_ERROR) {
      return absl::InvalidArgumentError(absl::StrCat("also_allowed: no system call ", name));
    }
    rules.Add(SCMP_ACT_ALLOW, name.c_str());
  }
  AddRules(policy, &rules);
  TPO_RETURN_IF_ERROR(rules.status());
  return Export(filter.get());
}

}  // namespace tpo
