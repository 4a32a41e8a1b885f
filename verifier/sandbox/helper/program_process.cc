#include "verifier/sandbox/helper/program_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "verifier/sandbox/helper/restrict.h"
#include "verifier/sandbox/helper/work_directory.h"
#include "verifier/sandbox/helper_protocol.h"
#include "verifier/sandbox/layers.h"

namespace tpo {
namespace {

constexpr int kExitOfFailedSetup = 125;
// Where bubblewrap's inner helper finds the failure descriptor, itself, and its program.
constexpr int kInnerFailureDescriptor = kFirstOtherDescriptor;
constexpr char kInnerHelper[] = "/.tpo-sandbox";

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::string LinkTarget(const std::string& path) {
  std::string target(4096, '\0');
  const ssize_t length = readlink(path.c_str(), target.data(), target.size());
  target.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return target;
}

[[noreturn]] void Fail(int descriptor, const StepFailure& failure) {
  // Shorter than PIPE_BUF: written whole or not at all.
  if (write(descriptor, &failure, sizeof(failure)) < 0) _exit(kExitOfFailedSetup + 1);
  _exit(kExitOfFailedSetup);
}

// All descriptors but the program's own close when it starts.
StepFailure CloseDescriptorsOnExec(bool keep_channel) {
  const unsigned int first = keep_channel ? kChannelDescriptor + 1 : kChannelDescriptor;
  if (close_range(first, ~0u, CLOSE_RANGE_CLOEXEC) == 0) return {};
  return Failed(0, "close_range (needs Linux 5.11)");
}

StepFailure Restrict(const HelperOptions& options, const std::string& work_directory) {
  // In a group of their own, or, without a PID namespace, in the one of init, by which they are
  // killed.
  if (options.Has(kLayerPidNamespace) || options.inner) setsid();
  umask(022);
  if (chdir(work_directory.c_str()) != 0) return Failed(0, "chdir", work_directory.c_str());
  StepFailure failure = CloseDescriptorsOnExec(options.channel);
  if (!failure.failed) failure = ApplyResourceLimits(options);
  if (!failure.failed) failure = DropCapabilities();
  if (!failure.failed) failure = ForbidNewPrivileges();
  if (!failure.failed && options.Has(kLayerLandlock)) {
    failure = ApplyLandlock(options, work_directory);
  }
  if (!failure.failed && options.Has(kLayerSeccomp)) failure = ApplySeccomp();
  return failure;
}

}  // namespace

void BecomeProgram(const HelperOptions& options, const std::string& work_directory,
                   int failure_descriptor) {
  const std::vector<char*> arguments = Pointers(options.program);
  const std::vector<char*> environment = Pointers(options.environment);
  const StepFailure failure = Restrict(options, work_directory);
  if (failure.failed) Fail(failure_descriptor, failure);
  execve(arguments[0], arguments.data(), environment.data());
  Fail(failure_descriptor, Failed(0, "execve", arguments[0]));
}

void BecomeProgramInBubblewrap(const HelperOptions& options, int failure_descriptor) {
  const std::string self = LinkTarget("/proc/self/exe");
  std::vector<std::string> command = {options.bubblewrap,
                                      "--die-with-parent",
                                      "--new-session",
                                      "--unshare-user",
                                      "--unshare-pid",
                                      "--unshare-net",
                                      "--unshare-ipc",
                                      "--unshare-uts",
                                      "--uid",
                                      "65534",
                                      "--gid",
                                      "65534",
                                      "--hostname",
                                      "sandbox",
                                      "--cap-drop",
                                      "ALL"};
  for (const std::string& path : options.readable_paths) {
    struct stat status;
    if (lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) {
      command.insert(command.end(), {"--symlink", LinkTarget(path), path});
    } else {
      command.insert(command.end(), {"--ro-bind-try", path, path});
    }
  }
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"}) {
    command.insert(command.end(), {"--dev-bind", device, device});
  }
  command.insert(command.end(),
                 {"--ro-bind", self, kInnerHelper, "--perms", "0700", "--size",
                  std::to_string(options.disk_bytes), "--tmpfs", kSandboxWorkDirectory, "--symlink",
                  kSandboxWorkDirectory + 1, "/tmp", "--remount-ro", "/", "--", kInnerHelper});
  HelperOptions inner = options;
  for (const auto& [key, value] : {std::pair<const char*, uint64_t>{"layers", options.layers},
                                   {"cpu_seconds", options.cpu_seconds},
                                   {"memory_bytes", options.memory_bytes},
                                   {"file_bytes", options.file_bytes},
                                   {"tasks", options.tasks},
                                   {"open_files", options.open_files},
                                   {"channel", options.channel ? 1 : 0},
                                   {"inner", 1}}) {
    command.push_back(std::string(key) + "=" + std::to_string(value));
  }
  command.push_back("source_name=" + options.source_name);
  for (const std::string& path : options.readable_paths) command.push_back("read=" + path);
  for (const std::string& variable : options.environment) command.push_back("env=" + variable);
  command.emplace_back("--");
  command.insert(command.end(), options.program.begin(), options.program.end());

  if (dup2(failure_descriptor, kInnerFailureDescriptor) < 0) _exit(kExitOfFailedSetup);
  close_range(kInnerFailureDescriptor + 1, ~0u, 0);
  const std::vector<char*> arguments = Pointers(command);
  char* const environment[] = {nullptr};
  execve(arguments[0], arguments.data(), environment);
  Fail(kInnerFailureDescriptor, Failed(kLayerBubblewrap, "execve", arguments[0]));
}

void RunInner(const HelperOptions& options) {
  // Without a failure: bubblewrap has done its part.
  const StepFailure begun;
  if (write(kInnerFailureDescriptor, &begun, sizeof(begun)) != sizeof(begun)) {
    _exit(kExitOfFailedSetup + 1);
  }
  if (!options.source_name.empty() && !WriteSource(kSandboxWorkDirectory, options.source_name)) {
    Fail(kInnerFailureDescriptor, Failed(0, "writing the source"));
  }
  BecomeProgram(options, kSandboxWorkDirectory, kInnerFailureDescriptor);
}

}  // namespace tpo
