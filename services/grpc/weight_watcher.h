// The newest weights of a learner, kept current by one thread that reads a WatchWeights stream. A
// stream that breaks is opened again, with growing pauses, and goes on where it was. Weights of a
// learner in the same process are taken from its store, without a copy.
#ifndef TPO_SERVICES_GRPC_WEIGHT_WATCHER_H_
#define TPO_SERVICES_GRPC_WEIGHT_WATCHER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/backoff.h"
#include "core/trace.h"
#include "core/weight_snapshot.h"
#include "core/weight_store.h"
#include "services/grpc/observer.h"
#include "services/grpc/weight_assembler.h"

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace tpo::v1 {
class WatchWeightsResponse;
}  // namespace tpo::v1

namespace tpo {

// Weights, and the life of the learner that published them; none and empty before the first.
struct PublishedWeights {
  std::string incarnation;
  std::shared_ptr<const WeightSnapshot> snapshot;
};

// On whose behalf somebody subscribes. A worker takes weights of that life of the learner only with
// which it is registered; a relay takes those of whichever is there. A worker whose weights come
// from a relay is present with the learner by a stream on which nothing comes: when it breaks, the
// learner knows that the worker may be gone.
enum class WeightSubscriber { kWorker, kRelay, kPresence };

struct WeightWatcherOptions {
  WeightSubscriber subscriber = WeightSubscriber::kWorker;
  // Of a relay, as it calls itself.
  std::string name = {};
  // May be nullptr; else it outlives the watcher, whose thread calls it, or the store's publisher.
  WeightObserver* observer = nullptr;
  // Which streams are traced: a span is a stream, from its begin to its end.
  Tracing tracing = {};
  // Called by the thread, with no lock held, once there is no further stream until Restart, with
  // the worker of the last one and why: what WaitForNewer returns from then on. May be empty.
  std::function<void(const std::string& worker_id, const absl::Status& why)> on_end = {};
  // Of a learner in this process: with kPresence, the newest weights are the store's, shared. It
  // outlives the watcher. nullptr: weights come over the stream.
  WeightStore* store = nullptr;
};

// Thread-safe.
class WeightWatcher {
 public:
  explicit WeightWatcher(std::shared_ptr<grpc::Channel> channel,
                         const WeightWatcherOptions& options = {});
  // Close, and joins.
  ~WeightWatcher();

  WeightWatcher(const WeightWatcher&) = delete;
  WeightWatcher& operator=(const WeightWatcher&) = delete;

  // As LearnerApi::WaitForWeights. The first call starts the thread. CANCELLED: closed, or the
  // learner has ended the stream because its run is over. NOT_FOUND: the learner doesn't know the
  // worker of the last Restart. PERMISSION_DENIED: this process is no worker to the learner.
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForNewer(const std::string& worker_id,
                                                                     WeightVersion newer_than,
                                                                     absl::Duration timeout);

  // Of a relay: waits until the weights are others than those of `held`, by version or by the
  // learner's life. The first call starts the thread. CANCELLED: closed. OUT_OF_RANGE: the learner
  // has ended the stream because its run is over; Resume asks again. PERMISSION_DENIED as above.
  // INVALID_ARGUMENT, UNIMPLEMENTED: the peer won't have this request, or serves no weights.
  absl::StatusOr<PublishedWeights> WaitForOthers(const PublishedWeights& held);
  void Resume();

  // Forgets the weights held and begins anew, on behalf of `worker_id`, which is registered with
  // the life `incarnation` of the learner (empty: of whichever): the learner may have restarted
  // from a checkpoint, so that what it published before counts no longer.
  void Restart(const std::string& worker_id, const std::string& incarnation = "");

  // Ends the stream and all waits with `why`, which somebody else was told for this worker, until
  // Restart. Nothing happens when the worker is another one by now.
  void End(const std::string& worker_id, const absl::Status& why);

  // Ends all waits and the stream. Idempotent.
  void Close();

 private:
  // How a stream ended. OK: the run is over. NOT_FOUND: the learner doesn't know the worker.
  struct StreamEnd {
    absl::Status status;
    // False: the peer was given up for what it sent, and didn't say `status` itself.
    bool from_peer = false;
  };

  void Run();
  // Reads one stream to its end.
  StreamEnd ReadStream();
  absl::Status AddMessage(const v1::WatchWeightsResponse& message, WeightVersion* newest);
  // Looks which life of the learner a manifest is of; sets `newest` to -1 when it begins with it.
  absl::Status CheckIncarnation(const std::string& incarnation, WeightVersion* newest);
  void StartThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The store has others than before.
  void TakeFromStore();
  // Tells the observer of a message that was taken in.
  void Observe(const v1::WatchWeightsResponse& message);
  // Takes a snapshot that is complete; false: Restart was called meanwhile.
  bool Publish(uint64_t generation, std::shared_ptr<const WeightSnapshot> snapshot);
  // Waits before the next stream, unless Restart or Close is called.
  void Pause(uint64_t generation, absl::Duration pause);

  const std::shared_ptr<grpc::Channel> channel_;
  const WeightWatcherOptions options_;
  uint64_t subscription_ = 0;  // to options_.store, if there is one

  // Of the thread only.
  WeightAssembler assembler_;
  uint64_t assembled_generation_ = 0;
  absl::Time manifest_time_;
  Backoff backoff_;

  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  // How the learner ended the stream for good: there is no other until Restart.
  std::optional<absl::Status> ended_ ABSL_GUARDED_BY(mutex_);
  // Counts calls of Restart.
  uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string worker_id_ ABSL_GUARDED_BY(mutex_);
  // Of a worker, with which it is registered; of a relay, which published what is held. Empty: any.
  std::string incarnation_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const WeightSnapshot> newest_ ABSL_GUARDED_BY(mutex_);
  // Why the last stream broke.
  absl::Status last_error_ ABSL_GUARDED_BY(mutex_);
  // The open stream's; nullptr between streams.
  grpc::ClientContext* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_WEIGHT_WATCHER_H_
