// Who may call what: the roles that a certificate gives its holder, and the calls that each role
// may make.
//
// A certificate names its holder's role in a URI among its subject's alternative names:
//
//   spiffe://TRUST-DOMAIN/tpo/ROLE        or   spiffe://TRUST-DOMAIN/tpo/ROLE/WHATEVER
//
// where ROLE is learner, worker, verifier, relay or operator. The trust domain isn't looked at:
// whom to believe is decided by the authorities that a server is given. What isn't in the table of
// access.cc is allowed to nobody. The table is enforced before a request's body is read
// (server.cc).
//
// Thread-safe: pure functions.
#ifndef TPO_SERVICES_GRPC_ACCESS_H_
#define TPO_SERVICES_GRPC_ACCESS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace tpo {

enum class PeerRole {
  kLearner,   // serves prompts and weights; asks verifiers to evaluate
  kWorker,    // rolls out: leases, asks verifiers, submits
  kVerifier,  // serves verdicts
  kRelay,     // hands the learner's weights on to workers
  kOperator,  // a person or a tool: status, checkpoints, draining, checks of a verifier
};

// "learner", "worker", "verifier", "relay", "operator".
std::string RoleName(PeerRole role);

// The role that a URI of a certificate gives; none when it isn't of the form above.
std::optional<PeerRole> RoleOfUri(std::string_view uri);

// What all URIs of a certificate give.
std::vector<PeerRole> RolesOfUris(const std::vector<std::string>& uris);

// Whether the holder of `roles` may call `path`, "/package.Service/Method". PERMISSION_DENIED says
// which role would do.
absl::Status CheckMayCall(const std::vector<PeerRole>& roles, std::string_view path);

// Whether the holder of `roles` may take weights as a relay, to which the limits of a worker don't
// apply (relay of WatchWeightsRequest). Whoever has no role at all may: a server that tells roles
// apart lets nobody without one call WatchWeights. PERMISSION_DENIED says what is missing.
absl::Status CheckMayBeRelay(const std::vector<PeerRole>& roles);

// The name of the method in `path` if it is one of ours, for metrics; else "other".
const char* MethodForMetrics(std::string_view path);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_ACCESS_H_
