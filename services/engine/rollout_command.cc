// `tpo rollout`: a rollout worker as a process of its own.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "core/status_macros.h"
#include "rollout/worker.h"
#include "services/engine/drain_on_signal.h"
#include "services/engine/engine.h"
#include "services/engine/verifiers.h"
#include "services/grpc/channel.h"
#include "services/grpc/grpc_learner_client.h"
#include "services/metrics/metrics_registry.h"
#include "services/metrics/metrics_server.h"
#include "services/metrics/verification_metrics.h"
#include "services/metrics/worker_metrics.h"
#include "spdlog/spdlog.h"

namespace tpo {
namespace {

std::string HostName() {
  char name[256] = "worker";
  gethostname(name, sizeof(name) - 1);
  return name;
}

}  // namespace

absl::Status RunRollout(const RolloutCommand& command) {
  DrainOnSignal drain_on_signal;
  TPO_ASSIGN_OR_RETURN(auto channel, MakeLearnerChannel({command.learner, command.insecure}));
  GrpcLearnerClient learner(std::move(channel));
  RolloutWorker::Options options;
  options.name = command.name.empty() ? HostName() : command.name;
  options.parallel_leases = command.parallel_leases;
  options.on_warning = [](const std::string& warning) { spdlog::warn("{}", warning); };
  PoolMonitor verification;
  RolloutWorker worker(options, &learner, [&](const RunInfo& run) {
    return MakeVerifier(run, command.insecure, &verification);
  });
  MetricsRegistry metrics("tpo-rollout");
  metrics.Add(MakeWorkerMetrics([&worker] {
    const RolloutWorker::Statistics statistics = worker.statistics();
    return WorkerCounts{statistics.leases, statistics.groups, statistics.tokens,
                        statistics.rejected, statistics.unscored};
  }));
  metrics.Add(MakeVerificationMetrics(&verification));
  std::unique_ptr<MetricsServer> metrics_server;
  if (!command.metrics_listen.empty()) {
    TPO_ASSIGN_OR_RETURN(metrics_server, MetricsServer::Start(command.metrics_listen, metrics));
  }
  drain_on_signal.SetDrain([&worker] { worker.Stop(); });
  const absl::Status status = worker.Run();
  drain_on_signal.SetDrain({});
  if (!command.quiet) {
    const RolloutWorker::Statistics statistics = worker.statistics();
    std::printf("answered %llu leases: %llu groups, %llu tokens\n",
                static_cast<unsigned long long>(statistics.leases),
                static_cast<unsigned long long>(statistics.groups),
                static_cast<unsigned long long>(statistics.tokens));
  }
  return status;
}

}  // namespace tpo
