#include "services/cli/verifier_command_line.h"

#include "services/cli/flags.h"

namespace tpo {

std::variant<VerifierCommand, VerifierExit> ParseVerifierCommandLine(int argc,
                                                                     const char* const* argv) {
  VerifierCommand command;
  CLI::App app("Judges completions for rollout workers over gRPC.", "tpo-verifier");
  app.set_version_flag("--version", VersionText("tpo-verifier"),
                       "Print version, commit and build type");
  AddAddress(&app, "--listen", PortZero::kAllowed, &command.listen,
             "Where workers connect; port 0 picks one and prints it")
      ->required();
  app.add_option("--config", command.config,
                 "File that configures the verifiers [the built-in ones]")
      ->type_name("FILE");
  AddAddress(&app, "--metrics_listen", PortZero::kAllowed, &command.metrics_listen,
             "Serve Prometheus metrics at http://HOST:PORT/metrics");
  app.add_flag("--insecure", command.insecure, "Allow unencrypted connections off loopback");
  app.parse_complete_callback(
      [&command] { RequireLoopback("--listen", command.listen, command.insecure); });
  app.footer(
      "Examples:\n"
      "  tpo-verifier --listen 127.0.0.1:50052\n"
      "  tpo-verifier --listen 0.0.0.0:50052 --insecure --metrics_listen 0.0.0.0:9090\n"
      "\n"
      "Exit status: 0 done, 2 the input was refused, 1 any other failure.\n");
  app.get_formatter()->column_width(34);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    VerifierExit exit;
    exit.status = ExplainParseError(app, error, &exit.text);
    return exit;
  }
  return command;
}

}  // namespace tpo
