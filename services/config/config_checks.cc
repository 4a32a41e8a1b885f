#include "services/config/config_checks.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "services/config/field_schema.h"
#include "services/config/served_verifier_checks.h"
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

  void CheckTask() {
    const bool dataset = config_.task().has_dataset();
    if (dataset != config_.model().has_hf()) {
      Refuse(dataset ? "model" : "model.hf",
             dataset ? "task.dataset needs a language model; give model.hf"
                     : "a language model needs prompts of text; use task.dataset");
    }
    if (dataset) CheckDataset();
    if (!dataset && config_.evaluation().every_steps() > 0)
      Refuse("evaluation.every_steps", "is for task.dataset; `tpo eval` evaluates a checkpoint");
    if (!dataset && config_.learner().reference_kl() > 0)
      Refuse("learner.reference_kl",
             "is for task.dataset; other models begin with nothing to keep");
    if (!dataset && config_.rollout().stop_size() > 0)
      Refuse("rollout.stop", "is for task.dataset");
    for (int i = 0; i < config_.rollout().stop_size(); ++i) {
      if (config_.rollout().stop(i).empty())
        Refuse(absl::StrCat("rollout.stop[", i, "]"), "is empty and would end every completion");
    }
  }

  void CheckModel() {
    // A language model's directory is checked when it is opened.
    if (!config_.model().has_transformer() || !config_.task().has_sequence()) return;
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
    if (IsTokenLevel(objective_) && config_.task().has_sequence() &&
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
  void CheckDataset() {
    const v1::DatasetTaskConfig& task = config_.task().dataset();
    if (!IsGrouped(objective_)) {
      Refuse("learner.objective",
             absl::StrCat(objective_name_,
                          " needs a reward for each token, which verifiers of text "
                          "don't give; use tpo, grpo or group_pg"));
    }
    if (task.has_system_prompt() && !task.chat())
      Refuse("task.dataset.system_prompt", "needs chat: true");
    if (task.has_template_variables() && !task.chat())
      Refuse("task.dataset.template_variables", "needs chat: true");
    if (absl::CivilDay date; !absl::ParseCivilTime(task.date(), &date))
      Refuse("task.dataset.date", "isn't a date such as 2024-07-26");
    if (task.has_verifier() && task.verifier().tasks_size() > 0)
      Refuse("task.dataset.verifier.tasks", "has no place here: it judges every prompt");
    if (task.has_verifier())
      CheckServedVerifier(task.verifier(), "task.dataset.verifier", places_, &errors_);
    if (task.has_verifier() && config_.verifiers_size() > 0)
      Refuse("task.dataset.verifier", "excludes verifiers, which are there, too");
    const v1::EvaluationConfig& evaluation = config_.evaluation();
    if (evaluation.every_steps() > 0 && !evaluation.has_path() && task.held_out_prompts() == 0) {
      Refuse("evaluation.every_steps",
             "there is nothing to evaluate on: give evaluation.path or "
             "task.dataset.held_out_prompts");
    }
  }

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
  checker.CheckTask();
  checker.CheckModel();
  checker.CheckGroups();
  checker.CheckObjective();
  checker.CheckOffPolicy();
  CheckVerifiers(config, places, errors);
  CheckVerifierService(config.verifier_service(), places, errors);
}

}  // namespace tpo
