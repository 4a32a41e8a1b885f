// A run's configuration: from a YAML file (schema: proto/tpo/v1/config.proto; reference:
// docs/config.md) to the RunSpec that learner and workers are built from.
//
//   LoadConfig(file, overrides) ──► resolved v1::Config ──ToRunSpec──► RunSpec
//                                        └──ToYaml──► config.yaml of the run directory, which loads
//                                        to the same again
//
// Resolved means: every field has a value, its own or its default, and all checks have passed. A
// config that is refused is INVALID_ARGUMENT with one error a line, "FILE:LINE: path.of.the.field:
// what is wrong", or
// "--set …: path: …" for an override.
//
// Pure functions; thread-safe.
#ifndef TPO_SERVICES_CONFIG_CONFIG_H_
#define TPO_SERVICES_CONFIG_CONFIG_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/run_spec.h"
#include "tpo/v1/config.pb.h"

namespace tpo {

// Reads, overrides, resolves and checks. `overrides` are `--set` values, "a.b.c=value" with the
// value in YAML, applied in order. A file that can't be read is INVALID_ARGUMENT too: naming it was
// the caller's input.
absl::StatusOr<v1::Config> LoadConfig(const std::string& file,
                                      const std::vector<std::string>& overrides);

// The same from text; `file` is its name in errors.
absl::StatusOr<v1::Config> ParseConfig(const std::string& text, const std::string& file,
                                       const std::vector<std::string>& overrides);

// The section `verifier_service` of a file, resolved and checked, for tpo-verifier. A file that
// holds nothing else will do; any other one is checked whole, as a run's config.
absl::StatusOr<v1::VerifierServiceConfig> LoadVerifierService(const std::string& file);
absl::StatusOr<v1::VerifierServiceConfig> ParseVerifierService(const std::string& text,
                                                               const std::string& file);

// A run's config, or of a file that holds the section `verifier_service` and nothing else that
// section; with overrides always the former.
using AnyConfig = std::variant<v1::Config, v1::VerifierServiceConfig>;
absl::StatusOr<AnyConfig> LoadAnyConfig(const std::string& file,
                                        const std::vector<std::string>& overrides);

// A verifier in its wire form, as RunSpec::own_verifier and RegisterResponse hold it, and so
// perhaps of another version: filled in and checked like one that stands at task.dataset.verifier
// of a file. Errors name paths only. A kind, name or number that this version doesn't know is
// INVALID_ARGUMENT, too.
absl::StatusOr<v1::ServedVerifierConfig> ParseServedVerifier(const std::string& bytes);

// Fills defaults into a config made in code and checks it. Errors name paths only. REQUIRES: values
// are in range (the loader checks ranges as it reads; use ParseConfig for input from elsewhere).
absl::StatusOr<v1::Config> ResolveConfig(v1::Config config);

// REQUIRES: `config` is resolved, here and below.
RunSpec ToRunSpec(const v1::Config& config);

// All fields as YAML, in the order of the schema. ParseConfig of it gives an equal message.
std::string ToYaml(const v1::Config& config);

// 16 hexadecimal digits that are equal for configs that compute the same: over all fields but those
// that may change on
// --resume (rule.proto). Belongs into a checkpoint.
std::string ConfigFingerprint(const v1::Config& config);

// Whether a run started with `saved` may go on with `now`. FAILED_PRECONDITION names each field
// that differs and must not.
absl::Status CheckMayResume(const v1::Config& saved, const v1::Config& now);

// The reference of all fields in Markdown: the text of docs/config.md.
std::string ConfigReference();

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_CONFIG_H_
