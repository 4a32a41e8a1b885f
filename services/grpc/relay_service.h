// Hands a learner's weights on: LearnerService of proto/tpo/v1/learner.proto, of which only
// WatchWeights is served, to workers and to further relays. What is handed on is whatever was
// published last; the streams are the learner's own (services/grpc/weight_streams.h): a slow
// subscriber skips versions.
//
// All weights that it holds are of one life of the learner. Workers that are registered with
// another one, and everybody before the first weights are there, get UNAVAILABLE and ask again.
// When the weights of another life are published, the streams of the former one end with
// UNAVAILABLE, and the publications after that free what it held.
#ifndef TPO_SERVICES_GRPC_RELAY_SERVICE_H_
#define TPO_SERVICES_GRPC_RELAY_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "core/trace.h"
#include "services/grpc/observer.h"
#include "services/grpc/rpc_service.h"
#include "services/grpc/weight_watcher.h"

namespace tpo {

struct RelayServiceOptions {
  // The bytes of one message.
  uint64_t weight_frame_bytes = 1 << 20;
  // May be nullptr; else outlives the service.
  RpcObserver* observer = nullptr;
  // LearnerServiceOptions::spans.
  SpanSink* spans = nullptr;
};

// Thread-safe.
class RelayService : public RpcService {
 public:
  static std::unique_ptr<RelayService> Make(const RelayServiceOptions& options);

  // Hands these weights on from now on. FAILED_PRECONDITION: of the same life of the learner newer
  // ones were published before, or its run is over.
  virtual absl::Status Publish(const PublishedWeights& weights) = 0;

  // The learner's run is over: streams end with OK, and so do those that are opened, until weights
  // of another life are published.
  virtual void EndRun() = 0;

  // Open streams.
  virtual size_t subscribers() const = 0;
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_RELAY_SERVICE_H_
