#include "verifier/sandbox/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

// Above every number that a child is given, so that no dup2 overwrites one that is still needed.
constexpr int kSafeDescriptor = 32;

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class Attributes {
 public:
  Attributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

bool IsExecutable(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

constexpr size_t kMostOutput = 1 << 20;
constexpr absl::Duration kWaitPeriod = absl::Milliseconds(2);

absl::Status TookTooLong() { return absl::DeadlineExceededError("took too long"); }

absl::Status ReadToEnd(int descriptor, absl::Time deadline, std::string* output) {
  std::array<char, 4096> buffer;
  while (true) {
    struct pollfd watched = {descriptor, POLLIN, 0};
    const absl::Duration left = std::max(absl::ZeroDuration(), deadline - absl::Now());
    const int ready = poll(&watched, 1, static_cast<int>(absl::ToInt64Milliseconds(left)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return TookTooLong();
    const ssize_t length = read(descriptor, buffer.data(), buffer.size());
    if (length == 0) return absl::OkStatus();
    if (length < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "reading its output");
    if (length > 0) output->append(buffer.data(), static_cast<size_t>(length));
    if (output->size() > kMostOutput) return absl::FailedPreconditionError("wrote too much");
  }
}

// Of a child that has closed its output, which is about to end as a rule.
absl::Status WaitUntil(pid_t child, absl::Time deadline, int* wait_status) {
  while (waitpid(child, wait_status, WNOHANG) != child) {
    if (absl::Now() >= deadline) return TookTooLong();
    absl::SleepFor(kWaitPeriod);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command,
                            const std::vector<int>& descriptors, bool keep_environment) {
  FileActions actions;
  std::vector<FileDescriptor> copies;
  for (size_t i = 0; i < descriptors.size(); ++i) {
    const int number = static_cast<int>(i);
    if (descriptors[i] < 0) {
      posix_spawn_file_actions_addclose(actions.get(), number);
      continue;
    }
    copies.emplace_back(fcntl(descriptors[i], F_DUPFD_CLOEXEC, kSafeDescriptor));
    if (!copies.back().valid()) return absl::ErrnoToStatus(errno, "copying a descriptor");
    posix_spawn_file_actions_adddup2(actions.get(), copies.back().get(), number);
  }
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  char* const no_environment[] = {nullptr};
  Attributes attributes;
  pid_t child = -1;
  const int error = posix_spawn(&child, arguments[0], actions.get(), attributes.get(),
                                arguments.data(), keep_environment ? environ : no_environment);
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("starting ", command[0]));
  return child;
}

absl::StatusOr<std::string> OutputOf(const std::vector<std::string>& command, absl::Time deadline) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const FileDescriptor read_end(ends[0]);
  FileDescriptor write_end(ends[1]);
  const FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  TPO_ASSIGN_OR_RETURN(const pid_t child, Spawn(command, {null.get(), write_end.get(), null.get()},
                                                /*keep_environment=*/true));
  write_end.Close();
  std::string output;
  absl::Status status = ReadToEnd(read_end.get(), deadline, &output);
  int wait_status = 0;
  if (status.ok()) status = WaitUntil(child, deadline, &wait_status);
  if (!status.ok()) {
    // It leads a session of its own, and with it a group.
    kill(-child, SIGKILL);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return absl::Status(status.code(), absl::StrCat(command[0], ": ", status.message()));
  }
  if (wait_status != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(command[0], ": ended with wait status ", wait_status));
  }
  return output;
}

absl::StatusOr<FileDescriptor> MemoryFile(std::string_view content) {
  FileDescriptor file(memfd_create("tpo", MFD_CLOEXEC));
  if (!file.valid()) return absl::ErrnoToStatus(errno, "memfd_create");
  size_t written = 0;
  while (written < content.size()) {
    const ssize_t length = write(file.get(), content.data() + written, content.size() - written);
    if (length < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "writing a memory file");
    if (length > 0) written += static_cast<size_t>(length);
  }
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (IsExecutable(name)) return name;
    return absl::NotFoundError(absl::StrCat(name, ": no executable file"));
  }
  const char* path = std::getenv("PATH");
  for (const absl::string_view folder :
       absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    const std::string candidate = absl::StrCat(folder.empty() ? "." : folder, "/", name);
    if (!name.empty() && IsExecutable(candidate)) return candidate;
  }
  return absl::NotFoundError(absl::StrCat(name, ": not in PATH"));
}

}  // namespace tpo
