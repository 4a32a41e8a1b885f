#include "verifier/sandbox/helper/supervisor.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "verifier/sandbox/helper/init_process.h"
#include "verifier/sandbox/helper/work_directory.h"
#include "verifier/sandbox/helper_protocol.h"
#include "verifier/sandbox/layers.h"

namespace tpo {
namespace {

// After this, init is killed too.
constexpr int kInitGraceMs = 300;

int64_t NowMicroseconds() {
  struct timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1000000} + now.tv_nsec / 1000;
}

unsigned long NamespaceFlags(const HelperOptions& options) {
  unsigned long flags = 0;
  if (options.Has(kLayerUserNamespace)) flags |= CLONE_NEWUSER;
  if (options.Has(kLayerPidNamespace)) flags |= CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  if (options.Has(kLayerMountNamespace)) flags |= CLONE_NEWNS;
  if (options.Has(kLayerNetworkNamespace)) flags |= CLONE_NEWNET;
  return flags;
}

bool WriteFile(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  return close(file) == 0 && written;
}

// One user and one group in the namespace: those that the program gets.
StepFailure WriteUserTables(const HelperOptions& options, pid_t init) {
  const bool privileged = geteuid() == 0;
  const std::string process = "/proc/" + std::to_string(init);
  const std::string inside = std::to_string(kSandboxUser) + " ";
  const uid_t uid = privileged ? options.uid : geteuid();
  const gid_t gid = privileged ? options.gid : getegid();
  if (!WriteFile(process + "/uid_map", inside + std::to_string(uid) + " 1\n")) {
    return Failed(kLayerUserNamespace, "uid_map");
  }
  if (!privileged && !WriteFile(process + "/setgroups", "deny")) {
    return Failed(kLayerUserNamespace, "setgroups");
  }
  if (!WriteFile(process + "/gid_map", inside + std::to_string(gid) + " 1\n")) {
    return Failed(kLayerUserNamespace, "gid_map");
  }
  return {};
}

// Processes whose parent is this one.
std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  DIR* processes = opendir("/proc");
  if (processes == nullptr) return children;
  while (const struct dirent* entry = readdir(processes)) {
    const pid_t pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    if (pid <= 0) continue;
    const int file =
        open((std::string("/proc/") + entry->d_name + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    std::array<char, 512> text = {};
    const ssize_t length = read(file, text.data(), text.size() - 1);
    close(file);
    // pid (name) state parent …; the name may hold anything, parentheses too.
    const char* end = length > 0 ? std::strrchr(text.data(), ')') : nullptr;
    int parent = 0;
    if (end != nullptr && std::sscanf(end + 1, " %*c %d", &parent) == 1 && parent == getpid()) {
      children.push_back(pid);
    }
  }
  closedir(processes);
  return children;
}

// Kills what is left. In a PID namespace the end of init has done it already; elsewhere orphans
// were handed to this process (PR_SET_CHILD_SUBREAPER), generation by generation.
void KillRemaining() {
  const struct rlimit no_more = {0, 0};
  while (true) {
    const pid_t ended = waitpid(-1, nullptr, WNOHANG);
    if (ended > 0) continue;
    if (ended < 0 && errno != EINTR) return;
    for (const pid_t child : Children()) {
      prlimit(child, RLIMIT_NPROC, &no_more, nullptr);
      kill(child, SIGKILL);
    }
    const struct timespec moment = {0, 1000000};
    nanosleep(&moment, nullptr);
  }
}

// Waits for the report of init, the wall limit or the end of the service, whichever comes first.
HelperOutcome WaitForEnd(int status, int64_t deadline, InitReport* report) {
  while (true) {
    std::array<struct pollfd, 2> watched = {{{status, POLLIN, 0}, {kControlDescriptor, POLLIN, 0}}};
    const int64_t left = deadline - NowMicroseconds();
    const int timeout = static_cast<int>(std::clamp<int64_t>((left + 999) / 1000, 0, 1 << 30));
    const int ready = poll(watched.data(), watched.size(), timeout);
    if (ready < 0 && errno == EINTR) continue;
    if (watched[0].revents != 0) {
      const bool whole = read(status, report, sizeof(*report)) == sizeof(*report);
      if (!whole) {
        // Init has no other reason to end than that somebody killed it.
        report->failure =
            StepFailure{.failed = true, .layer = 0, .error_number = 0, .step = "init died"};
      }
      return report->failure.failed ? HelperOutcome::kSetupFailed : HelperOutcome::kEnded;
    }
    if (watched[1].revents != 0) return HelperOutcome::kCancelled;
    if (NowMicroseconds() >= deadline) return HelperOutcome::kWallLimit;
  }
}

// Lets the init of a PID namespace end the others, for the sake of what it counts.
void EndThroughInit(const HelperOptions& options, pid_t init, int status, InitReport* report) {
  if (!options.Has(kLayerPidNamespace)) return;
  kill(init, SIGTERM);
  struct pollfd watched = {status, POLLIN, 0};
  InitReport counted;
  if (poll(&watched, 1, kInitGraceMs) == 1 &&
      read(status, &counted, sizeof(counted)) == sizeof(counted)) {
    report->cpu_microseconds = counted.cpu_microseconds;
  }
}

int Send(HelperReport report, const StepFailure& failure) {
  report.failed_layer = failure.layer;
  report.error_number = failure.error_number;
  std::memcpy(report.step, failure.step, sizeof(report.step));
  // The service may be gone.
  return send(kControlDescriptor, &report, sizeof(report), MSG_NOSIGNAL) == sizeof(report) ? 0 : 1;
}

int64_t CpuMicrosecondsOfChildren() {
  struct rusage usage = {};
  getrusage(RUSAGE_CHILDREN, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * int64_t{1000000} +
         usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

// With the whole set-up of the execution done but the program not yet started, or a failure.
struct Started {
  StepFailure failure;
  pid_t init = -1;
  int status = -1;
};

Started StartInit(const HelperOptions& options, const std::string& work_directory) {
  Started started;
  int go[2];
  int status[2];
  if (pipe2(go, O_CLOEXEC) != 0 || pipe2(status, O_CLOEXEC) != 0) {
    started.failure = Failed(0, "pipe");
    return started;
  }
  const unsigned long flags = NamespaceFlags(options);
  started.init =
      static_cast<pid_t>(syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (started.init < 0) {
    // The flags come from one call; without a user namespace the others are refused too.
    const uint32_t layer = options.Has(kLayerUserNamespace) ? kLayerUserNamespace
                                                            : options.layers & kOwnNamespaceLayers;
    started.failure = Failed(layer, "clone with namespaces");
    return started;
  }
  if (started.init == 0) {
    close(go[1]);
    close(status[0]);
    RunInit(options, work_directory, go[0], status[1]);
  }
  close(go[0]);
  close(status[1]);
  started.status = status[0];
  if (options.Has(kLayerUserNamespace)) started.failure = WriteUserTables(options, started.init);
  // Only now: the tables of a process that can't be traced belong to root.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (!started.failure.failed && write(go[1], "1", 1) != 1) started.failure = Failed(0, "go");
  // The program's pipes and the source are init's now; go[1] stays open for as long as this lives.
  close_range(0, kChannelDescriptor, 0);
  close_range(kSourceDescriptor, kFilterDescriptor, 0);
  return started;
}

}  // namespace

int Supervise(const HelperOptions& options) {
  const int64_t begin = NowMicroseconds();
  HelperReport report;
  report.outcome = HelperOutcome::kSetupFailed;
  close_range(kFirstOtherDescriptor, ~0u, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const bool privileged = geteuid() == 0;
  std::string work_directory;
  if (!options.Has(kLayerMountNamespace) && !options.Has(kLayerBubblewrap)) {
    work_directory = MakeWorkDirectory(options.work_root, privileged ? options.uid : geteuid(),
                                       privileged ? options.gid : getegid());
    if (work_directory.empty()) {
      return Send(report, Failed(0, "making a work directory in", options.work_root.c_str()));
    }
  }
  const Started started = StartInit(options, work_directory);
  InitReport init_report;
  init_report.failure = started.failure;
  if (!started.failure.failed) {
    report.outcome = WaitForEnd(started.status, begin + options.wall_ms * 1000, &init_report);
  }
  report.wall_microseconds = NowMicroseconds() - begin;
  if (report.outcome == HelperOutcome::kWallLimit || report.outcome == HelperOutcome::kCancelled) {
    EndThroughInit(options, started.init, started.status, &init_report);
  }
  if (started.init > 0) {
    // Waiting for the init of a PID namespace waits for the end of all its processes. Elsewhere
    // they are init's group: no fork escapes a signal to a group.
    kill(-started.init, SIGKILL);
    kill(started.init, SIGKILL);
    while (waitpid(started.init, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  KillRemaining();
  report.wait_status = init_report.wait_status;
  report.cpu_microseconds = std::max(init_report.cpu_microseconds, CpuMicrosecondsOfChildren());
  // What the program left is removed after the report, so that the verdict doesn't wait for it.
  const int sent = Send(report, init_report.failure);
  if (!work_directory.empty() && !RemoveWorkDirectory(work_directory)) {
    return kExitOfRemainingFiles;
  }
  return sent;
}

}  // namespace tpo
