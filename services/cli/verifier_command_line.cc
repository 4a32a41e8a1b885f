#include "services/cli/verifier_command_line.h"

#include "services/cli/flags.h"

namespace tpo {
namespace {

constexpr int kMostGroups = 65536;

void AddTls(CLI::App* app, VerifierCommand* command) {
  CLI::Option* certificate =
      app->add_option("--tls_certificate", command->tls_certificate,
                      "Encrypt, with this certificate and those between it and its authority (PEM)")
          ->type_name("FILE");
  CLI::Option* key =
      app->add_option("--tls_key", command->tls_key, "Private key of the certificate (PEM)")
          ->type_name("FILE");
  certificate->needs(key);
  key->needs(certificate);
  app->add_option("--tls_client_ca", command->tls_client_ca,
                  "Refuse clients without a certificate of these authorities (PEM)")
      ->type_name("FILE")
      ->needs(certificate);
}

void AddFlags(CLI::App* app, const VerifierProgram& program, VerifierCommand* command) {
  AddAddress(app, "--listen", PortZero::kAllowed, &command->listen,
             "Where workers connect; port 0 picks one and prints it")
      ->required();
  if (program.takes_config) {
    app->add_option("--config", command->config,
                    "File with a section verifier_service: the verifiers [the built-in ones]")
        ->type_name("FILE");
  }
  AddAddress(app, "--metrics_listen", PortZero::kAllowed, &command->metrics_listen,
             "Serve Prometheus metrics at http://HOST:PORT/metrics");
  AddTraceEndpoint(app, &command->traces);
  AddTls(app, command);
  AddConnectionAge(app, &command->max_connection_age_seconds);
  app->add_option(
         "--max_concurrent_groups", command->max_concurrent_groups,
         program.takes_config
             ? "Groups judged at the same time [one per core, and more where verifiers wait "
               "for HTTP servers or for programs]"
             : "Groups judged at the same time [one per core]")
      ->type_name("N")
      ->check(CLI::Range(1, kMostGroups).description(""));
  app->add_flag("--insecure", command->insecure, "Allow unencrypted connections off loopback");
}

std::string Footer(const std::string& name) {
  return "Examples:\n  " + name + " --listen 127.0.0.1:50052\n  " + name +
         " --listen 0.0.0.0:50052 --tls_certificate server.pem --tls_key server.key\n  " + name +
         " --listen 0.0.0.0:50052 --insecure --metrics_listen 0.0.0.0:9090\n"
         "\n"
         "Exit status: 0 done, 2 the input was refused, 1 any other failure.\n";
}

}  // namespace

std::variant<VerifierCommand, VerifierExit> ParseVerifierCommandLine(
    int argc, const char* const* argv, const VerifierProgram& program) {
  VerifierCommand command;
  CLI::App app(program.purpose, program.name);
  app.set_version_flag("--version", VersionText(program.name),
                       "Print version, commit and build type");
  AddFlags(&app, program, &command);
  app.parse_complete_callback([&command] {
    RequireLoopback("--listen", command.listen,
                    command.insecure || !command.tls_certificate.empty());
    RequireSafeTraces(command.traces, command.insecure);
  });
  app.footer(Footer(program.name));
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
