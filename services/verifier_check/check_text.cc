#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/verifier_check/check.h"

namespace tpo {
namespace {

constexpr int kMostShown = 6;
constexpr size_t kMostBytes = 240;
constexpr double kTolerance = 1e-4;

std::string Cut(const std::string& text) {
  return text.size() <= kMostBytes ? text : text.substr(0, kMostBytes) + "…";
}

std::string KindName(const v1::Verdict& verdict) {
  const std::string& name = v1::VerdictKind_Name(verdict.kind());
  constexpr size_t kPrefix = sizeof("VERDICT_KIND_") - 1;
  return name.empty() ? absl::StrCat("kind ", static_cast<int>(verdict.kind()))
                      : name.substr(kPrefix);
}

bool SameNumber(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= kTolerance * std::max(1.0, std::abs(a));
}

}  // namespace

std::string CodeName(grpc::StatusCode code) {
  const auto name = absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
  return name.empty() ? absl::StrCat("status ", static_cast<int>(code)) : name;
}

std::string Show(const grpc::Status& status) {
  if (status.ok()) return "OK";
  if (status.error_message().empty()) return CodeName(status.error_code());
  return absl::StrCat(CodeName(status.error_code()), ": ", Cut(status.error_message()));
}

std::string Show(const v1::Verdict& verdict) {
  std::string text = KindName(verdict);
  if (verdict.kind() == v1::VERDICT_KIND_SCORED) absl::StrAppend(&text, " ", verdict.score());
  if (!verdict.reason().empty()) absl::StrAppend(&text, " (", Cut(verdict.reason()), ")");
  return text;
}

std::string Show(const VerifyAnswer& answer) {
  if (!answer.ok()) return Show(answer.status);
  const int count = answer.response.verdicts_size();
  std::vector<std::string> shown;
  for (int i = 0; i < std::min(count, kMostShown); ++i)
    shown.push_back(Show(answer.response.verdicts(i)));
  if (count > kMostShown) shown.push_back("…");
  return absl::StrCat(count, count == 1 ? " verdict" : " verdicts", count == 0 ? "" : ": ",
                      absl::StrJoin(shown, ", "));
}

bool SameVerdict(const v1::Verdict& a, const v1::Verdict& b) {
  return a.kind() == b.kind() &&
         (a.kind() != v1::VERDICT_KIND_SCORED || SameNumber(a.score(), b.score()));
}

bool IsComplete(const v1::VerifyRequest& request, const VerifyAnswer& answer) {
  return answer.ok() && answer.response.verdicts_size() == request.completions_size();
}

}  // namespace tpo
