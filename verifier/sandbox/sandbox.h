// Runs untrusted programs, each in a sandbox of its own that nothing survives.
//
// An execution is a fresh process of the interpreter, started and watched by the helper program
// tpo-sandbox (helper_protocol.h), so that the service, which has many threads, never forks. The
// layers that this machine allows are found out by Create() and are in force for every execution;
// docs/code_verifier.md says what each of them keeps out. The program sees no environment but what
// `environment` gives, no descriptors but its own, and a private work directory with its source.
//
// Sandbox is thread-safe: any number of executions at a time. An Execution belongs to one thread.
#ifndef TPO_VERIFIER_SANDBOX_SANDBOX_H_
#define TPO_VERIFIER_SANDBOX_SANDBOX_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "verifier/sandbox/file_descriptor.h"
#include "verifier/sandbox/helper_protocol.h"
#include "verifier/sandbox/helper_reaper.h"
#include "verifier/sandbox/layers.h"

namespace tpo {

// Of one execution.
struct SandboxLimits {
  // Processor time of one process, rounded up to seconds. This is what ends a loop. Keep it below
  // `wall`, since on a busy machine a program gets less than its share of the wall clock.
  absl::Duration cpu = absl::Seconds(3);
  absl::Duration wall = absl::Seconds(8);
  uint64_t memory_bytes = uint64_t{1} << 30;  // address space of one process
  uint64_t output_bytes = 1 << 20;            // of output, errors, and each message of the channel
  uint64_t file_bytes = 16 << 20;             // of one file
  uint64_t disk_bytes = 64 << 20;             // of all files; in force with the mount namespace
  uint64_t tasks = 64;                        // threads and processes at a time
  uint64_t open_files = 64;
  // Off: the program has threads but starts no process, so that memory_bytes is its total.
  bool child_processes = false;
};

struct SandboxOptions {
  // Program and arguments, before those of an execution. A name without '/' is searched in PATH.
  // Not -I for Python, which would ignore the environment, and with it the fixed hash seed by which
  // a program behaves the same each time.
  std::vector<std::string> interpreter = {"python3", "-s", "-B"};
  SandboxLimits limits;
  // What the program may read and execute besides its work directory. For Python its own folders
  // are added.
  std::vector<std::string> readable_paths = {
      "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"};
  // NAME=VALUE; all that the program sees.
  std::vector<std::string> environment = {
      "PATH=/usr/bin:/bin", "HOME=/work",        "TMPDIR=/work",          "LANG=C.UTF-8",
      "PYTHONHASHSEED=0",   "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1"};
  // Beyond syscall_filter.h, for interpreters that need more.
  std::vector<std::string> system_calls;
  // SandboxLayer bits. Create() refuses when one of these can't be put in force…
  uint32_t required_layers = kAlwaysLayers | kLayerSeccomp | kLayerLandlock;
  // …and never tries these: for machines where one does harm, and for tests.
  uint32_t disabled_layers = 0;
  // Users for the programs of a service that runs as root: execution i gets first_user + i modulo
  // users. Also the group.
  uid_t first_user = kSandboxUser;
  uint32_t users = 1;
  // Empty: next to the running program, then in PATH.
  std::string helper;
  // Used where the helper may not make namespaces. Empty: not at all.
  std::string bubblewrap = "bwrap";
  // Where work directories are made without a mount namespace.
  std::string work_root = "/tmp";
  // Of each trial run of the interpreter in Create().
  absl::Duration probe_time = absl::Seconds(20);
};

enum class ExecutionEnd {
  kExited,     // exit_code
  kSignalled,  // signal_number
  kCpuLimit,
  kWallLimit,
  kOutputLimit,  // wrote more than limits.output_bytes
  kStopped,      // by the caller's deadline or cancellation: says nothing about the program
  kFailed,       // the sandbox failed: says nothing about the program either; `message`
};

struct ExecutionResult {
  ExecutionEnd end = ExecutionEnd::kFailed;
  int exit_code = 0;
  int signal_number = 0;
  absl::Duration wall;
  absl::Duration wall_limit;  // its own: a test has what the ones before it left
  absl::Duration cpu;
  std::string output;  // at most limits.output_bytes each
  std::string errors;
  std::string message;
};

// One sentence for people: "exited with status 1", "went over the limit of 3s of processor time".
std::string DescribeEnd(const ExecutionResult& result, const SandboxLimits& limits);

struct ExecutionRequest {
  std::string source;
  std::string source_name;             // in the work directory; no '/'
  std::vector<std::string> arguments;  // after those of the interpreter
  std::string input;                   // standard input
  // Gives the program descriptor 3, for Exchange().
  bool channel = false;
  // Instead of limits.wall; zero: limits.wall.
  absl::Duration wall = absl::ZeroDuration();
  // The caller's: when either says so, the execution is killed and ends with kStopped.
  absl::Time deadline = absl::InfiniteFuture();
  std::function<bool()> cancelled;
};

class Execution {
 public:
  // Kills what still runs and waits until it is gone.
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  // Sends one line over the channel and waits for one: true, and the line without its end; or
  // false, when the execution has ended instead. REQUIRES: the request had a channel; `line` has no
  // newline.
  bool Exchange(std::string_view line, std::string* reply);
  // Only waits for a line.
  bool Receive(std::string* line) { return Exchange("", line); }

  // Waits until the execution ends by itself or a limit ends it.
  ExecutionResult Wait();

  // Kills it, unless it has ended; for a program that is no longer needed. `end` is how it ended by
  // then, kExited with 0 when it still ran.
  ExecutionResult Finish();

 private:
  friend class Sandbox;
  Execution(const SandboxLimits& limits, const ExecutionRequest& request);

  // One round of waiting for and moving bytes; true while the execution goes on.
  bool Poll();
  bool ReadStream(FileDescriptor* stream, std::string* text);
  bool ReadChannel();
  void ReadReport();
  void WriteChannel();
  void Stop(ExecutionEnd why);
  void CheckCaller();
  ExecutionResult Result() const;

  const SandboxLimits limits_;
  const absl::Duration wall_;
  const absl::Time deadline_;
  const std::function<bool()> cancelled_;
  const absl::Time started_ = absl::Now();
  pid_t helper_ = -1;
  HelperReaper* reaper_ = nullptr;  // nullptr: waits for the helper itself, which ends at once
  FileDescriptor output_;
  FileDescriptor errors_;
  FileDescriptor channel_;
  FileDescriptor control_;
  std::string output_text_;
  std::string errors_text_;
  std::string to_send_;
  std::string received_;
  bool ended_ = false;
  bool finishing_ = false;
  bool helper_killed_ = false;
  ExecutionEnd stopped_ = ExecutionEnd::kExited;  // kExited: not stopped
  HelperReport report_;
  bool has_report_ = false;
};

// Outlives its executions.
class Sandbox {
 public:
  // Executions whose files may wait to be removed; the next one waits with its result.
  static constexpr size_t kMostRemovals = 64;

  // Finds interpreter and helper, finds out the layers by running the interpreter under them, and
  // logs them. FAILED_PRECONDITION: a required layer can't be put in force, or interpreter or
  // helper is missing or doesn't run inside; INVALID_ARGUMENT: the options.
  static absl::StatusOr<std::unique_ptr<Sandbox>> Create(const SandboxOptions& options);

  // Errors are the machine's (no descriptors, no memory), never the program's.
  absl::StatusOr<std::unique_ptr<Execution>> Start(const ExecutionRequest& request) const;

  // Those in force.
  uint32_t layers() const { return layers_; }
  // Names of those in force: "rlimits, no_new_privileges, …".
  std::string DescribeLayers() const;
  // The interpreter is a Python, of this version ("3.11"); else empty.
  const std::string& python_version() const { return python_version_; }
  const SandboxLimits& limits() const { return options_.limits; }

 private:
  explicit Sandbox(const SandboxOptions& options) : options_(options) {}

  // Whether work directories are on disk, and have to be removed file by file.
  bool has_files_to_remove() const {
    return (layers_ & (kLayerMountNamespace | kLayerBubblewrap)) == 0;
  }

  absl::Status FindPrograms();
  // Error: the interpreter hangs. That it is no Python is none.
  absl::Status FindPython();
  absl::Status CheckOptions() const;
  absl::Status BuildFilter();
  absl::Status FindLayers();
  absl::Status TryLayers(uint32_t* failed_layers);
  std::vector<std::string> HelperCommand(const ExecutionRequest& request) const;
  uint64_t TaskLimit(uid_t user) const;

  SandboxOptions options_;
  uint32_t layers_ = 0;
  std::string python_version_;
  FileDescriptor filter_;
  mutable std::atomic<uint32_t> next_user_{0};
  mutable HelperReaper reaper_{kMostRemovals};
};

// Names of layers, separated by commas.
std::string LayerNames(uint32_t layers);

// The layer of that name. INVALID_ARGUMENT: there is none; the message lists them.
absl::StatusOr<SandboxLayer> ParseSandboxLayer(std::string_view name);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_SANDBOX_H_
