// `tpo learner`: the learner as a process of its own.
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "core/status_macros.h"
#include "services/engine/drain_on_signal.h"
#include "services/engine/engine.h"
#include "services/engine/run_session.h"
#include "services/grpc/listen_check.h"
#include "services/grpc/server.h"

namespace tpo {
namespace {

// How long the server goes on at most once the run is over, for workers to be told so. A worker
// that is busy with a lease comes late, at most by the grace that it gives itself.
constexpr absl::Duration kFarewell = absl::Seconds(10);

}  // namespace

absl::Status RunLearner(const LearnerCommand& command) {
  DrainOnSignal drain_on_signal;
  // Before anything is written, and before a checkpoint is loaded for nothing.
  TPO_RETURN_IF_ERROR(CheckCanListen(command.listen));
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<RunSession> session, RunSession::Open(command.run));
  GrpcServer::Options options;
  options.listen = command.listen;
  options.allow_remote_plaintext = command.run.insecure;
  options.services = session->services();
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<GrpcServer> server, GrpcServer::Start(options));
  drain_on_signal.SetDrain([&session] { session->learner().Drain(); });
  const absl::Status trained = session->Run();
  drain_on_signal.SetDrain({});
  session->learner().WaitUntilDismissed(kFarewell);
  server->Shutdown(absl::Seconds(5));
  return trained;
}

}  // namespace tpo
