#include "services/verifier_check/check_command.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/cli/exit_status.h"
#include "services/verifier_check/check_channel.h"
#include "services/verifier_check/verifier_check.h"

namespace tpo {
namespace {

constexpr absl::Duration kLongestConnect = absl::Seconds(10);

void PrintList() {
  for (const VerifierCheckInfo& check : VerifierChecks()) {
    std::string name = check.name;
    name.resize(std::max<size_t>(22, name.size() + 1), ' ');
    std::cout << name << check.demands << "\n";
  }
}

absl::StatusOr<std::string> ReadExample(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || text.empty())
    return absl::NotFoundError(absl::StrCat("--example: cannot read ", path));
  return text;
}

absl::StatusOr<VerifierCheckReport> Check(const VerifierCheckCommand& command) {
  VerifierCheckOptions options;
  options.task = command.task;
  options.only = command.only;
  options.timeout = absl::Seconds(command.timeout_seconds);
  TPO_ASSIGN_OR_RETURN(options.example_json, ReadExample(command.example));
  TPO_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                       ConnectForChecks({.address = command.address,
                                         .tls_ca = command.tls_ca,
                                         .tls_certificate = command.tls_certificate,
                                         .tls_key = command.tls_key},
                                        std::min(options.timeout, kLongestConnect)));
  return CheckVerifier(channel, options);
}

// All that is no report is a refusal here: arguments, files, nobody there.
int Run(const VerifierCheckCommand& command) {
  if (command.list) {
    PrintList();
    return kExitDone;
  }
  const absl::StatusOr<VerifierCheckReport> report = Check(command);
  if (!report.ok()) {
    std::cerr << "tpo verifier-check: " << std::string(report.status().message()) << "\n";
    return kExitRefused;
  }
  std::cout << (command.json ? ToJson(*report, command.address) : ToText(*report, command.address));
  return report->Count(CheckState::kFailed) == 0 ? kExitDone : kExitFailed;
}

}  // namespace

int RunVerifierCheckProgram(int argc, char** argv) {
  const auto parsed = ParseCommandLine(argc, argv);
  if (const auto* exit = std::get_if<CommandLineExit>(&parsed)) return PrintExit(*exit);
  const auto* command = std::get_if<VerifierCheckCommand>(&std::get<Command>(parsed));
  if (command == nullptr) {
    std::cerr << "tpo-verifier-check: only for `tpo verifier-check`; run `tpo`\n";
    return kExitRefused;
  }
  const int status = Run(*command);
  std::cout.flush();
  return std::cout ? status : kExitFailed;
}

}  // namespace tpo
