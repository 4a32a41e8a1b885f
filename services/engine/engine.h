// The engine: the program with LibTorch and gRPC that `tpo` becomes for the commands that need them
// (train, learner, rollout, eval, generate, export, status, admin).
#ifndef TPO_SERVICES_ENGINE_ENGINE_H_
#define TPO_SERVICES_ENGINE_ENGINE_H_

#include "absl/status/status.h"
#include "services/cli/command_line.h"

namespace tpo {

// The whole program; returns its exit status (services/cli/exit_status.h).
int RunEngine(int argc, char** argv);

// One command each. They return when it is done; errors become the exit status.
absl::Status RunTrain(const TrainCommand& command);
absl::Status RunLearner(const LearnerCommand& command);
absl::Status RunRollout(const RolloutCommand& command);
absl::Status RunEval(const EvalCommand& command);
absl::Status RunGenerate(const GenerateCommand& command);
absl::Status RunExport(const ExportCommand& command);
absl::Status RunStatusCommand(const StatusCommand& command);
absl::Status RunAdmin(const AdminCommand& command);

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_ENGINE_H_
