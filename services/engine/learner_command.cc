// `tpo learner`: the learner as a process of its own.
#include <memory>

#include "absl/time/clock.h"

#include "core/status_macros.h"
#include "services/engine/drain_on_signal.h"
#include "services/engine/engine.h"
#include "services/engine/run_session.h"
#include "services/grpc/server.h"

namespace tpo {
namespace {

// How long the server goes on once the run is over: workers ask for a lease at least once a second, and so learn that there will
// be none.
constexpr absl::Duration kFarewell = absl::Seconds(2);

}  // namespace

absl::Status RunLearner(const LearnerCommand& command) {
  DrainOnSignal drain_on_signal;
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<RunSession> session, RunSession::Open(command.run));
  GrpcServer::Options options;
  options.listen = command.listen;
  options.allow_remote_plaintext = command.run.insecure;
  options.services = session->services();
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<GrpcServer> server, GrpcServer::Start(options));
  drain_on_signal.SetDrain([&session] { session->learner().Drain(); });
  const absl::Status trained = session->Run();
  drain_on_signal.SetDrain({});
  absl::SleepFor(kFarewell);
  server->Shutdown(absl::Seconds(5));
  return trained;
}

}  // namespace tpo
