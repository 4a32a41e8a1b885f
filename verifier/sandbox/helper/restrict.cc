#include "verifier/sandbox/helper/restrict.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "verifier/sandbox/helper_protocol.h"
#include "verifier/sandbox/layers.h"

namespace tpo {
namespace {

// Landlock's interface, of which the headers of this system may know only the beginning. Names and
// values are those of linux/landlock.h.
constexpr uint64_t kExecute = 1ull << 0;
constexpr uint64_t kWriteFile = 1ull << 1;
constexpr uint64_t kReadFile = 1ull << 2;
constexpr uint64_t kReadDirectory = 1ull << 3;
constexpr uint64_t kAllFileRightsOfVersion1 = (1ull << 13) - 1;
constexpr uint64_t kRefer = 1ull << 13;                                      // version 2
constexpr uint64_t kTruncate = 1ull << 14;                                   // version 3
constexpr uint64_t kDeviceIoctl = 1ull << 15;                                // version 5
constexpr uint64_t kMakeDevices = (1ull << 6) | (1ull << 9) | (1ull << 11);  // char, socket, block
constexpr uint64_t kFileOnlyRights = kExecute | kWriteFile | kReadFile | kTruncate | kDeviceIoctl;
constexpr uint64_t kTcpBindAndConnect = 3;          // version 4
constexpr uint64_t kAbstractSocketsAndSignals = 3;  // version 6

struct RulesetAttributes {
  uint64_t handled_file_access;
  uint64_t handled_network_access;
  uint64_t scoped;
};

struct __attribute__((packed)) PathBeneathAttributes {
  uint64_t allowed_access;
  int32_t parent_fd;
};

constexpr unsigned int kVersionFlag = 1;
constexpr int kPathBeneathRule = 1;

// A path that isn't there has nothing to allow.
StepFailure AllowBeneath(int ruleset, const char* path, uint64_t access) {
  const int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) {
    return errno == ENOENT ? StepFailure{} : Failed(kLayerLandlock, "landlock: opening", path);
  }
  struct stat status;
  if (fstat(fd, &status) != 0) return Failed(kLayerLandlock, "landlock: fstat", path);
  PathBeneathAttributes rule = {access, fd};
  if (!S_ISDIR(status.st_mode)) rule.allowed_access &= kFileOnlyRights;
  const long result = syscall(SYS_landlock_add_rule, ruleset, kPathBeneathRule, &rule, 0);
  if (result != 0) return Failed(kLayerLandlock, "landlock_add_rule", path);
  close(fd);
  return {};
}

RulesetAttributes EverythingKnownTo(long version) {
  RulesetAttributes attributes = {kAllFileRightsOfVersion1, 0, 0};
  if (version >= 2) attributes.handled_file_access |= kRefer;
  if (version >= 3) attributes.handled_file_access |= kTruncate;
  if (version >= 4) attributes.handled_network_access = kTcpBindAndConnect;
  if (version >= 5) attributes.handled_file_access |= kDeviceIoctl;
  if (version >= 6) attributes.scoped = kAbstractSocketsAndSignals;
  return attributes;
}

StepFailure SetLimit(int resource, uint64_t soft, uint64_t hard, const char* name) {
  const struct rlimit limit = {soft, hard};
  return setrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0
             ? StepFailure{}
             : Failed(kLayerRlimits, name);
}

}  // namespace

StepFailure BecomeUser(uid_t uid, gid_t gid, bool in_user_namespace) {
  // First, since root's right to do it goes with the user. Fails without that right, which means
  // that there is nothing to take away.
  for (int capability = 0; capability < 64; ++capability) {
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
  // Without a right to change groups there are none to lose: the namespace's table has one group.
  if (setgroups(0, nullptr) != 0 && !in_user_namespace) {
    return Failed(kLayerUnprivilegedUser, "setgroups");
  }
  if (setresgid(gid, gid, gid) != 0) return Failed(kLayerUnprivilegedUser, "setresgid");
  if (setresuid(uid, uid, uid) != 0) return Failed(kLayerUnprivilegedUser, "setresuid");
  return {};
}

StepFailure DropCapabilities() {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none = {};
  if (syscall(SYS_capset, &header, none.data()) != 0) {
    return Failed(kLayerNoNewPrivileges, "capset");
  }
  return {};
}

StepFailure ApplyResourceLimits(const HelperOptions& options) {
  StepFailure failure = SetLimit(RLIMIT_CORE, 0, 0, "RLIMIT_CORE");
  // The soft limit is a signal that can be caught; a second later comes one that can't.
  if (!failure.failed) {
    failure = SetLimit(RLIMIT_CPU, options.cpu_seconds, options.cpu_seconds + 1, "RLIMIT_CPU");
  }
  if (!failure.failed) {
    failure = SetLimit(RLIMIT_FSIZE, options.file_bytes, options.file_bytes, "RLIMIT_FSIZE");
  }
  if (!failure.failed) {
    failure = SetLimit(RLIMIT_NOFILE, options.open_files, options.open_files, "RLIMIT_NOFILE");
  }
  if (!failure.failed && options.tasks > 0) {
    failure = SetLimit(RLIMIT_NPROC, options.tasks, options.tasks, "RLIMIT_NPROC");
  }
  if (!failure.failed) failure = SetLimit(RLIMIT_MEMLOCK, 0, 0, "RLIMIT_MEMLOCK");
  if (!failure.failed) failure = SetLimit(RLIMIT_MSGQUEUE, 0, 0, "RLIMIT_MSGQUEUE");
  if (!failure.failed) {
    failure = SetLimit(RLIMIT_AS, options.memory_bytes, options.memory_bytes, "RLIMIT_AS");
  }
  return failure;
}

StepFailure ForbidNewPrivileges() {
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
             ? StepFailure{}
             : Failed(kLayerNoNewPrivileges, "PR_SET_NO_NEW_PRIVS");
}

StepFailure ApplyLandlock(const HelperOptions& options, const std::string& work_directory) {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionFlag);
  if (version < 1) return Failed(kLayerLandlock, "landlock: not in this kernel");
  const RulesetAttributes attributes = EverythingKnownTo(version);
  // A kernel refuses fields that it doesn't know, by the size.
  const size_t size = version >= 6 ? sizeof(attributes) : version >= 4 ? 16 : 8;
  const int ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, size, 0));
  if (ruleset < 0) return Failed(kLayerLandlock, "landlock_create_ruleset");
  for (const std::string& path : options.readable_paths) {
    const StepFailure failure =
        AllowBeneath(ruleset, path.c_str(), kExecute | kReadFile | kReadDirectory);
    if (failure.failed) return failure;
  }
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"}) {
    const StepFailure failure = AllowBeneath(ruleset, device, kReadFile | kWriteFile);
    if (failure.failed) return failure;
  }
  // In the work directory everything but running programs and making devices and sockets.
  const StepFailure failure =
      AllowBeneath(ruleset, work_directory.c_str(),
                   attributes.handled_file_access & ~(kExecute | kMakeDevices | kDeviceIoctl));
  if (failure.failed) return failure;
  if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
    return Failed(kLayerLandlock, "landlock_restrict_self");
  }
  close(ruleset);
  return {};
}

StepFailure ApplySeccomp() {
  struct stat status;
  if (fstat(kFilterDescriptor, &status) != 0) return Failed(kLayerSeccomp, "seccomp: no filter");
  std::vector<struct sock_filter> instructions(static_cast<size_t>(status.st_size) /
                                               sizeof(struct sock_filter));
  const size_t bytes = instructions.size() * sizeof(struct sock_filter);
  // pread, since executions share the file's position.
  if (instructions.empty() ||
      pread(kFilterDescriptor, instructions.data(), bytes, 0) != static_cast<ssize_t>(bytes)) {
    return Failed(kLayerSeccomp, "seccomp: reading the filter");
  }
  const struct sock_fprog program = {static_cast<unsigned short>(instructions.size()),
                                     instructions.data()};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) {
    return Failed(kLayerSeccomp, "PR_SET_SECCOMP");
  }
  return {};
}

}  // namespace tpo
