#include "services/verifier_server/verifier_factory.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "verifier/exact_match_verifier.h"
#include "verifier/sequence_verifier.h"

namespace tpo {
namespace {

std::unique_ptr<VerifierApi> MakeExactMatchVerifier(const v1::ExactMatchVerifierConfig& config) {
  ExactMatchOptions options;
  options.strip_whitespace = config.strip_whitespace();
  options.ignore_case = config.ignore_case();
  options.after = config.after();
  return std::make_unique<ExactMatchVerifier>(std::move(options));
}

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifier(const v1::ServedVerifierConfig& config) {
  switch (config.kind_case()) {
    case v1::ServedVerifierConfig::kSequence:
      return std::make_unique<SequenceVerifier>();
    case v1::ServedVerifierConfig::kExactMatch:
      return MakeExactMatchVerifier(config.exact_match());
    case v1::ServedVerifierConfig::kMath:
      return MakeMathVerifier(config.math());
    case v1::ServedVerifierConfig::kCode:
      return MakeCodeVerifier(config.code());
    case v1::ServedVerifierConfig::kHttp:
      return MakeHttpVerifier(config.http());
    case v1::ServedVerifierConfig::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("no kind of verifier is given");
}

absl::Status Add(const v1::ServedVerifierConfig& config, VerifierRegistry* registry) {
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<VerifierApi> verifier, MakeVerifier(config));
  return registry->Add(std::move(verifier),
                       std::vector<std::string>(config.tasks().begin(), config.tasks().end()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierRegistry>> MakeVerifiers(
    const v1::VerifierServiceConfig& section) {
  if (section.verifiers_size() == 0) return VerifierRegistry::BuiltIn();
  auto registry = std::make_unique<VerifierRegistry>();
  for (int i = 0; i < section.verifiers_size(); ++i) {
    const absl::Status status = Add(section.verifiers(i), registry.get());
    if (!status.ok()) {
      return absl::Status(status.code(), absl::StrCat("verifier_service.verifiers[", i,
                                                      "]: ", std::string(status.message())));
    }
  }
  return registry;
}

int DefaultConcurrentGroups(const v1::VerifierServiceConfig& section) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  int groups = cores;
  int running_programs = 0;
  for (const v1::ServedVerifierConfig& verifier : section.verifiers()) {
    if (verifier.has_http()) groups = std::max(groups, verifier.http().max_connections());
    if (verifier.has_code()) {
      const int executions = verifier.code().concurrent_executions();
      running_programs += executions > 0 ? executions : cores;
    }
  }
  return groups + running_programs;
}

}  // namespace tpo
