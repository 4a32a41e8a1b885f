// What passes between the service and the helper program tpo-sandbox, which supervises one
// execution.
//
// The service starts `tpo-sandbox KEY=VALUE… -- PROGRAM ARGUMENT…` with the descriptors below. It
// keeps the other end of kControlDescriptor open for as long as the execution may last: when that
// end closes, by intent or because the service died, everything in the sandbox is killed. The
// helper answers with one HelperReport there, after the last process of the execution is gone. It
// ends when its files are removed, too.
//
// Keys: layers, uid, gid, wall_ms, cpu_seconds, memory_bytes, file_bytes, disk_bytes, tasks,
// open_files, work_root, source_name, channel, bubblewrap, and, any number of times, read and env.
// helper/options.h has their meaning.
#ifndef TPO_VERIFIER_SANDBOX_HELPER_PROTOCOL_H_
#define TPO_VERIFIER_SANDBOX_HELPER_PROTOCOL_H_

#include <cstdint>
#include <type_traits>

namespace tpo {

// 0, 1 and 2 are the program's own. The program gets kChannelDescriptor too, when channel=1.
inline constexpr int kChannelDescriptor = 3;
inline constexpr int kControlDescriptor = 4;
// A file with the program's source, copied into the work directory as source_name.
inline constexpr int kSourceDescriptor = 5;
// The seccomp filter, as the kernel wants it: an array of sock_filter.
inline constexpr int kFilterDescriptor = 6;
inline constexpr int kFirstOtherDescriptor = 7;

// The helper's exit status when files couldn't be removed.
inline constexpr int kExitOfRemainingFiles = 3;

enum class HelperOutcome : uint32_t {
  kEnded = 1,        // by itself, or by a signal: wait_status
  kWallLimit = 2,    // killed at the wall limit
  kCancelled = 3,    // killed because the service closed the control descriptor
  kSetupFailed = 4,  // never started: failed_layer, error_number, step
};

struct HelperReport {
  static constexpr uint32_t kMagic = 0x74706f31;

  uint32_t magic = kMagic;
  HelperOutcome outcome = HelperOutcome::kEnded;
  int32_t wait_status = 0;    // as of waitpid
  uint32_t failed_layer = 0;  // a SandboxLayer, or 0: nothing that could be done without
  int32_t error_number = 0;
  uint32_t unused = 0;
  int64_t wall_microseconds = 0;
  int64_t cpu_microseconds = 0;  // user and system, of all processes of the execution
  char step[64] = {};            // what failed, for people
};
static_assert(std::is_trivially_copyable_v<HelperReport>);

// The work directory, as programs in a mount namespace see it.
inline constexpr char kSandboxWorkDirectory[] = "/work";
// The user and group that programs in a user namespace see.
inline constexpr uint32_t kSandboxUser = 65534;

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HELPER_PROTOCOL_H_
