#include "services/config/verifier_service_checks.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/config/served_verifier_checks.h"

namespace tpo {
namespace {

// What is wrong with a task pattern; empty when nothing is.
std::string PatternFault(const std::string& pattern) {
  if (pattern.empty()) return "is empty; it has to name a task";
  const size_t star = pattern.find('*');
  if (star != std::string::npos && star + 1 != pattern.size())
    return absl::StrCat("\"", pattern,
                        "\" has a * before its end; only a trailing * has a meaning");
  return "";
}

class VerifierServiceChecker {
 public:
  VerifierServiceChecker(const ConfigPlaces& places, ConfigErrors* errors)
      : places_(places), errors_(*errors) {}

  void CheckVerifier(const v1::ServedVerifierConfig& verifier, const std::string& path) {
    for (int t = 0; t < verifier.tasks_size(); ++t)
      CheckTask(verifier.tasks(t), absl::StrCat(path, ".tasks[", t, "]"));
    if (verifier.has_sequence() && verifier.tasks_size() > 0)
      Refuse(path + ".tasks", "cannot be given to sequence, whose tasks are sequence/*");
    if (verifier.has_http() && verifier.tasks_size() == 0) {
      Refuse(path + ".tasks",
             "is missing; an HTTP server doesn't say what it judges. \"*\" takes every task");
    }
    CheckServedVerifier(verifier, path, places_, &errors_);
  }

 private:
  void CheckTask(const std::string& pattern, const std::string& path) {
    if (const std::string fault = PatternFault(pattern); !fault.empty()) {
      Refuse(path, fault);
    } else if (const auto [first, is_new] = patterns_.emplace(pattern, path); !is_new) {
      Refuse(path, absl::StrCat("\"", pattern, "\" is claimed by ", first->second, ", too"));
    }
  }

  void Refuse(const std::string& path, const std::string& why) {
    errors_.Add(places_.Find(path), path, why);
  }

  const ConfigPlaces& places_;
  ConfigErrors& errors_;
  std::map<std::string, std::string> patterns_;  // to the path that claimed it
};

}  // namespace

void CheckVerifierService(const v1::VerifierServiceConfig& section, const ConfigPlaces& places,
                          ConfigErrors* errors) {
  VerifierServiceChecker checker(places, errors);
  for (int i = 0; i < section.verifiers_size(); ++i) {
    checker.CheckVerifier(section.verifiers(i),
                          absl::StrCat("verifier_service.verifiers[", i, "]"));
  }
}

}  // namespace tpo
