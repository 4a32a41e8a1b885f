// All open WatchWeights calls of a learner, or of a relay for one life of its learner. For
// learner_service.cc and relay_service.cc; needs gRPC.
//
// Each stream sends a version whole, then whatever is the newest by then: a slow subscriber skips
// versions and holds up nobody. Streams end with OK when the store closes.
#ifndef TPO_SERVICES_GRPC_WEIGHT_STREAMS_H_
#define TPO_SERVICES_GRPC_WEIGHT_STREAMS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/role_book.h"
#include "core/weight_store.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "services/grpc/handler.h"
#include "services/grpc/learner_service.h"
#include "tpo/v1/learner.pb.h"

namespace tpo {

class WeightStream;

struct WeightStreamsOptions {
  uint64_t frame_bytes = 1 << 20;
  // The life of the learner that publishes.
  std::string incarnation;
  // Whether the request is one for these streams; else they end with its error. Asked only about
  // those whose ids, names and versions are well formed.
  std::function<absl::Status(const v1::WatchWeightsRequest&)> check;
  // Told of relays' streams. May be nullptr; else outlives the streams.
  RoleBook* roles = nullptr;
  // LearnerServiceOptions::on_worker_stream. Not called for relays.
  std::function<void(const std::string& worker_id, WorkerStream)> on_stream;
};

// Thread-safe. Outlives its streams: destroyed after the server, or when idle() and nothing can be
// opened any more.
class WeightStreams {
 public:
  // Of versions that aren't the newest any more, so many are sent on to those who have begun them.
  // When there are more, streams on those that were sent least are cancelled: their subscribers
  // begin anew, with the newest. That bounds the versions in memory, however slowly anybody reads;
  // and since what was sent furthest goes on, somebody always gets to the end.
  static constexpr size_t kMaxOutdatedVersions = 1;

  WeightStreams(WeightStore* weights, CallBook* calls, WeightStreamsOptions options);
  ~WeightStreams();

  WeightStreams(const WeightStreams&) = delete;
  WeightStreams& operator=(const WeightStreams&) = delete;

  // The reactor of a new call, which owns itself. `request` is a WatchWeightsRequest. `context` is
  // the call's.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Open(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer& request);

  // Ends all streams, and those opened from now on, with `status`.
  void Close(const absl::Status& status = absl::UnavailableError("the learner is shutting down"));

  // Cancels what is left after Close: streams with a write that their subscribers don't take.
  void BreakOffAll();

  // Whether no stream is open.
  bool idle() const;
  // Open streams, of workers and relays.
  size_t size() const;

 private:
  friend class WeightStream;
  // `caller` may be nullptr: nobody knows who calls.
  absl::StatusOr<v1::WatchWeightsRequest> CheckRequest(const grpc::ByteBuffer& bytes,
                                                       const grpc::AuthContext* caller) const;
  // After each publication: cancels streams, by the rule of kMaxOutdatedVersions.
  void BreakOffOutdated();
  void Remove(WeightStream* stream);
  // Counts the streams of a worker, or of all relays together; false: there are too many.
  bool Enter(const std::string& worker_id);
  void Leave(const std::string& worker_id);
  void Tell(const std::string& worker_id, WorkerStream what) const {
    if (options_.on_stream && !worker_id.empty()) options_.on_stream(worker_id, what);
  }

  WeightStore* const weights_;
  CallBook* const calls_;
  const WeightStreamsOptions options_;
  uint64_t subscription_ = 0;
  mutable absl::Mutex mutex_;
  // How streams end that are opened after Close.
  std::optional<absl::Status> closed_ ABSL_GUARDED_BY(mutex_);
  std::set<WeightStream*> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> count_by_worker_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_WEIGHT_STREAMS_H_
