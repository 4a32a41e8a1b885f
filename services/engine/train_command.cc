// `tpo train`: learner, rollout workers and verifier in one process, over in-process channels of
// the very services that separate processes use.
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "core/status_macros.h"
#include "rollout/worker.h"
#include "services/engine/drain_on_signal.h"
#include "services/engine/engine.h"
#include "services/engine/run_session.h"
#include "services/engine/verifiers.h"
#include "services/grpc/grpc_learner_client.h"
#include "services/grpc/grpc_verifier_client.h"
#include "services/grpc/server.h"
#include "services/grpc/verifier_service.h"
#include "services/metrics/worker_metrics.h"
#include "services/tracing/group_traces.h"
#include "services/tracing/verifier_traces.h"
#include "spdlog/spdlog.h"

namespace tpo {
namespace {

// How long calls in progress may take to end once the run is over.
constexpr absl::Duration kShutdownGrace = absl::Seconds(5);

// The rollout workers of this process, each on a thread of its own.
class LocalWorkers {
 public:
  // `on_failure` is called, on a worker's thread, when a worker can't go on.
  LocalWorkers(RunSession* session, GrpcServer* server,
               const GrpcVerifierClientOptions& own_verifier, bool insecure,
               std::function<void()> on_failure)
      : on_failure_(std::move(on_failure)), weight_metrics_(&session->metrics()) {
    const RunSpec& spec = session->spec();
    PoolMonitor* const verification = &session->verification();
    const Tracing tracing = session->tracing();
    GrpcLearnerClientOptions client_options;
    client_options.weight_observer = &weight_metrics_;
    client_options.tracing = tracing;
    client_options.local_weights = &session->learner().weights();
    for (int i = 0; i < spec.rollout.workers; ++i) {
      clients_.push_back(
          std::make_unique<GrpcLearnerClient>(server->InProcessChannel(), client_options));
      RolloutWorker::Options options;
      options.name = absl::StrCat("local-", i);
      options.parallel_leases = spec.rollout.parallel_leases;
      options.sample_ahead = spec.learner.max_staleness > 0;
      options.outlives_learner = false;
      options.on_warning = [](const std::string& warning) { spdlog::warn("rollout: {}", warning); };
      options.on_note = [](const std::string& note) { spdlog::info("rollout: {}", note); };
      traces_.push_back(std::make_unique<WorkerTraces>(clients_.back().get(), tracing));
      workers_.push_back(std::make_unique<RolloutWorker>(
          options, traces_.back().get(),
          [server, own_verifier, insecure, verification,
           tracing](const RunInfo& run) -> absl::StatusOr<std::unique_ptr<VerifierApi>> {
            if (!run.verifiers.empty())
              return MakeVerifier(run, insecure, verification, {}, tracing);
            return TraceVerifier(
                std::make_unique<GrpcVerifierClient>(server->InProcessChannel(), own_verifier),
                tracing);
          }));
    }
    for (size_t i = 0; i < workers_.size(); ++i) {
      threads_.emplace_back([this, i] { Work(*workers_[i]); });
    }
  }

  // What all of them did. Thread-safe.
  WorkerStatistics statistics() const {
    WorkerStatistics sum;
    for (const auto& worker : workers_) sum += worker->statistics();
    return sum;
  }

  // Ends and joins all workers; the first failure of any.
  absl::Status Join() {
    for (auto& worker : workers_) worker->Stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    const absl::MutexLock lock(&mutex_);
    return failure_;
  }

 private:
  void Work(RolloutWorker& worker) {
    const absl::Status status = worker.Run();
    if (status.ok() || absl::IsCancelled(status)) return;
    {
      const absl::MutexLock lock(&mutex_);
      failure_.Update(status);
    }
    on_failure_();
  }

  const std::function<void()> on_failure_;
  PrometheusWeightObserver weight_metrics_;
  std::vector<std::unique_ptr<GrpcLearnerClient>> clients_;
  std::vector<std::unique_ptr<WorkerTraces>> traces_;
  std::vector<std::unique_ptr<RolloutWorker>> workers_;
  std::vector<std::thread> threads_;
  absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status RunTrain(const TrainCommand& command) {
  DrainOnSignal drain_on_signal;
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<RunSession> session, RunSession::Open(command.run));
  RunInfo own;
  own.own_verifier = session->spec().own_verifier;
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<VerifierApi> verifier, MakeVerifier(own, false));
  TPO_ASSIGN_OR_RETURN(const VerifierServiceOptions verifier_options,
                       OwnVerifierServiceOptions(session->spec()));
  TPO_ASSIGN_OR_RETURN(const GrpcVerifierClientOptions verifier_client_options,
                       OwnVerifierClientOptions(session->spec()));
  const std::unique_ptr<RpcService> verifier_service =
      MakeVerifierService(verifier.get(), verifier_options);
  GrpcServer::Options server_options;
  server_options.services = session->services();
  server_options.services.push_back(verifier_service.get());
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<GrpcServer> server, GrpcServer::Start(server_options));

  LocalWorkers workers(session.get(), server.get(), verifier_client_options, command.run.insecure,
                       [&session] { session->Drain(); });
  session->worker_metrics().Attach([&workers] { return workers.statistics(); });
  drain_on_signal.SetDrain([&session] { session->Drain(); });
  absl::Status trained = session->Run();
  const absl::Status rolled_out = workers.Join();
  session->worker_metrics().Detach();
  drain_on_signal.SetDrain({});
  server->Shutdown(kShutdownGrace);
  // Then the workers failed for the same reason.
  if (absl::IsInvalidArgument(trained)) return trained;
  if (!rolled_out.ok()) {
    // Whatever its code, it isn't the user's input that was refused.
    return absl::InternalError(
        absl::StrCat("a rollout worker failed: ", std::string(rolled_out.message())));
  }
  return trained;
}

}  // namespace tpo
