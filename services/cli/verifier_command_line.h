// The flags of `tpo-verifier`.
#ifndef TPO_SERVICES_CLI_VERIFIER_COMMAND_LINE_H_
#define TPO_SERVICES_CLI_VERIFIER_COMMAND_LINE_H_

#include <string>
#include <variant>

namespace tpo {

// Addresses are HOST:PORT, checked; port 0 lets the system pick one.
struct VerifierCommand {
  std::string listen;
  std::string config;          // empty: the built-in verifiers with their defaults
  std::string metrics_listen;  // empty: none
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

std::variant<VerifierCommand, VerifierExit> ParseVerifierCommandLine(int argc,
                                                                     const char* const* argv);

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_VERIFIER_COMMAND_LINE_H_
