#include "bench/paper/bandits/method.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tpo {

std::vector<BanditMethod> MethodsOf(BanditStudy study) {
  std::vector<BanditMethod> methods = {BanditMethod::kPg, BanditMethod::kGrpo, BanditMethod::kDg,
                                       BanditMethod::kTpo};
  if (study == BanditStudy::kMulti) methods.push_back(BanditMethod::kCrossEntropy);
  if (study == BanditStudy::kNeural) methods.push_back(BanditMethod::kGroupPg);
  return methods;
}

std::string MethodName(BanditMethod method) {
  switch (method) {
    case BanditMethod::kPg:
      return "pg";
    case BanditMethod::kGrpo:
      return "grpo";
    case BanditMethod::kDg:
      return "dg";
    case BanditMethod::kTpo:
      return "tpo";
    case BanditMethod::kGroupPg:
      return "group_pg";
    case BanditMethod::kCrossEntropy:
      return "ce";
  }
  return "";
}

std::string StudyName(BanditStudy study) {
  switch (study) {
    case BanditStudy::kSingle:
      return "single";
    case BanditStudy::kMulti:
      return "multi";
    case BanditStudy::kNeural:
      return "neural";
  }
  return "";
}

absl::StatusOr<BanditMethod> ParseMethod(BanditStudy study, const std::string& name) {
  std::string names;
  for (const BanditMethod method : MethodsOf(study)) {
    if (MethodName(method) == name) return method;
    absl::StrAppend(&names, names.empty() ? "" : ", ", MethodName(method));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the ", StudyName(study), " study has no method \"", name, "\"; it has ", names));
}

}  // namespace tpo
