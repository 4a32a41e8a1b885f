#include "services/config/served_verifier_checks.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "services/config/verifier_checks.h"

namespace tpo {
namespace {

// Path of the kind's section, and its name, for both messages that have kinds.
template <typename Config>
std::string KindName(const Config& verifier) {
  const auto* kind = verifier.GetReflection()->GetOneofFieldDescriptor(
      verifier, verifier.GetDescriptor()->FindOneofByName("kind"));
  return kind == nullptr ? "" : kind->name();
}

class ServedVerifierChecker {
 public:
  ServedVerifierChecker(const ConfigPlaces& places, ConfigErrors* errors)
      : places_(places), errors_(*errors) {}

  void Check(const v1::ServedVerifierConfig& verifier, const std::string& path) {
    CheckKind(verifier, path);
    if (verifier.has_composite()) CheckComposite(verifier.composite(), path + ".composite");
  }

 private:
  template <typename Config>
  void CheckKind(const Config& verifier, const std::string& path) {
    if (verifier.has_http()) CheckHttp(verifier.http(), path + ".http");
    if (verifier.has_regex()) CheckRegex(verifier.regex(), path + ".regex");
    if (verifier.has_length()) CheckLength(verifier.length(), path + ".length");
    if (verifier.has_json_schema()) CheckJsonSchema(verifier.json_schema(), path + ".json_schema");
  }

  void CheckHttp(const v1::HttpVerifierConfig& http, const std::string& path) {
    if (absl::StartsWith(http.url(), "http://") || absl::StartsWith(http.url(), "https://")) return;
    Refuse(path + ".url",
           absl::StrCat("\"", http.url(), "\" begins with neither http:// nor https://"));
  }

  void CheckRegex(const v1::RegexVerifierConfig& regex, const std::string& path) {
    if (regex.invert() && regex.compare_group() >= 0)
      Refuse(path + ".invert", "cannot be given together with compare_group");
  }

  void CheckLength(const v1::LengthVerifierConfig& length, const std::string& path) {
    if (length.has_linear() && length.linear().to() <= length.linear().from()) {
      Refuse(path + ".linear.to", absl::StrCat(length.linear().to(), " is not above from (",
                                               length.linear().from(), ")"));
    }
    const v1::SoftOverlongConfig& overlong = length.soft_overlong();
    if (length.has_soft_overlong() && overlong.cache() > overlong.max_length()) {
      Refuse(path + ".soft_overlong.cache",
             absl::StrCat(overlong.cache(), " is above max_length (", overlong.max_length(), ")"));
    }
  }

  void CheckJsonSchema(const v1::JsonSchemaVerifierConfig& config, const std::string& path) {
    const int given = static_cast<int>(config.has_schema()) +
                      static_cast<int>(config.has_schema_file()) +
                      static_cast<int>(config.has_schema_field());
    if (given != 1) Refuse(path, "needs exactly one of schema, schema_file and schema_field");
  }

  void CheckComposite(const v1::CompositeVerifierConfig& composite, const std::string& path) {
    std::map<std::string, std::string> paths;  // by name
    bool scores = false;
    for (int i = 0; i < composite.parts_size(); ++i) {
      const v1::CompositePartConfig& part = composite.parts(i);
      const std::string part_path = absl::StrCat(path, ".parts[", i, "]");
      CheckKind(part, part_path);
      // An older learner sends no weight.
      const std::string fault = WeightFault(part.has_weight() ? part.weight() : 1.0, part.role(),
                                            composite.combine(), "combine");
      if (!fault.empty()) Refuse(part_path + ".weight", fault);
      scores = scores || part.role() != v1::VERIFIER_ROLE_GATE;
      const std::string name = part.has_name() ? part.name() : KindName(part);
      const auto [first, is_new] = paths.emplace(name, part_path);
      if (!is_new) {
        Refuse(part.has_name() ? part_path + ".name" : part_path,
               absl::StrCat("\"", name, "\" is the name of ", first->second,
                            " already; give each part a name of its own"));
      }
    }
    if (!scores) Refuse(path + ".parts", "are all gates; one has to score");
  }

  void Refuse(const std::string& path, const std::string& why) {
    errors_.Add(places_.Find(path), path, why);
  }

  const ConfigPlaces& places_;
  ConfigErrors& errors_;
};

}  // namespace

void CheckServedVerifier(const v1::ServedVerifierConfig& verifier, const std::string& path,
                         const ConfigPlaces& places, ConfigErrors* errors) {
  ServedVerifierChecker(places, errors).Check(verifier, path);
}

}  // namespace tpo
