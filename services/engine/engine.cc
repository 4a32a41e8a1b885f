#include "services/engine/engine.h"

#include <cstdio>
#include <string>

#include "services/cli/exit_status.h"
#include "services/cli/log_to_stderr.h"

namespace tpo {
namespace {

// Commands that the front-end answers itself never come here.
absl::Status NotOurs() {
  return absl::InternalError("this command belongs to the front-end: run `tpo`, not the engine");
}

absl::Status RunCommand(const Command& command) {
  struct Runner {
    absl::Status operator()(const TrainCommand& train) const { return RunTrain(train); }
    absl::Status operator()(const LearnerCommand& learner) const { return RunLearner(learner); }
    absl::Status operator()(const RolloutCommand& rollout) const { return RunRollout(rollout); }
    absl::Status operator()(const EvalCommand& eval) const { return RunEval(eval); }
    absl::Status operator()(const GenerateCommand& generate) const { return RunGenerate(generate); }
    absl::Status operator()(const ExportCommand& to_export) const { return RunExport(to_export); }
    absl::Status operator()(const StatusCommand& status) const { return RunStatusCommand(status); }
    absl::Status operator()(const AdminCommand& admin) const { return RunAdmin(admin); }
    absl::Status operator()(const InspectCommand&) const { return NotOurs(); }
    absl::Status operator()(const ReportCommand&) const { return NotOurs(); }
    absl::Status operator()(const RelayCommand&) const { return NotOurs(); }
    absl::Status operator()(const VerifierCheckCommand&) const { return NotOurs(); }
    absl::Status operator()(const ValidateCommand&) const { return NotOurs(); }
    absl::Status operator()(const MetricsCommand&) const { return NotOurs(); }
    absl::Status operator()(const DatasetCommand&) const { return NotOurs(); }
  };
  return std::visit(Runner(), command);
}

// Writes what is still buffered, and says whether all that was printed has been written.
bool StandardOutputIsWritten() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

}  // namespace

int RunEngine(int argc, char** argv) {
  const std::variant<Command, CommandLineExit> parsed = ParseCommandLine(argc, argv);
  if (const CommandLineExit* exit = std::get_if<CommandLineExit>(&parsed)) return PrintExit(*exit);
  LogToStandardError("tpo");
  absl::Status status = RunCommand(std::get<Command>(parsed));
  if (!StandardOutputIsWritten() && status.ok())
    status = absl::UnavailableError("standard output could not be written");
  if (!status.ok()) {
    std::fprintf(stderr, "tpo: %s\n", std::string(status.message()).c_str());
  }
  return ExitStatusOf(status);
}

}  // namespace tpo
