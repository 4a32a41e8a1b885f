// What the command lines of `tpo` and `tpo-verifier` share. Include in sources only: CLI11 is
// large.
#ifndef TPO_SERVICES_CLI_FLAGS_H_
#define TPO_SERVICES_CLI_FLAGS_H_

#include <string>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Error.hpp"
#include "CLI/Formatter.hpp"
#include "CLI/Validators.hpp"
#include "services/cli/trace_flags.h"
#include "services/config/address.h"

namespace tpo {

// A flag whose value must be HOST:PORT.
CLI::Option* AddAddress(CLI::App* app, const std::string& flag, PortZero port_zero,
                        std::string* address, const std::string& help);

// --trace_endpoint, which is returned, --trace_ca and --trace_insecure.
CLI::Option* AddTraceEndpoint(CLI::App* app, TraceFlags* flags);

// Refuses an endpoint that would need plaintext off loopback, unless that is allowed by
// --trace_insecure or, for all connections, by --insecure.
void RequireSafeTraces(const TraceFlags& flags, bool all_insecure);

// A flag whose value must be from `least` to `most`; shows the present value as its default.
CLI::Option* AddWholeNumber(CLI::App* app, const std::string& flag, int least, int most, int* value,
                            const std::string& help);

// --max_connection_age of a program that serves.
CLI::Option* AddConnectionAge(CLI::App* app, int* seconds);

// Refuses `address` as the value of `flag` when it is off loopback, unless `insecure`.
void RequireLoopback(const std::string& flag, const std::string& address, bool insecure);

// "PROGRAM 0.1.0 (commit …, Release, GNU 12.2.0)".
std::string VersionText(const std::string& program);

// How the program ends after CLI11 threw `error`: sets `text`, returns the exit status.
int ExplainParseError(const CLI::App& app, const CLI::ParseError& error, std::string* text);

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_FLAGS_H_
