#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/status_macros.h"
#include "services/config/field_schema.h"
#include "services/verifier_server/verifier_factory.h"
#include "verifier/sandbox/code_verifier.h"

namespace tpo {
namespace {

using Texts = google::protobuf::RepeatedPtrField<std::string>;

// An empty list in the config leaves the default.
void Replace(const Texts& given, std::vector<std::string>* texts) {
  if (!given.empty()) texts->assign(given.begin(), given.end());
}

// The names in the config are those of the layers.
absl::StatusOr<uint32_t> RequiredLayers(const v1::CodeVerifierConfig& config) {
  uint32_t layers = kAlwaysLayers;
  for (int i = 0; i < config.required_layers_size(); ++i) {
    const std::string name =
        YamlName(*v1::SandboxLayer_descriptor()->FindValueByNumber(config.required_layers(i)));
    TPO_ASSIGN_OR_RETURN(const SandboxLayer layer, ParseSandboxLayer(name));
    layers |= layer;
  }
  return layers;
}

SandboxLimits LimitsOf(const v1::CodeVerifierConfig& config) {
  SandboxLimits limits;
  limits.wall = absl::Seconds(config.wall_seconds());
  limits.cpu = absl::Seconds(config.cpu_seconds());
  limits.memory_bytes = static_cast<uint64_t>(config.memory_mib()) << 20;
  limits.output_bytes = static_cast<uint64_t>(config.output_kib()) << 10;
  limits.disk_bytes = static_cast<uint64_t>(config.disk_mib()) << 20;
  limits.tasks = static_cast<uint64_t>(config.tasks_at_a_time());
  limits.child_processes = config.child_processes();
  return limits;
}

absl::StatusOr<SandboxOptions> SandboxOf(const v1::CodeVerifierConfig& config) {
  SandboxOptions options;
  options.limits = LimitsOf(config);
  options.helper = config.helper();
  Replace(config.interpreter(), &options.interpreter);
  Replace(config.readable_paths(), &options.readable_paths);
  Replace(config.environment(), &options.environment);
  if (config.required_layers_size() > 0) {
    TPO_ASSIGN_OR_RETURN(options.required_layers, RequiredLayers(config));
  }
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeCodeVerifier(
    const v1::CodeVerifierConfig& config) {
  CodeVerifierOptions options;
  TPO_ASSIGN_OR_RETURN(options.sandbox, SandboxOf(config));
  options.scoring = config.scoring() == v1::CODE_SCORING_SHARE_OF_TESTS ? CodeScoring::kShareOfTests
                                                                        : CodeScoring::kAllTests;
  options.extraction = config.extraction() == v1::CODE_EXTRACTION_WHOLE_TEXT
                           ? CodeExtraction::kWholeText
                           : CodeExtraction::kLastFence;
  Replace(config.languages(), &options.languages);
  options.concurrent_executions = static_cast<uint32_t>(config.concurrent_executions());
  options.queue_limit = static_cast<uint32_t>(config.max_waiting_completions());
  return CodeVerifier::Create(options);
}

}  // namespace tpo
