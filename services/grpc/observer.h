// How the services report what they do to whoever counts it (services/metrics). Without gRPC, so
// that metrics don't depend on it.
//
// Thread-safe, quick, never blocks: called on the threads that serve the calls.
#ifndef TPO_SERVICES_GRPC_OBSERVER_H_
#define TPO_SERVICES_GRPC_OBSERVER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/types.h"

namespace tpo {

class RpcObserver {
 public:
  virtual ~RpcObserver() = default;
  // A call ended. `method` is its name without the service, e.g. "LeasePrompts"; the set of names
  // is fixed. For a stream, the duration is that of the stream.
  virtual void OnRpc(const char* method, absl::StatusCode code, absl::Duration duration) = 0;
  // Bytes of weights were handed to a stream.
  virtual void OnWeightBytesSent(uint64_t /*bytes*/) {}
};

// What a worker's side of the weight stream did.
class WeightObserver {
 public:
  virtual ~WeightObserver() = default;
  virtual void OnWeightBytesReceived(uint64_t bytes) = 0;
  // All bytes of a version are here and checked, `duration` after its manifest came.
  virtual void OnWeights(WeightVersion version, absl::Duration duration) = 0;
};

class VerifierObserver {
 public:
  virtual ~VerifierObserver() = default;
  // A group was scored, taking `duration` without the time it waited for its turn.
  virtual void OnVerdicts(const std::vector<Verdict>& verdicts, absl::Duration duration) = 0;
  // A group got no verdicts.
  virtual void OnVerifyFailed(absl::StatusCode code) = 0;
  // Groups that wait for their turn, and how many may; whenever it changed.
  virtual void OnQueue(size_t /*length*/, size_t /*capacity*/) {}
  // How many groups are judged at a time; once, before the first.
  virtual void OnThreads(int /*threads*/) {}
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_OBSERVER_H_
