#include "verifier/sandbox/helper/init_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "verifier/sandbox/helper/private_root.h"
#include "verifier/sandbox/helper/program_process.h"
#include "verifier/sandbox/helper/restrict.h"
#include "verifier/sandbox/helper/work_directory.h"
#include "verifier/sandbox/helper_protocol.h"
#include "verifier/sandbox/layers.h"

namespace tpo {
namespace {

[[noreturn]] void Tell(int status, const InitReport& report) {
  _exit(write(status, &report, sizeof(report)) == sizeof(report) ? 0 : 1);
}

// If the machine runs out of memory, these processes are the first to go.
void PreferAsVictim() {
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  // Of no consequence for the isolation, so a kernel that refuses is none for the execution.
  [[maybe_unused]] const ssize_t written = write(file, "1000", 4);
  close(file);
}

// User and file tree. The order matters: the readable paths are opened with the service's rights,
// the files of the tree are made by the user that owns them.
StepFailure SetUp(const HelperOptions& options, bool privileged, std::string* work_directory) {
  const bool in_user_namespace = options.Has(kLayerUserNamespace);
  const uid_t uid = in_user_namespace ? kSandboxUser : options.uid;
  const gid_t gid = in_user_namespace ? kSandboxUser : options.gid;
  PrivateRoot root;
  StepFailure failure;
  if (options.Has(kLayerMountNamespace)) {
    failure = root.Open(options);
    // In a user namespace the change of user keeps the capabilities that the namespace gave.
    if (!failure.failed && in_user_namespace) failure = BecomeUser(uid, gid, true);
    if (!failure.failed) failure = root.Enter(options, uid, gid);
    *work_directory = kSandboxWorkDirectory;
  }
  if (!failure.failed && !options.source_name.empty() && !options.Has(kLayerBubblewrap) &&
      !WriteSource(*work_directory, options.source_name)) {
    failure = Failed(0, "writing the source into", work_directory->c_str());
  }
  if (!failure.failed && (privileged || in_user_namespace)) {
    failure = BecomeUser(uid, gid, in_user_namespace);
  }
  if (!failure.failed) failure = DropCapabilities();
  return failure;
}

// SIGTERM, in a PID namespace: kills all but this process, which then reaps and reports what they
// used. When the kernel kills them for the end of their init, it counts nothing. Only the
// supervisor, which has no number in here, may ask.
void KillAllOthers(int /*signal*/, siginfo_t* info, void* /*context*/) {
  if (info->si_pid == 0) kill(-1, SIGKILL);
}

// Reaps everything until `program` has ended; its status.
int ReapUntilEnded(pid_t program) {
  while (true) {
    int wait_status = 0;
    const pid_t ended = waitpid(-1, &wait_status, 0);
    if (ended == program) return wait_status;
    if (ended < 0 && errno != EINTR) return 0;
  }
}

int64_t CpuMicrosecondsOfChildren() {
  struct rusage usage = {};
  getrusage(RUSAGE_CHILDREN, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * int64_t{1000000} +
         usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

// What kept the program from beginning, once it is known that nothing did. bubblewrap says nothing
// here of its own failures; but then the helper that it starts doesn't say that it has begun.
StepFailure AwaitBeginning(int failures, bool in_bubblewrap) {
  StepFailure failure;
  if (in_bubblewrap && read(failures, &failure, sizeof(failure)) != sizeof(failure)) {
    errno = 0;
    return Failed(kLayerBubblewrap, "bubblewrap didn't start the program");
  }
  if (!failure.failed && read(failures, &failure, sizeof(failure)) != sizeof(failure)) return {};
  return failure;
}

// bubblewrap reports the signal that ended its program the way a shell does.
int WaitStatusFromBubblewrap(int wait_status) {
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) > 128) {
    return WEXITSTATUS(wait_status) - 128;
  }
  return wait_status;
}

}  // namespace

void RunInit(const HelperOptions& options, const std::string& work_directory, int go, int status) {
  InitReport report;
  char ready = 0;
  if (read(go, &ready, 1) != 1) _exit(1);
  PreferAsVictim();
  // One group for all processes of the execution; seccomp keeps them from leaving it.
  if (!options.Has(kLayerPidNamespace)) setsid();
  std::string directory = work_directory;
  const bool privileged = getuid() == 0;
  report.failure = SetUp(options, privileged, &directory);
  if (report.failure.failed) Tell(status, report);

  // Only now: a change of user resets both.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  struct pollfd supervisor = {go, 0, 0};
  if (poll(&supervisor, 1, 0) == 1) _exit(1);  // it died before the signal was asked for

  if (options.Has(kLayerPidNamespace)) {
    struct sigaction action = {};
    action.sa_sigaction = KillAllOthers;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGTERM, &action, nullptr);
  }
  int failure_pipe[2];
  if (pipe2(failure_pipe, O_CLOEXEC) != 0) {
    report.failure = Failed(0, "pipe");
    Tell(status, report);
  }
  const pid_t program = fork();
  if (program < 0) {
    report.failure = Failed(0, "fork");
    Tell(status, report);
  }
  if (program == 0) {
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    close(go);
    close(status);
    if (options.Has(kLayerBubblewrap)) BecomeProgramInBubblewrap(options, failure_pipe[1]);
    BecomeProgram(options, directory, failure_pipe[1]);
  }
  close(failure_pipe[1]);
  // The ends of the program's pipes must close with the program.
  close_range(0, kFilterDescriptor, 0);
  report.failure = AwaitBeginning(failure_pipe[0], options.Has(kLayerBubblewrap));
  report.wait_status = ReapUntilEnded(program);
  if (options.Has(kLayerBubblewrap)) {
    report.wait_status = WaitStatusFromBubblewrap(report.wait_status);
  }
  report.cpu_microseconds = CpuMicrosecondsOfChildren();
  Tell(status, report);
}

}  // namespace tpo
