// tpo-verifier: the built-in verifiers as a service, until SIGTERM or SIGINT.
#include <cstdio>
#include <variant>

#include "services/cli/verifier_command_line.h"
#include "services/verifier_server/verifier_server.h"

int main(int argc, char** argv) {
  const auto parsed = tpo::ParseVerifierCommandLine(argc, argv);
  if (const auto* exit = std::get_if<tpo::VerifierExit>(&parsed)) {
    std::fputs(exit->text.c_str(), exit->status == 0 ? stdout : stderr);
    return exit->status;
  }
  return tpo::RunVerifierServer(std::get<tpo::VerifierCommand>(parsed));
}
