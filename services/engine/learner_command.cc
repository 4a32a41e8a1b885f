// `tpo learner`: the learner as a process of its own.
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

#include "core/status_macros.h"
#include "services/engine/drain_on_signal.h"
#include "services/engine/engine.h"
#include "services/engine/run_session.h"
#include "services/engine/tls_options.h"
#include "services/grpc/listen_check.h"
#include "services/grpc/server.h"

namespace tpo {
namespace {

// How long the server goes on at most once the run is over, or it was told to end, for workers to
// be told so. A worker that is busy with a lease comes late, at most by the grace that it gives
// itself.
constexpr absl::Duration kFarewell = absl::Seconds(10);
// How long at least a run that is gone on with is served, for the workers of its former life, which
// nobody knows any more, to come back: longer than they pause between two attempts.
constexpr absl::Duration kHomecoming = absl::Seconds(3);

// Returns at the first signal, at once when it has come before, or after so long.
void WaitForSignal(DrainOnSignal* signals, absl::Duration timeout) {
  absl::Notification told_to_end;
  signals->SetDrain([&told_to_end] { told_to_end.Notify(); });
  told_to_end.WaitForNotificationWithTimeout(timeout);
  signals->SetDrain({});
}

}  // namespace

absl::Status RunLearner(const LearnerCommand& command) {
  DrainOnSignal drain_on_signal;
  // Before anything is written, and before a checkpoint is loaded for nothing.
  TPO_RETURN_IF_ERROR(CheckCanListen(command.listen));
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<RunSession> session,
                       RunSession::Open(command.run, command.tls));
  GrpcServer::Options options;
  options.listen = command.listen;
  options.tls = ToTlsOptions(command.tls, PeerRole::kLearner);
  options.allow_remote_plaintext = command.run.insecure;
  options.max_connection_age = absl::Seconds(command.max_connection_age_seconds);
  options.max_request_bytes = session->max_request_bytes();
  options.observer = session->rpc_observer();
  options.services = session->services();
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<GrpcServer> server, GrpcServer::Start(options));
  const absl::Duration start = Clock::Monotonic().Now();
  // Whoever asks whether to send work here is told first; workers go on handing in.
  session->SetOnDrain([&server] { server->ReportNotServing(); });
  drain_on_signal.SetDrain([&session, &server] {
    server->ReportNotServing();
    session->Drain();
  });
  const absl::Status trained = session->Run();
  drain_on_signal.SetDrain({});
  const RunStatus status = session->learner().GetStatus();
  const bool finished = status.step >= status.total_steps;
  if (command.run.resume && finished) {
    WaitForSignal(&drain_on_signal, kHomecoming - (Clock::Monotonic().Now() - start));
  }
  // A drained one has waited already.
  if (finished || !trained.ok()) session->learner().WaitUntilDismissed(kFarewell);
  if (command.keep_serving && trained.ok() && finished) {
    WaitForSignal(&drain_on_signal, absl::InfiniteDuration());
  }
  server->Shutdown(absl::Seconds(5));
  session->SetOnDrain({});
  if (command.drained_is_failure && trained.ok() && !finished) {
    return absl::AbortedError(absl::StrCat("told to end after step ", status.step, " of ",
                                           status.total_steps, "; --resume goes on"));
  }
  return trained;
}

}  // namespace tpo
