#include "services/cli/front_end.h"

#include <iostream>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "policy/hugging_face/model_directory.h"
#include "services/cli/command_line.h"
#include "services/cli/dataset_command.h"
#include "services/cli/engine_process.h"
#include "services/cli/exit_status.h"
#include "services/config/config.h"
#include "services/metrics/metric_catalogue.h"
#include "services/run_directory/inspect.h"
#include "services/run_directory/report.h"

namespace tpo {
namespace {

absl::Status Run(const ValidateCommand& command) {
  if (command.reference) {
    std::cout << ConfigReference();
    return absl::OkStatus();
  }
  absl::StatusOr<AnyConfig> any = LoadAnyConfig(command.config, command.overrides);
  if (!any.ok()) return any.status();
  const v1::Config* const config = std::get_if<v1::Config>(&*any);
  if (config == nullptr) {
    if (command.resolved) {
      return absl::InvalidArgumentError(absl::StrCat(
          command.config, ": --resolved is for a run's config; this is one of tpo-verifier"));
    }
    std::cout << command.config << ": valid for tpo-verifier --config; it isn't a run's config\n";
    return absl::OkStatus();
  }
  if (config->model().has_hf()) {
    const auto model = ModelDirectory::Open(config->model().hf().path());
    if (!model.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(command.config, ": model.hf.path: ", std::string(model.status().message())));
    }
  }
  if (command.resolved) {
    std::cout << ToYaml(*config);
  } else {
    std::cout << command.config << ": valid (fingerprint " << ConfigFingerprint(*config) << ")\n";
  }
  return absl::OkStatus();
}

absl::Status Run(const InspectCommand& command) {
  const InspectOptions options = {
      .step = command.step, .max_groups = command.groups, .json = command.json};
  return InspectRun(command.run_dir, options, std::cout);
}

absl::Status Run(const ReportCommand& command) {
  if (absl::Status status = WriteReport(command.run_dir); !status.ok()) return status;
  std::cout << "wrote " << command.run_dir << "/report.html\n";
  return absl::OkStatus();
}

absl::Status Run(const DatasetCommand& command) {
  if (absl::Status status = WriteDataset(command); !status.ok()) return status;
  std::cout << "wrote " << command.count << " rows to " << command.out << "\n";
  return absl::OkStatus();
}

absl::Status Run(const MetricsCommand&) {
  std::cout << MetricsReference();
  return absl::OkStatus();
}

// Runs the command if it is one of the front-end's own; the status of what it ended with, or
// nothing.
struct OwnCommands {
  std::pair<bool, absl::Status> operator()(const ValidateCommand& command) const {
    return {true, Run(command)};
  }
  std::pair<bool, absl::Status> operator()(const InspectCommand& command) const {
    return {true, Run(command)};
  }
  std::pair<bool, absl::Status> operator()(const ReportCommand& command) const {
    return {true, Run(command)};
  }
  std::pair<bool, absl::Status> operator()(const MetricsCommand& command) const {
    return {true, Run(command)};
  }
  std::pair<bool, absl::Status> operator()(const DatasetCommand& command) const {
    return {true, Run(command)};
  }
  template <typename Other>
  std::pair<bool, absl::Status> operator()(const Other&) const {
    return {false, absl::OkStatus()};
  }
};

// Who runs the commands that aren't the front-end's own.
const char* ProgramOf(const Command& command) {
  if (std::holds_alternative<VerifierCheckCommand>(command)) return kVerifierCheckProgram;
  if (std::holds_alternative<RelayCommand>(command)) return kRelayProgram;
  return kEngineProgram;
}

int Finish(absl::Status status) {
  std::cout.flush();
  if (status.ok() && !std::cout)
    status = absl::UnavailableError("standard output could not be written");
  // Without a prefix: errors in a config begin with file and line, which editors understand.
  if (!status.ok()) std::cerr << std::string(status.message()) << "\n";
  return ExitStatusOf(status);
}

}  // namespace

int RunFrontEnd(int argc, char** argv) {
  const auto parsed = ParseCommandLine(argc, argv);
  if (const auto* exit = std::get_if<CommandLineExit>(&parsed)) return PrintExit(*exit);
  auto [done, status] = std::visit(OwnCommands(), std::get<Command>(parsed));
  if (!done) {
    status = ExecProgram(ProgramOf(std::get<Command>(parsed)), argv);
  }
  return Finish(std::move(status));
}

}  // namespace tpo
