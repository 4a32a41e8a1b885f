#include "verifier/sandbox/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "spdlog/spdlog.h"
#include "verifier/sandbox/spawn.h"
#include "verifier/sandbox/syscall_filter.h"

namespace tpo {
namespace {

constexpr char kHelperName[] = "tpo-sandbox";
// Its first line ends a shell, which would take "import" for a program.
constexpr char kDescribePython[] =
    "'exit'\n"
    "import os, sys, sysconfig\n"
    "print('%d.%d' % sys.version_info[:2])\n"
    "print(os.path.realpath(sys.executable))\n"
    "paths = [sys.executable, sys.base_prefix, sys.prefix, *sysconfig.get_paths().values()]\n"
    "paths += [os.path.realpath(path) for path in paths]\n"
    "for path in paths:\n"
    "    if os.path.exists(path): print(path)\n";

absl::StatusOr<std::string> FindHelper(const std::string& configured) {
  if (!configured.empty()) return FindProgram(configured);
  std::string self(4096, '\0');
  const ssize_t length = readlink("/proc/self/exe", self.data(), self.size());
  if (length > 0) {
    self.resize(static_cast<size_t>(length));
    const absl::StatusOr<std::string> beside =
        FindProgram(self.substr(0, self.rfind('/') + 1) + kHelperName);
    if (beside.ok()) return beside;
  }
  return FindProgram(kHelperName);
}

// Threads of a user's processes, wherever the user table counts them together.
uint64_t TasksOf(uid_t user) {
  uint64_t tasks = 0;
  DIR* processes = opendir("/proc");
  if (processes == nullptr) return tasks;
  while (const struct dirent* entry = readdir(processes)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    struct stat status;
    const std::string path = absl::StrCat("/proc/", entry->d_name, "/task");
    if (stat(path.c_str(), &status) != 0 || status.st_uid != user) continue;
    tasks += static_cast<uint64_t>(status.st_nlink) - 2;
  }
  closedir(processes);
  return tasks;
}

uint32_t AllLayersFor(const SandboxOptions& options, bool own_namespaces) {
  uint32_t layers = kAlwaysLayers | kLayerSeccomp | kLayerLandlock;
  layers |= own_namespaces ? uint32_t{kOwnNamespaceLayers} : uint32_t{kLayerBubblewrap};
  return layers & ~(options.disabled_layers & ~uint32_t{kAlwaysLayers});
}

// The layers that go with one that failed: without a user namespace of its own a service that isn't
// root gets none of the others.
uint32_t WithDependents(uint32_t failed) {
  if ((failed & kLayerUserNamespace) != 0 && geteuid() != 0) return failed | kOwnNamespaceLayers;
  return failed;
}

}  // namespace

std::string LayerNames(uint32_t layers) {
  std::vector<const char*> names;
  for (const auto& [layer, name] : kSandboxLayerNames) {
    if ((layers & layer) != 0) names.push_back(name);
  }
  return absl::StrJoin(names, ", ");
}

absl::StatusOr<SandboxLayer> ParseSandboxLayer(std::string_view name) {
  for (const auto& [layer, known] : kSandboxLayerNames) {
    if (name == known) return layer;
  }
  return absl::InvalidArgumentError(absl::StrCat("no sandbox layer \"", std::string(name),
                                                 "\"; there are ", LayerNames(kAllSandboxLayers)));
}

std::string Sandbox::DescribeLayers() const { return LayerNames(layers_); }

absl::Status Sandbox::CheckOptions() const {
  const SandboxLimits& limits = options_.limits;
  if (options_.interpreter.empty()) return absl::InvalidArgumentError("interpreter: empty");
  if (limits.cpu <= absl::ZeroDuration() || limits.wall <= absl::ZeroDuration() ||
      limits.wall > absl::Hours(24)) {
    return absl::InvalidArgumentError("limits: cpu and wall have to be above 0, and at most a day");
  }
  if (limits.memory_bytes == 0 || limits.output_bytes == 0 || limits.file_bytes == 0 ||
      limits.disk_bytes == 0 || limits.tasks == 0 || limits.open_files < 8) {
    return absl::InvalidArgumentError(
        "limits: memory, output, file, disk and tasks have to be above 0, open_files at least 8");
  }
  if (options_.users == 0 || options_.first_user == 0) {
    return absl::InvalidArgumentError("first_user, users: at least one user, none of them root");
  }
  if ((options_.required_layers & options_.disabled_layers) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("required and disabled layers both have ",
                     LayerNames(options_.required_layers & options_.disabled_layers)));
  }
  return absl::OkStatus();
}

absl::Status Sandbox::FindPrograms() {
  const absl::StatusOr<std::string> helper = FindHelper(options_.helper);
  if (!helper.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the sandbox's helper: ", helper.status().message()));
  }
  options_.helper = *helper;
  const absl::StatusOr<std::string> interpreter = FindProgram(options_.interpreter[0]);
  if (!interpreter.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the interpreter: ", interpreter.status().message()));
  }
  options_.interpreter[0] = *interpreter;
  if (!options_.bubblewrap.empty()) {
    const absl::StatusOr<std::string> bubblewrap = FindProgram(options_.bubblewrap);
    options_.bubblewrap = bubblewrap.ok() ? *bubblewrap : "";
  }
  return absl::OkStatus();
}

// Only the first argument: options of a Python are no options of another interpreter.
absl::Status Sandbox::FindPython() {
  const absl::StatusOr<std::string> description =
      OutputOf({options_.interpreter[0], "-c", kDescribePython}, absl::Now() + options_.probe_time);
  if (absl::IsDeadlineExceeded(description.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the interpreter doesn't start: asked for its version, ", description.status().message()));
  }
  if (!description.ok()) return absl::OkStatus();
  std::vector<std::string> lines = absl::StrSplit(*description, '\n', absl::SkipEmpty());
  if (lines.size() < 3 || lines[1][0] != '/') return absl::OkStatus();
  python_version_ = lines[0];
  // A launcher that chooses a Python (pyenv's, say) chooses now: inside it would find no list.
  const bool in_environment = lines[2] != lines[1] && lines[2].find("/bin/") != std::string::npos;
  options_.interpreter[0] = in_environment ? lines[2] : lines[1];
  for (size_t i = 1; i < lines.size(); ++i) {
    const auto covered = [&lines, i](const std::string& path) {
      return lines[i] == path || absl::StrCat(lines[i], "/").rfind(absl::StrCat(path, "/"), 0) == 0;
    };
    std::vector<std::string>& paths = options_.readable_paths;
    if (std::none_of(paths.begin(), paths.end(), covered)) paths.push_back(lines[i]);
  }
  return absl::OkStatus();
}

absl::Status Sandbox::BuildFilter() {
  SyscallPolicy policy;
  policy.child_processes = options_.limits.child_processes;
  policy.pid_namespace = (layers_ & (kLayerPidNamespace | kLayerBubblewrap)) != 0;
  policy.also_allowed = options_.system_calls;
  TPO_ASSIGN_OR_RETURN(const std::string filter, BuildSyscallFilter(policy));
  TPO_ASSIGN_OR_RETURN(filter_, MemoryFile(filter));
  return absl::OkStatus();
}

absl::Status Sandbox::TryLayers(uint32_t* failed_layers) {
  *failed_layers = 0;
  TPO_RETURN_IF_ERROR(BuildFilter());
  ExecutionRequest request;
  // An empty program, and for Python one that has loaded what the harness needs.
  request.source = python_version_.empty() ? "" : "import json, os, sys\n";
  request.source_name = "empty";
  request.arguments = {"empty"};
  request.deadline = absl::Now() + options_.probe_time;
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<Execution> execution, Start(request));
  const ExecutionResult result = execution->Wait();
  if (result.end == ExecutionEnd::kFailed) {
    if (execution->has_report_) *failed_layers = execution->report_.failed_layer;
    return absl::FailedPreconditionError(absl::StrCat(
        result.message, result.errors.empty() ? "" : ": ", result.errors.substr(0, 1000)));
  }
  if (result.end == ExecutionEnd::kExited && result.exit_code == 0) return absl::OkStatus();
  // A program that runs without bubblewrap's namespaces may not run in them.
  if ((layers_ & kLayerBubblewrap) != 0) *failed_layers = kLayerBubblewrap;
  return absl::FailedPreconditionError(absl::StrCat(
      options_.interpreter[0], " doesn't run in the sandbox: with an empty program it ",
      DescribeEnd(result, options_.limits), ": ", result.errors.substr(0, 1000)));
}

absl::Status Sandbox::FindLayers() {
  layers_ = AllLayersFor(options_, /*own_namespaces=*/true);
  bool tried_bubblewrap = options_.bubblewrap.empty();
  std::vector<std::string> reasons;
  while (true) {
    uint32_t failed = 0;
    const absl::Status status = TryLayers(&failed);
    if (status.ok()) {
      // Without namespaces of its own, those of bubblewrap.
      const bool bare = (layers_ & (kLayerPidNamespace | kLayerBubblewrap)) == 0;
      if (!bare || tried_bubblewrap || (options_.disabled_layers & kLayerBubblewrap) != 0) break;
      tried_bubblewrap = true;
      layers_ = (layers_ & ~uint32_t{kOwnNamespaceLayers}) | kLayerBubblewrap;
      continue;
    }
    failed = WithDependents(failed) & layers_ & ~uint32_t{kAlwaysLayers};
    reasons.emplace_back(status.message());
    if (failed == 0) return status;
    layers_ &= ~failed;
  }
  const uint32_t missing = options_.required_layers & ~layers_;
  if (missing != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("required sandbox layers can't be put in force: ", LayerNames(missing),
                     "; in force are ", LayerNames(layers_),
                     reasons.empty() ? "" : "; what failed: ", absl::StrJoin(reasons, "; ")));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Sandbox>> Sandbox::Create(const SandboxOptions& options) {
  std::unique_ptr<Sandbox> sandbox(new Sandbox(options));
  TPO_RETURN_IF_ERROR(sandbox->CheckOptions());
  TPO_RETURN_IF_ERROR(sandbox->FindPrograms());
  TPO_RETURN_IF_ERROR(sandbox->FindPython());
  TPO_RETURN_IF_ERROR(sandbox->FindLayers());
  const uint32_t absent =
      kAllSandboxLayers & ~sandbox->layers_ &
      ~((sandbox->layers_ & kLayerBubblewrap) != 0 ? uint32_t{kOwnNamespaceLayers}
                                                   : uint32_t{kLayerBubblewrap});
  spdlog::info("sandbox of {}: in force: {}; not in force: {}", sandbox->options_.interpreter[0],
               sandbox->DescribeLayers(), absent == 0 ? "none" : LayerNames(absent));
  return sandbox;
}

uint64_t Sandbox::TaskLimit(uid_t user) const {
  // With a user table of its own, those of the helper's init, and of bubblewrap's, count too.
  if ((layers_ & kLayerUserNamespace) != 0) return options_.limits.tasks + 1;
  if ((layers_ & kLayerBubblewrap) != 0) return options_.limits.tasks + 2;
  return TasksOf(user) + options_.limits.tasks + 2;
}

std::vector<std::string> Sandbox::HelperCommand(const ExecutionRequest& request) const {
  const SandboxLimits& limits = options_.limits;
  const uid_t user = options_.first_user + next_user_++ % options_.users;
  const absl::Duration wall = request.wall > absl::ZeroDuration() ? request.wall : limits.wall;
  std::vector<std::string> command = {
      options_.helper,
      absl::StrCat("layers=", layers_),
      absl::StrCat("uid=", user),
      absl::StrCat("gid=", user),
      absl::StrCat("wall_ms=", std::max<int64_t>(1, absl::ToInt64Milliseconds(wall))),
      absl::StrCat("cpu_seconds=", absl::ToInt64Seconds(absl::Ceil(limits.cpu, absl::Seconds(1)))),
      absl::StrCat("memory_bytes=", limits.memory_bytes),
      absl::StrCat("file_bytes=", limits.file_bytes),
      absl::StrCat("disk_bytes=", limits.disk_bytes),
      absl::StrCat("tasks=", TaskLimit(geteuid() == 0 ? user : geteuid())),
      absl::StrCat("open_files=", limits.open_files),
      absl::StrCat("work_root=", options_.work_root),
      absl::StrCat("source_name=", request.source_name),
      absl::StrCat("channel=", request.channel ? 1 : 0)};
  if ((layers_ & kLayerBubblewrap) != 0) command.push_back("bubblewrap=" + options_.bubblewrap);
  for (const std::string& path : options_.readable_paths) command.push_back("read=" + path);
  for (const std::string& variable : options_.environment) command.push_back("env=" + variable);
  command.emplace_back("--");
  command.insert(command.end(), options_.interpreter.begin(), options_.interpreter.end());
  command.insert(command.end(), request.arguments.begin(), request.arguments.end());
  return command;
}

absl::StatusOr<std::unique_ptr<Execution>> Sandbox::Start(const ExecutionRequest& request) const {
  std::unique_ptr<Execution> execution(new Execution(options_.limits, request));
  if (has_files_to_remove()) execution->reaper_ = &reaper_;
  int output[2];
  int errors[2];
  int control[2];
  int channel[2] = {-1, -1};
  if (pipe2(output, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  execution->output_ = FileDescriptor(output[0]);
  const FileDescriptor output_end(output[1]);
  if (pipe2(errors, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  execution->errors_ = FileDescriptor(errors[0]);
  const FileDescriptor errors_end(errors[1]);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  execution->control_ = FileDescriptor(control[0]);
  const FileDescriptor control_end(control[1]);
  if (request.channel && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  execution->channel_ = FileDescriptor(channel[0]);
  const FileDescriptor channel_end(channel[1]);
  TPO_ASSIGN_OR_RETURN(const FileDescriptor input, MemoryFile(request.input));
  TPO_ASSIGN_OR_RETURN(const FileDescriptor source, MemoryFile(request.source));
  TPO_ASSIGN_OR_RETURN(
      execution->helper_,
      Spawn(HelperCommand(request), {input.get(), output_end.get(), errors_end.get(),
                                     channel_end.valid() ? channel_end.get() : input.get(),
                                     control_end.get(), source.get(), filter_.get()}));
  return execution;
}

}  // namespace tpo
