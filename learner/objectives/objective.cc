#include "learner/objectives/objective.h"

#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "learner/objectives/dg.h"
#include "learner/objectives/group_pg.h"
#include "learner/objectives/grpo.h"
#include "learner/objectives/pg.h"
#include "learner/objectives/ppo.h"
#include "learner/objectives/tpo.h"

namespace tpo {
namespace {

absl::Status CheckPositive(const char* field, double value) {
  if (value > 0.0 && std::isfinite(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("objective ", field, " must be a finite number above 0, not ", value));
}

absl::Status Validate(const ObjectiveSpec& spec) {
  TPO_RETURN_IF_ERROR(CheckPositive("eta", spec.eta));
  TPO_RETURN_IF_ERROR(CheckPositive("clip_epsilon", spec.clip_epsilon));
  if (spec.kl_beta >= 0.0 && std::isfinite(spec.kl_beta)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("objective kl_beta must be a finite number of at least 0, not ", spec.kl_beta));
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
      return std::make_unique<TpoObjective>(spec.eta, TpoAnchor::kSnapshot, false);
    case ObjectiveKind::kTpoNoAnchor:
      return std::make_unique<TpoObjective>(spec.eta, TpoAnchor::kNone, false);
    case ObjectiveKind::kTpoToken:
      return std::make_unique<TpoObjective>(spec.eta, TpoAnchor::kSnapshot, true);
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
      return std::make_unique<GroupPgObjective>(spec.eta);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("objective kind ", static_cast<int>(spec.kind), " is unknown"));
}

}  // namespace tpo
