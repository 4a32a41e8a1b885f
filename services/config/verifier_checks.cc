#include "services/config/verifier_checks.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/config/field_schema.h"

namespace tpo {
namespace {

class VerifierChecker {
 public:
  VerifierChecker(const v1::Config& config, const ConfigPlaces& places, ConfigErrors* errors)
      : config_(config), places_(places), errors_(*errors) {}

  void Check() {
    for (int i = 0; i < config_.verifiers_size(); ++i) {
      path_ = absl::StrCat("verifiers[", i, "]");
      verifier_ = &config_.verifiers(i);
      CheckAddresses();
      CheckDeadline();
      CheckWeight();
      CheckTls();
      CheckTasks();
      CheckName();
    }
    CheckThatSomethingScores();
    const v1::VerificationBackoffConfig& backoff = config_.verification().backoff();
    if (backoff.longest_seconds() < backoff.first_seconds()) {
      Refuse("verification.backoff.longest_seconds",
             absl::StrCat(NumberText(backoff.longest_seconds()), " is below first_seconds (",
                          NumberText(backoff.first_seconds()), ")"));
    }
  }

 private:
  void CheckAddresses() {
    const int given = verifier_->addresses_size();
    if (verifier_->has_address() && given > 0) {
      Refuse(path_ + ".addresses", "cannot be given together with address");
    } else if (!verifier_->has_address() && given == 0) {
      Refuse(path_, "needs address, or addresses");
    }
    std::set<std::string> seen;
    for (int k = 0; k < given; ++k) {
      if (!seen.insert(verifier_->addresses(k)).second) {
        Refuse(absl::StrCat(path_, ".addresses[", k, "]"),
               absl::StrCat("\"", verifier_->addresses(k), "\" is there twice"));
      }
    }
  }

  void CheckDeadline() {
    const double lease = config_.learner().lease_seconds();
    if (verifier_->deadline_seconds() < lease) return;
    Refuse(path_ + ".deadline_seconds",
           absl::StrCat(NumberText(verifier_->deadline_seconds()),
                        " is not below learner.lease_seconds (", NumberText(lease),
                        "): the lease would be over first"));
  }

  void CheckWeight() {
    const std::string fault = WeightFault(verifier_->weight(), verifier_->role(),
                                          config_.verification().combine(), "verification.combine");
    if (!fault.empty()) Refuse(path_ + ".weight", fault);
  }

  void CheckTls() {
    if (!verifier_->has_tls()) return;
    if (verifier_->tls().has_certificate() == verifier_->tls().has_key()) return;
    Refuse(path_ + ".tls", "certificate and key go together");
  }

  void CheckTasks() {
    for (int k = 0; k < verifier_->tasks_size(); ++k) {
      const size_t star = verifier_->tasks(k).find('*');
      if (!verifier_->tasks(k).empty() &&
          (star == std::string::npos || star + 1 == verifier_->tasks(k).size())) {
        continue;
      }
      Refuse(absl::StrCat(path_, ".tasks[", k, "]"),
             absl::StrCat("\"", verifier_->tasks(k),
                          "\" is no task: it is empty, or has a * before its end"));
    }
  }

  void CheckName() {
    std::string name = verifier_->name();
    if (name.empty()) {
      name = verifier_->addresses_size() > 0 ? verifier_->addresses(0) : verifier_->address();
    }
    const auto [first, added] = paths_.emplace(name, path_);
    if (added || name.empty()) return;
    Refuse(verifier_->has_name() ? path_ + ".name" : path_,
           absl::StrCat("\"", name, "\" is the name of ", first->second,
                        " already; give each verifier a name of its own"));
  }

  void CheckThatSomethingScores() {
    for (const v1::VerifierConfig& verifier : config_.verifiers()) {
      if (verifier.role() != v1::VERIFIER_ROLE_GATE) return;
    }
    if (config_.verifiers_size() > 0) Refuse("verifiers", "are all gates; one has to score");
  }

  void Refuse(const std::string& path, const std::string& why) {
    errors_.Add(places_.Find(path), path, why);
  }

  const v1::Config& config_;
  const ConfigPlaces& places_;
  ConfigErrors& errors_;
  const v1::VerifierConfig* verifier_ = nullptr;  // the one being checked
  std::string path_;
  std::map<std::string, std::string> paths_;  // of the verifiers so far, by name
};

}  // namespace

std::string WeightFault(double weight, v1::VerifierRole role, v1::ScoreCombination combine,
                        const std::string& combine_field) {
  if (weight == 1.0) return "";
  if (role == v1::VERIFIER_ROLE_GATE)
    return "a gate has no weight: its score only says whether it is open";
  if (combine != v1::SCORE_COMBINATION_PRODUCT) return "";
  return absl::StrCat("scores that are multiplied have no weights; leave it at 1, or use ",
                      combine_field, " weighted_sum");
}

void CheckVerifiers(const v1::Config& config, const ConfigPlaces& places, ConfigErrors* errors) {
  VerifierChecker(config, places, errors).Check();
}

}  // namespace tpo
