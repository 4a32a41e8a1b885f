// Starting the programs that run the commands which the front-end doesn't: the engine, with
// LibTorch and gRPC, and the conformance kit for verifiers and the relay, with gRPC only.
#ifndef TPO_SERVICES_CLI_ENGINE_PROCESS_H_
#define TPO_SERVICES_CLI_ENGINE_PROCESS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tpo {

inline constexpr char kEngineProgram[] = "tpo-engine";
inline constexpr char kVerifierCheckProgram[] = "tpo-verifier-check";
inline constexpr char kRelayProgram[] = "tpo-relay";

// Where `program` may be for a front-end in `program_directory`, best first: ../lib/tpo/
// (installed), then beside it (build tree).
std::vector<std::string> ProgramCandidates(const std::string& program_directory,
                                           const std::string& program);

// Replaces this process by `program` with the same arguments. Returns only when that failed.
// UNAVAILABLE: there is no such program, or it can't be executed.
absl::Status ExecProgram(const std::string& program, char** argv);

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_ENGINE_PROCESS_H_
