// The flags of `tpo-verifier` and of every other program that serves a verifier
// (services/verifier_sdk).
#ifndef TPO_SERVICES_CLI_VERIFIER_COMMAND_LINE_H_
#define TPO_SERVICES_CLI_VERIFIER_COMMAND_LINE_H_

#include <string>
#include <variant>

#include "services/cli/server_flags.h"
#include "services/cli/trace_flags.h"

namespace tpo {

// Whose flags these are.
struct VerifierProgram {
  std::string name = "verifier";
  std::string purpose = "Judges completions for rollout workers over gRPC.";
  // Whether there is --config.
  bool takes_config = false;
};

// tpo-verifier itself.
inline VerifierProgram TpoVerifierProgram() {
  VerifierProgram program;
  program.name = "tpo-verifier";
  program.takes_config = true;
  return program;
}

// Addresses are HOST:PORT, checked; port 0 lets the system pick one.
struct VerifierCommand {
  std::string listen;
  std::string config;          // empty: the built-in verifiers with their defaults
  std::string metrics_listen;  // empty: none
  TraceFlags traces;
  // Files in PEM. The first two come together, the third needs them; empty: none.
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_client_ca;
  int max_connection_age_seconds = kMaxConnectionAgeSeconds;
  // 0: as the verifiers need it.
  int max_concurrent_groups = 0;
  // Plaintext off loopback was asked for. Parsing refuses a `listen` that would need it.
  bool insecure = false;
};

// The program is to end at once: --help and --version (status 0), or arguments that were refused
// (status 2).
struct VerifierExit {
  int status = 0;
  std::string
      text;  // for standard output with status 0, else for standard error; ends in a newline
};

std::variant<VerifierCommand, VerifierExit> ParseVerifierCommandLine(
    int argc, const char* const* argv, const VerifierProgram& program = TpoVerifierProgram());

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_VERIFIER_COMMAND_LINE_H_
