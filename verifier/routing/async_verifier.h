// A verifier that is asked without waiting for it, so that several can judge the same group at the
// same time.
#ifndef TPO_VERIFIER_ROUTING_ASYNC_VERIFIER_H_
#define TPO_VERIFIER_ROUTING_ASYNC_VERIFIER_H_

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"

namespace tpo {

// Thread-safe.
class AsyncVerifier {
 public:
  using Result = absl::StatusOr<std::vector<Verdict>>;

  virtual ~AsyncVerifier() = default;

  // As VerifierApi::Verify, but calls `done` with the result: exactly once, from any thread,
  // perhaps before it returns. `done` must not block. `request` must live until then.
  virtual void VerifyAsync(const VerifyRequest& request, std::function<void(Result)> done) = 0;

  virtual absl::StatusOr<VerifierDescription> Describe() = 0;
  virtual void Close() = 0;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_ASYNC_VERIFIER_H_
