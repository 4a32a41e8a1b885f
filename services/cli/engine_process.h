// Starting the engine: the program with LibTorch and gRPC that runs the commands which the
// front-end doesn't.
#ifndef TPO_SERVICES_CLI_ENGINE_PROCESS_H_
#define TPO_SERVICES_CLI_ENGINE_PROCESS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tpo {

// Where the engine may be for a front-end in `program_directory`, best first: ../lib/tpo/tpo-engine
// (installed), then tpo-engine beside it (build tree).
std::vector<std::string> EngineCandidates(const std::string& program_directory);

// Replaces this process by the engine with the same arguments. Returns only when that failed.
// UNAVAILABLE: there is no engine, or it can't be executed.
absl::Status ExecEngine(char** argv);

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_ENGINE_PROCESS_H_
