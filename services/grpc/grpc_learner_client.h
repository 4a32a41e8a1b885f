// The learner over a channel: what rollout workers use, over the network or within one process.
//
// Every call has a deadline and waits that long for a learner that can't be reached, so that a
// learner that restarts is no error of its workers; but for Deregister, which isn't worth a wait.
// Errors carry the learner's code, or UNAVAILABLE or DEADLINE_EXCEEDED when it couldn't be reached,
// or CANCELLED after Close. A group that gRPC refuses for its size is INVALID_ARGUMENT: submitted
// again it would be as large.
//
// Weights come, from the learner or a relay, on one stream that a thread of this object reads
// (services/grpc/weight_watcher.h), started by the first WaitForWeights. All workers that share the
// client share the stream. Within the learner's process they come from its store, and the stream
// only says that the worker is there. Register forgets the weights held, because a learner that
// restarted may have gone back to its checkpoint: after a second Register, wait with newer_than -1.
#ifndef TPO_SERVICES_GRPC_GRPC_LEARNER_CLIENT_H_
#define TPO_SERVICES_GRPC_GRPC_LEARNER_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/learner_api.h"
#include "core/role_book.h"
#include "core/trace.h"
#include "core/weight_store.h"
#include "services/grpc/observer.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace tpo {

struct GrpcLearnerClientOptions {
  // Of Register and LeasePrompts.
  absl::Duration call_deadline = absl::Seconds(30);
  // Of SubmitGroups, whatever the number of groups.
  absl::Duration submit_deadline = absl::Seconds(120);
  // Of Deregister.
  absl::Duration farewell_deadline = absl::Seconds(2);
  // May be nullptr; else outlives the client.
  WeightObserver* weight_observer = nullptr;
  // Which groups and calls are traced. The header "traceparent" of SubmitGroups names the span
  // "rollout" of the first traced group that the call carries; that of any other call a span of the
  // call itself.
  Tracing tracing = {};
  // What is said of the verifiers that the workers ask, about once a second while prompts are
  // leased. May be empty.
  std::function<std::vector<VerifierStatus>()> verifiers = {};
  // Where weights come from, a relay; nullptr: from the learner as well.
  std::shared_ptr<grpc::Channel> weights_channel = nullptr;
  // Where the learner of this process publishes its weights, which are shared and not sent; it
  // outlives the client. nullptr: the learner is another process.
  WeightStore* local_weights = nullptr;
};

class GrpcLearnerClient : public LearnerApi {
 public:
  using Options = GrpcLearnerClientOptions;

  // REQUIRES: of weights_channel and local_weights at most one.
  explicit GrpcLearnerClient(const std::shared_ptr<grpc::Channel>& channel,
                             const Options& options = Options());
  // Close, and joins. REQUIRES: no other call is in progress.
  ~GrpcLearnerClient() override;

  absl::StatusOr<RunInfo> Register(const std::string& worker_name) override;
  absl::StatusOr<LeaseResult> LeasePrompts(const std::string& worker_id) override;
  void ReportTimes(const std::string& worker_id, const WorkerTimes& times) override;
  absl::StatusOr<std::vector<SubmitResult>> SubmitGroups(const std::string& worker_id,
                                                         const std::vector<Group>& groups) override;
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WaitForWeights(
      const std::string& worker_id, WeightVersion newer_than, absl::Duration timeout) override;
  absl::Status Deregister(const std::string& worker_id) override;

  // Ends all calls in progress, and those to come, with CANCELLED. Idempotent.
  void Close() override;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_GRPC_LEARNER_CLIENT_H_
