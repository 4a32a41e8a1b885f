#include "learner/objectives/objective.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "learner/field_checks.h"
#include "learner/objectives/dg.h"
#include "learner/objectives/group_pg.h"
#include "learner/objectives/grpo.h"
#include "learner/objectives/pg.h"
#include "learner/objectives/ppo.h"
#include "learner/objectives/tpo.h"

namespace tpo {
namespace {

absl::Status Validate(const ObjectiveSpec& spec) {
  TPO_RETURN_IF_ERROR(CheckPositive("objective eta", spec.eta));
  TPO_RETURN_IF_ERROR(CheckPositive("objective clip_epsilon", spec.clip_epsilon));
  TPO_RETURN_IF_ERROR(CheckNotNegative("objective kl_beta", spec.kl_beta));
  TPO_RETURN_IF_ERROR(CheckNotNegative("objective score_deviation_floor",
                                       spec.score_standardization.deviation_floor));
  TPO_RETURN_IF_ERROR(
      CheckNotNegative("objective score_shrinkage", spec.score_standardization.shrinkage));
  TPO_RETURN_IF_ERROR(CheckNotNegative("objective ratio_cap", spec.anchor.ratio_cap));
  TPO_RETURN_IF_ERROR(
      CheckPositive("objective effective_sample_fraction", spec.anchor.gate_fraction));
  return CheckNotNegative("objective length_exponent", spec.length_exponent);
}

GrpoOptions GrpoOptionsOf(const ObjectiveSpec& spec) {
  GrpoOptions options;
  options.clip_epsilon = spec.clip_epsilon;
  options.kl_beta = spec.kind == ObjectiveKind::kGrpoNoKl ? 0.0 : spec.kl_beta;
  options.mask_zero_variance = spec.kind == ObjectiveKind::kGrpoMasked;
  options.token_level = spec.kind == ObjectiveKind::kGrpoToken;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Objective>> MakeObjective(const ObjectiveSpec& spec) {
  TPO_RETURN_IF_ERROR(Validate(spec));
  switch (spec.kind) {
    case ObjectiveKind::kTpo:
      return std::make_unique<TpoObjective>(spec.eta, TpoAnchor::kSnapshot, false,
                                            spec.score_standardization, spec.anchor);
    case ObjectiveKind::kTpoNoAnchor:
      return std::make_unique<TpoObjective>(spec.eta, TpoAnchor::kNone, false,
                                            spec.score_standardization);
    case ObjectiveKind::kTpoToken:
      return std::make_unique<TpoObjective>(spec.eta, TpoAnchor::kSnapshot, true,
                                            spec.score_standardization, spec.anchor);
    case ObjectiveKind::kGrpo:
    case ObjectiveKind::kGrpoNoKl:
    case ObjectiveKind::kGrpoMasked:
    case ObjectiveKind::kGrpoToken:
      return std::make_unique<GrpoObjective>(GrpoOptionsOf(spec));
    case ObjectiveKind::kPpo:
      return std::make_unique<PpoObjective>(spec.clip_epsilon);
    case ObjectiveKind::kDg:
      return std::make_unique<DgObjective>(spec.eta);
    case ObjectiveKind::kPg:
      return std::make_unique<PgObjective>();
    case ObjectiveKind::kGroupPg:
      return std::make_unique<GroupPgObjective>(spec.eta, spec.score_standardization);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("objective kind ", static_cast<int>(spec.kind), " is unknown"));
}

}  // namespace tpo
