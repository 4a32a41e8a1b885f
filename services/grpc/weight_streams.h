// All open WatchWeights calls of a learner. For learner_service.cc; needs gRPC.
//
// Each stream sends a version whole, then whatever is the newest by then: a slow subscriber skips
// versions and costs nothing but its own place. Streams end with OK when the store closes.
#ifndef TPO_SERVICES_GRPC_WEIGHT_STREAMS_H_
#define TPO_SERVICES_GRPC_WEIGHT_STREAMS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/weight_store.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "services/grpc/handler.h"
#include "services/grpc/learner_service.h"
#include "tpo/v1/learner.pb.h"

namespace tpo {

class WeightStream;

// Thread-safe. Outlives its streams: destroyed after the server.
class WeightStreams {
 public:
  using OnWorkerStream = std::function<void(const std::string& worker_id, WorkerStream)>;

  // `check_worker` says whether there is a worker of this id; a stream for another ends with its
  // error. `on_stream`: LearnerServiceOptions::on_worker_stream.
  WeightStreams(WeightStore* weights, uint64_t frame_bytes, CallBook* calls,
                std::function<absl::Status(const std::string&)> check_worker,
                OnWorkerStream on_stream);

  // The reactor of a new call, which owns itself. `request` is a WatchWeightsRequest.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Open(const grpc::ByteBuffer& request);

  // Ends all streams, and those opened from now on, with UNAVAILABLE.
  void Close();

 private:
  friend class WeightStream;
  absl::StatusOr<v1::WatchWeightsRequest> CheckRequest(const grpc::ByteBuffer& bytes) const;
  void Remove(WeightStream* stream);
  // Counts the streams of a worker; false: it has too many.
  bool Enter(const std::string& worker_id);
  void Leave(const std::string& worker_id);
  void Tell(const std::string& worker_id, WorkerStream what) const {
    if (on_stream_) on_stream_(worker_id, what);
  }

  WeightStore* const weights_;
  const uint64_t frame_bytes_;
  CallBook* const calls_;
  const std::function<absl::Status(const std::string&)> check_worker_;
  const OnWorkerStream on_stream_;
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<WeightStream*> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> count_by_worker_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_WEIGHT_STREAMS_H_
