#include "services/config/config.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "services/config/config_checks.h"
#include "services/config/config_defaults.h"
#include "services/config/config_errors.h"
#include "services/config/field_schema.h"
#include "services/config/message_reader.h"
#include "services/config/message_walk.h"
#include "services/config/served_verifier_checks.h"
#include "services/config/verifier_service_checks.h"
#include "services/config/yaml_override.h"
#include "services/config/yaml_tree.h"

namespace tpo {
namespace {

absl::StatusOr<v1::Config> Resolve(v1::Config config, const ConfigPlaces& places) {
  ConfigErrors errors;
  FillDefaults(places, &config, &errors);
  if (errors.empty()) CheckConfig(config, places, &errors);
  TPO_RETURN_IF_ERROR(errors.ToStatus());
  return config;
}

// One byte more than ParseYaml accepts is enough for it to refuse; a device without an end can't
// fill the memory.
constexpr size_t kMaxRead = (1 << 20) + 1;

constexpr char kVerifierService[] = "verifier_service";
constexpr char kOwnVerifier[] = "task.dataset.verifier";

// Adds an error for each value in `section`, which stands at `path`, that no file could have given.
void CheckSectionValues(const std::string& path, google::protobuf::Message* section,
                        ConfigErrors* errors) {
  WalkSections(path, section, [errors](const std::string& at, google::protobuf::Message* message) {
    for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
      const google::protobuf::FieldDescriptor& field = *message->GetDescriptor()->field(i);
      if (field.cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (const absl::Status status = CheckValues(field, *message); !status.ok())
        errors->Add("", FieldPath(at, field.name()), std::string(status.message()));
    }
  });
}

absl::StatusOr<std::string> ReadText(const std::string& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": is a directory, not a config file"));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": cannot be read: ", std::generic_category().message(errno)));
  }
  std::string text(kMaxRead, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) return absl::InvalidArgumentError(absl::StrCat(file, ": cannot be read"));
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

absl::StatusOr<YamlNode> ParseFile(const std::string& text, const std::string& file) {
  return ParseYaml(text, [&file](int line) { return absl::StrCat(file, ":", line); });
}

bool HoldsOnlyVerifierService(const YamlNode& root) {
  return root.entries.size() == 1 && root.entries.front().key == kVerifierService;
}

}  // namespace

absl::StatusOr<v1::Config> ParseConfig(const std::string& text, const std::string& file,
                                       const std::vector<std::string>& overrides) {
  TPO_ASSIGN_OR_RETURN(YamlNode root, ParseFile(text, file));
  for (const std::string& setting : overrides) {
    TPO_RETURN_IF_ERROR(ApplyOverride(setting, *v1::Config::descriptor(), &root));
  }
  v1::Config config;
  ConfigPlaces places;
  ConfigErrors errors;
  ReadMessage(root, "", &config, &places, &errors);
  TPO_RETURN_IF_ERROR(errors.ToStatus());
  return Resolve(std::move(config), places);
}

absl::StatusOr<v1::VerifierServiceConfig> ParseVerifierService(const std::string& text,
                                                               const std::string& file) {
  TPO_ASSIGN_OR_RETURN(const YamlNode root, ParseFile(text, file));
  if (!HoldsOnlyVerifierService(root)) {
    TPO_ASSIGN_OR_RETURN(v1::Config whole, ParseConfig(text, file, {}));
    return std::move(*whole.mutable_verifier_service());
  }
  v1::Config config;
  ConfigPlaces places;
  ConfigErrors errors;
  ReadMessage(root, "", &config, &places, &errors);
  TPO_RETURN_IF_ERROR(errors.ToStatus());
  v1::VerifierServiceConfig section = config.verifier_service();
  FillSectionDefaults(kVerifierService, places, &section, &errors);
  if (errors.empty()) CheckVerifierService(section, places, &errors);
  TPO_RETURN_IF_ERROR(errors.ToStatus());
  return section;
}

absl::StatusOr<v1::ServedVerifierConfig> ParseServedVerifier(const std::string& bytes) {
  v1::ServedVerifierConfig verifier;
  if (!verifier.ParseFromString(bytes))
    return absl::InvalidArgumentError(absl::StrCat(kOwnVerifier, ": isn't understood"));
  const ConfigPlaces nowhere;
  ConfigErrors errors;
  FillSectionDefaults(kOwnVerifier, nowhere, &verifier, &errors);
  CheckSectionValues(kOwnVerifier, &verifier, &errors);
  if (errors.empty()) CheckServedVerifier(verifier, kOwnVerifier, nowhere, &errors);
  TPO_RETURN_IF_ERROR(errors.ToStatus());
  return verifier;
}

absl::StatusOr<v1::VerifierServiceConfig> LoadVerifierService(const std::string& file) {
  TPO_ASSIGN_OR_RETURN(const std::string text, ReadText(file));
  return ParseVerifierService(text, file);
}

absl::StatusOr<AnyConfig> LoadAnyConfig(const std::string& file,
                                        const std::vector<std::string>& overrides) {
  // Read once: the file may be a pipe.
  TPO_ASSIGN_OR_RETURN(const std::string text, ReadText(file));
  TPO_ASSIGN_OR_RETURN(const YamlNode root, ParseFile(text, file));
  if (overrides.empty() && HoldsOnlyVerifierService(root)) return ParseVerifierService(text, file);
  return ParseConfig(text, file, overrides);
}

absl::StatusOr<v1::Config> LoadConfig(const std::string& file,
                                      const std::vector<std::string>& overrides) {
  TPO_ASSIGN_OR_RETURN(const std::string text, ReadText(file));
  return ParseConfig(text, file, overrides);
}

absl::StatusOr<v1::Config> ResolveConfig(v1::Config config) {
  ConfigPlaces nowhere;
  nowhere.Add("", "");
  return Resolve(std::move(config), nowhere);
}

}  // namespace tpo
