// One replica of a verifier as a VerifierPool sees it: attempts that run by themselves.
// Implementation: services/grpc/grpc_verifier_replica.h.
#ifndef TPO_VERIFIER_ROUTING_VERIFIER_REPLICA_H_
#define TPO_VERIFIER_ROUTING_VERIFIER_REPLICA_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/verifier_api.h"

namespace tpo {

// Thread-safe.
class VerifierReplica {
 public:
  // How an attempt ended.
  struct Answer {
    absl::Status status;
    // Whether the request got to the replica; when in doubt, yes.
    bool reached = true;
    // With OK: as they came, not checked.
    std::vector<Verdict> verdicts;
  };
  using Done = std::function<void(Answer)>;

  class Attempt {
   public:
    virtual ~Attempt() = default;

    // Sends the request; takes from it what it needs before it returns. Ends after `time_left` with
    // DEADLINE_EXCEEDED if not before. Calls `done` exactly once, from any thread, perhaps before
    // Start returns. Call once.
    virtual void Start(const VerifyRequest& request, absl::Duration time_left, Done done) = 0;

    // Makes it end soon, with CANCELLED unless it has ended. Any number of times, from any thread,
    // also before Start. Doesn't call `done` itself.
    virtual void Cancel() = 0;
  };

  // Attempts don't outlive their replica: waits for those that somebody still holds.
  virtual ~VerifierReplica() = default;

  // For reasons and metrics, e.g. the address.
  virtual const std::string& name() const = 0;

  virtual std::shared_ptr<Attempt> NewAttempt() = 0;

  // Blocks for at most `patience`.
  virtual absl::StatusOr<VerifierDescription> Describe(absl::Duration patience) = 0;

  // Ends Describe calls in progress, and those to come, with CANCELLED.
  virtual void Close() = 0;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_VERIFIER_REPLICA_H_
