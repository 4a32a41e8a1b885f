// The layers of isolation around an untrusted program, by name.
//
// A layer is in force or it is not; none is half applied. Which of them a machine allows is found
// out once, by running a program under them (sandbox.h), and from then on a layer that fails makes
// the execution fail.
//
// Shared by the service's side and by the helper program, which links nothing of the service.
#ifndef TPO_VERIFIER_SANDBOX_LAYERS_H_
#define TPO_VERIFIER_SANDBOX_LAYERS_H_

#include <array>
#include <cstdint>

namespace tpo {

enum SandboxLayer : uint32_t {
  // CPU, address space, file size, tasks, descriptors, no core dumps (setrlimit).
  kLayerRlimits = 1u << 0,
  // No program that is started gains rights (PR_SET_NO_NEW_PRIVS), and no capabilities.
  kLayerNoNewPrivileges = 1u << 1,
  // Not root: a service that runs as root hands the program another user.
  kLayerUnprivilegedUser = 1u << 2,
  // Only system calls of an allow-list (syscall_filter.h).
  kLayerSeccomp = 1u << 3,
  // Files: reads below the readable paths only, writes below the work directory only; no TCP; where
  // the kernel knows it, no signals and no abstract sockets to the outside.
  kLayerLandlock = 1u << 4,
  // A user table of its own: limits on tasks are counted for each execution alone.
  kLayerUserNamespace = 1u << 5,
  // Sees and signals only its own processes, and all of them end with the first (also System V IPC
  // and host name of its own).
  kLayerPidNamespace = 1u << 6,
  // Sees only the readable paths; the work directory is a memory file system of bounded size.
  kLayerMountNamespace = 1u << 7,
  // No network but a loopback interface that is down.
  kLayerNetworkNamespace = 1u << 8,
  // The namespaces come from bubblewrap, where the helper may not make them itself.
  kLayerBubblewrap = 1u << 9,
};

struct SandboxLayerName {
  SandboxLayer layer;
  const char* name;
};

inline constexpr std::array<SandboxLayerName, 10> kSandboxLayerNames = {{
    {kLayerRlimits, "rlimits"},
    {kLayerNoNewPrivileges, "no_new_privileges"},
    {kLayerUnprivilegedUser, "unprivileged_user"},
    {kLayerSeccomp, "seccomp"},
    {kLayerLandlock, "landlock"},
    {kLayerUserNamespace, "user_namespace"},
    {kLayerPidNamespace, "pid_namespace"},
    {kLayerMountNamespace, "mount_namespace"},
    {kLayerNetworkNamespace, "network_namespace"},
    {kLayerBubblewrap, "bubblewrap"},
}};

inline constexpr uint32_t kAllSandboxLayers = (1u << kSandboxLayerNames.size()) - 1;
inline constexpr uint32_t kOwnNamespaceLayers =
    kLayerUserNamespace | kLayerPidNamespace | kLayerMountNamespace | kLayerNetworkNamespace;
// Without these nothing runs.
inline constexpr uint32_t kAlwaysLayers =
    kLayerRlimits | kLayerNoNewPrivileges | kLayerUnprivilegedUser;

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_LAYERS_H_
