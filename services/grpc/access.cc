#include "services/grpc/access.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tpo {
namespace {

// A set of roles, a bit for each.
template <typename... Roles>
constexpr unsigned SetOf(Roles... roles) {
  return ((1U << static_cast<unsigned>(roles)) | ...);
}

constexpr PeerRole kRoles[] = {PeerRole::kLearner, PeerRole::kWorker, PeerRole::kVerifier,
                               PeerRole::kRelay, PeerRole::kOperator};
constexpr unsigned kLearners = SetOf(PeerRole::kLearner);
constexpr unsigned kWorkers = SetOf(PeerRole::kWorker);
constexpr unsigned kRelays = SetOf(PeerRole::kRelay);
constexpr unsigned kOperators = SetOf(PeerRole::kOperator);
// Whoever has a certificate of the server's authority, with whatever role or none.
constexpr unsigned kAnybody = ~0U;

struct Rule {
  std::string_view path;
  unsigned callers;
};

// One line for each call that is served (tests/services/grpc/grpc_access_test.cc compares).
constexpr Rule kRules[] = {
    {"/tpo.v1.LearnerService/Register", kWorkers},
    {"/tpo.v1.LearnerService/Deregister", kWorkers},
    {"/tpo.v1.LearnerService/LeasePrompts", kWorkers},
    {"/tpo.v1.LearnerService/SubmitGroups", kWorkers},
    {"/tpo.v1.LearnerService/WatchWeights", kWorkers | kRelays},
    {"/tpo.v1.LearnerService/GetStatus", kOperators},
    {"/tpo.v1.AdminService/Checkpoint", kOperators},
    {"/tpo.v1.AdminService/Drain", kOperators},
    {"/tpo.v1.VerifierService/Verify", kLearners | kWorkers | kOperators},
    {"/tpo.v1.VerifierService/Describe", kLearners | kWorkers | kOperators},
    // It tells nothing that matters, and without it a client would only learn that nobody is there.
    {"/grpc.health.v1.Health/Check", kAnybody},
    {"/grpc.health.v1.Health/Watch", kAnybody},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kOperators},
};

const Rule* FindRule(std::string_view path) {
  const auto* const rule = std::find_if(std::begin(kRules), std::end(kRules),
                                        [&](const Rule& known) { return known.path == path; });
  return rule == std::end(kRules) ? nullptr : rule;
}

unsigned SetOfAll(const std::vector<PeerRole>& roles) {
  unsigned set = 0;
  for (const PeerRole role : roles) set |= SetOf(role);
  return set;
}

std::string Names(unsigned roles) {
  std::vector<std::string> names;
  for (const PeerRole role : kRoles) {
    if ((roles & SetOf(role)) != 0) names.push_back(RoleName(role));
  }
  return absl::StrJoin(names, " or ");
}

// Takes `prefix` off the front of `text`.
bool Consume(std::string_view* text, std::string_view prefix) {
  if (text->substr(0, prefix.size()) != prefix) return false;
  text->remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string RoleName(PeerRole role) {
  switch (role) {
    case PeerRole::kLearner:
      return "learner";
    case PeerRole::kWorker:
      return "worker";
    case PeerRole::kVerifier:
      return "verifier";
    case PeerRole::kRelay:
      return "relay";
    case PeerRole::kOperator:
      return "operator";
  }
  return "";
}

std::optional<PeerRole> RoleOfUri(std::string_view uri) {
  if (!Consume(&uri, "spiffe://")) return std::nullopt;
  const size_t slash = uri.find('/');
  if (slash == std::string_view::npos || slash == 0) return std::nullopt;
  uri.remove_prefix(slash);
  if (!Consume(&uri, "/tpo/")) return std::nullopt;
  const std::string_view name = uri.substr(0, uri.find('/'));
  for (const PeerRole role : kRoles) {
    if (name == RoleName(role)) return role;
  }
  return std::nullopt;
}

std::vector<PeerRole> RolesOfUris(const std::vector<std::string>& uris) {
  std::vector<PeerRole> roles;
  for (const std::string& uri : uris) {
    if (const std::optional<PeerRole> role = RoleOfUri(uri)) roles.push_back(*role);
  }
  return roles;
}

absl::Status CheckMayCall(const std::vector<PeerRole>& roles, std::string_view path) {
  const Rule* const rule = FindRule(path);
  if (rule == nullptr) return absl::PermissionDeniedError("nobody may call this");
  const unsigned given = SetOfAll(roles);
  if (rule->callers == kAnybody || (given & rule->callers) != 0) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(
      "the role ", Names(rule->callers), " is needed; the caller's certificate gives it ",
      given == 0 ? "none (names no role: a URI spiffe://TRUST-DOMAIN/tpo/ROLE)" : Names(given)));
}

absl::Status CheckMayBeRelay(const std::vector<PeerRole>& roles) {
  const unsigned given = SetOfAll(roles);
  if (given == 0 || (given & kRelays) != 0) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("relay: the role ", Names(kRelays),
                                                  " is needed; the caller's certificate gives it ",
                                                  Names(given)));
}

const char* MethodForMetrics(std::string_view path) {
  const Rule* const rule = FindRule(path);
  // The paths are literals, so what follows the slash ends where they end.
  return rule == nullptr ? "other" : rule->path.substr(rule->path.rfind('/') + 1).data();
}

}  // namespace tpo
