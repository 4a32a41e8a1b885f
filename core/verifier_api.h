// A verifier: scores the completions of one prompt. The one interface that custom verifiers
// implement.
//
// Implementations: verifier/ (built in), services/grpc/grpc_verifier_client.h (any service that
// speaks proto/tpo/v1/verifier.proto). Thread-safe: many groups are verified at a time.
#ifndef TPO_CORE_VERIFIER_API_H_
#define TPO_CORE_VERIFIER_API_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/types.h"

namespace tpo {

// A group to score.
struct VerifyRequest {
  Prompt prompt;
  std::vector<Completion> completions;  // [K], K >= 1
  bool want_token_rewards = false;
  WeightVersion weight_version = 0;
  std::string idempotency_key;
};

struct VerifierDescription {
  std::string verifier;
  std::string version;
  std::vector<std::string> tasks;  // names; a trailing '*' matches any rest
  bool token_rewards = false;
};

class VerifierApi {
 public:
  virtual ~VerifierApi() = default;

  // Scores all completions: one verdict each, in order. A failure that concerns one completion is
  // its verdict; an error status concerns the whole group: INVALID_ARGUMENT for a request that can
  // never be served.
  virtual absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) = 0;

  // Scores several groups: one result per request, in order. A verifier behind a channel has
  // several of them in flight; the default asks one after the other.
  virtual std::vector<absl::StatusOr<std::vector<Verdict>>> VerifyAll(
      const std::vector<VerifyRequest>& requests) {
    std::vector<absl::StatusOr<std::vector<Verdict>>> results;
    results.reserve(requests.size());
    for (const VerifyRequest& request : requests) results.push_back(Verify(request));
    return results;
  }

  virtual absl::StatusOr<VerifierDescription> Describe() = 0;

  // Ends calls in progress, and those to come, with CANCELLED, where they may take long.
  // Idempotent.
  virtual void Close() {}
};

// Makes verdicts safe to use: a wrong count, an unspecified kind, a non-finite score or component,
// or token rewards of a wrong length (only looked at when asked for) turn the verdict, or for a
// wrong count all of them, into kFailed with a reason. Returns exactly one verdict per completion
// of `request`.
std::vector<Verdict> SanitizeVerdicts(const VerifyRequest& request, std::vector<Verdict> verdicts);

}  // namespace tpo

#endif  // TPO_CORE_VERIFIER_API_H_
