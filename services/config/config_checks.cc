#include "services/config/config_checks.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "services/config/field_schema.h"
#include "services/config/verifier_checks.h"
#include "services/config/verifier_service_checks.h"

namespace tpo {
namespace {

class ConfigChecker {
 public:
  ConfigChecker(const v1::Config& config, const ConfigPlaces& places, ConfigErrors* errors)
      : config_(config),
        objective_(config.learner().objective()),
        objective_name_(YamlName(*v1::Objective_descriptor()->FindValueByNumber(objective_))),
        places_(places),
        errors_(*errors) {}

  void CheckModel() {
    // A language model's directory is checked when it is opened.
    if (!config_.model().has_transformer()) return;
    const v1::TransformerConfig& model = config_.model().transformer();
    if (model.d_model() % model.heads() != 0) {
      Refuse("model.transformer.heads",
             absl::StrCat(model.heads(), " does not divide d_model (", model.d_model(), ")"));
    }
    const int length = config_.task().sequence().length();
    if (model.max_positions() < 2 * length) {
      Refuse("model.transformer.max_positions",
             absl::StrCat(model.max_positions(),
                          " is too few: prompt and answer of task.sequence.length ", length,
                          " need ", 2 * length));
    }
  }

  void CheckGroups() {
    const int group_size = config_.rollout().group_size();
    const bool token_level = IsTokenLevel(objective_);
    if (group_size < 2 && (token_level || IsGrouped(objective_))) {
      Refuse("rollout.group_size",
             absl::StrCat(group_size, " is too few for ", objective_name_, ": it compares the ",
                          token_level ? "candidates at a position" : "completions of a prompt",
                          " with one another, and one alone teaches nothing; use at least 2, or "
                          "ppo, dg or pg"));
      return;
    }
    CheckScoredCompletions();
  }

  void CheckObjective() {
    if (IsTokenLevel(objective_) &&
        config_.task().sequence().reward() == v1::SEQUENCE_REWARD_TERMINAL) {
      Refuse("task.sequence.reward",
             absl::StrCat("terminal gives no reward to a single token, which ", objective_name_,
                          " needs; use bag_of_tokens or sequential"));
    }
    if (objective_ == v1::OBJECTIVE_DG && config_.learner().epochs() != 1) {
      Refuse("learner.epochs",
             absl::StrCat(config_.learner().epochs(),
                          " is too many for dg: it has no ratio that corrects for a second ",
                          "pass over the same samples; use 1"));
    }
  }

  void CheckOffPolicy() {
    const v1::LearnerConfig& learner = config_.learner();
    const bool anchored = objective_ == v1::OBJECTIVE_TPO || objective_ == v1::OBJECTIVE_TPO_TOKEN;
    const char* const only_tpo = ", which has no anchor; use tpo or tpo_token";
    if (!anchored && learner.anchor() != v1::ANCHOR_BEHAVIOR) {
      Refuse("learner.anchor", absl::StrCat("does nothing with ", objective_name_, only_tpo));
    }
    if (!anchored && learner.effective_sample_gate() != v1::EFFECTIVE_SAMPLE_GATE_NONE) {
      Refuse("learner.effective_sample_gate",
             absl::StrCat("does nothing with ", objective_name_, only_tpo));
    }
    const bool any_tpo = anchored || objective_ == v1::OBJECTIVE_TPO_NO_ANCHOR;
    if (any_tpo && learner.importance_correction() != v1::IMPORTANCE_CORRECTION_NONE) {
      Refuse("learner.importance_correction",
             absl::StrCat("does nothing with ", objective_name_,
                          ", which compares the completions of a group and needs no weights; use "
                          "learner.anchor"));
    }
  }

 private:
  void CheckScoredCompletions() {
    const int completions = IsTokenLevel(objective_) ? 1 : config_.rollout().group_size();
    if (config_.learner().min_scored_completions() <= completions) return;
    Refuse("learner.min_scored_completions",
           absl::StrCat(
               config_.learner().min_scored_completions(), " is more than ",
               IsTokenLevel(objective_)
                   ? absl::StrCat("the one completion per prompt that ", objective_name_, " takes")
                   : absl::StrCat("rollout.group_size (", completions, ")"),
               "; no group would ever be trained on"));
  }

  void Refuse(const std::string& path, const std::string& why) {
    errors_.Add(places_.Find(path), path, why);
  }

  const v1::Config& config_;
  const v1::Objective objective_;
  const std::string objective_name_;
  const ConfigPlaces& places_;
  ConfigErrors& errors_;
};

}  // namespace

bool IsTokenLevel(v1::Objective objective) {
  return objective == v1::OBJECTIVE_TPO_TOKEN || objective == v1::OBJECTIVE_GRPO_TOKEN;
}

bool IsGrouped(v1::Objective objective) {
  switch (objective) {
    case v1::OBJECTIVE_TPO:
    case v1::OBJECTIVE_TPO_NO_ANCHOR:
    case v1::OBJECTIVE_GRPO:
    case v1::OBJECTIVE_GRPO_NO_KL:
    case v1::OBJECTIVE_GRPO_MASKED:
    case v1::OBJECTIVE_GROUP_PG:
      return true;
    default:
      return false;
  }
}

void CheckConfig(const v1::Config& config, const ConfigPlaces& places, ConfigErrors* errors) {
  ConfigChecker checker(config, places, errors);
  checker.CheckModel();
  checker.CheckGroups();
  checker.CheckObjective();
  checker.CheckOffPolicy();
  CheckVerifiers(config, places, errors);
  CheckVerifierService(config.verifier_service(), places, errors);
}

}  // namespace tpo
