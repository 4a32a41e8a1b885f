#include "services/cli/flags.h"

#include "absl/status/status.h"
#include "core/version.h"
#include "services/cli/exit_status.h"

namespace tpo {

CLI::Option* AddAddress(CLI::App* app, const std::string& flag, PortZero port_zero,
                        std::string* address, const std::string& help) {
  const auto check = [port_zero](const std::string& text) {
    return std::string(CheckAddress(text, port_zero).message());
  };
  return app->add_option(flag, *address, help)
      ->type_name("HOST:PORT")
      ->check(CLI::Validator(check, ""));
}

CLI::Option* AddTraceEndpoint(CLI::App* app, TraceFlags* flags) {
  CLI::Option* const endpoint =
      AddAddress(app, "--trace_endpoint", PortZero::kRefused, &flags->endpoint,
                 "Send traces to the OpenTelemetry collector at HOST:PORT, by OTLP over "
                 "gRPC");
  app->add_option("--trace_ca", flags->ca,
                  "Encrypt, and trust collectors with a certificate of these authorities (PEM)")
      ->type_name("FILE")
      ->needs(endpoint);
  app->add_flag("--trace_insecure", flags->insecure,
                "Allow an unencrypted connection off loopback to the collector")
      ->needs(endpoint);
  return endpoint;
}

void RequireSafeTraces(const TraceFlags& flags, bool all_insecure) {
  if (all_insecure || flags.insecure || !flags.ca.empty() || flags.endpoint.empty() ||
      IsLoopback(flags.endpoint))
    return;
  throw CLI::ValidationError(
      "--trace_endpoint",
      flags.endpoint +
          " is not on loopback, and the connection is not encrypted; if the network is trusted, "
          "say so with --trace_insecure");
}

CLI::Option* AddWholeNumber(CLI::App* app, const std::string& flag, int least, int most, int* value,
                            const std::string& help) {
  // An empty description: the range would clutter the help, and stands in the error.
  return app->add_option(flag, *value, help)
      ->type_name("N")
      ->check(CLI::Range(least, most).description(""))
      ->capture_default_str();
}

CLI::Option* AddConnectionAge(CLI::App* app, int* seconds) {
  return AddWholeNumber(app, "--max_connection_age", 1, 24 * 3600, seconds,
                        "Seconds after which a client is asked to connect anew, with the "
                        "certificates of that time; its calls aren't touched");
}

void RequireLoopback(const std::string& flag, const std::string& address, bool insecure) {
  if (insecure || address.empty() || IsLoopback(address)) return;
  throw CLI::ValidationError(
      flag, address +
                " is not on loopback, and the connection is not encrypted; if the network is "
                "trusted, say so with --insecure");
}

std::string VersionText(const std::string& program) {
  return program + " " + std::string(Version()) + " (commit " + std::string(Commit()) + ", " +
         std::string(BuildType()) + ", " + std::string(Compiler()) + ")";
}

int ExplainParseError(const CLI::App& app, const CLI::ParseError& error, std::string* text) {
  if (dynamic_cast<const CLI::CallForHelp*>(&error) != nullptr) {
    *text = app.help();
    return kExitDone;
  }
  if (dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr) {
    *text = std::string(error.what()) + "\n";
    return kExitDone;
  }
  std::string program = app.get_name();
  for (const CLI::App* level = &app; !level->get_subcommands().empty();) {
    level = level->get_subcommands().front();
    program += " " + level->get_name();
  }
  *text = program + ": " + error.what() + "\nTry " + program + " --help.\n";
  return kExitRefused;
}

}  // namespace tpo
