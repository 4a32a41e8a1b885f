#include "services/engine/run_session.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/file_system.h"
#include "core/run_info.h"
#include "core/status_macros.h"
#include "core/version.h"
#include "services/config/config.h"
#include "services/engine/tls_options.h"
#include "services/engine/verifiers.h"
#include "services/grpc/certificates.h"
#include "services/grpc/learner_service.h"
#include "services/metrics/certificate_metrics.h"
#include "services/metrics/trace_metrics.h"
#include "services/metrics/verification_metrics.h"
#include "services/run_directory/report.h"
#include "spdlog/spdlog.h"

namespace tpo {
namespace {

// Names a run among others; not secret.
std::string NewRunId() {
  std::random_device random;
  return absl::StrFormat("%08x%08x", random(), random());
}

LearnerEndpoint::Connection ConnectionOf(WorkerStream stream) {
  switch (stream) {
    case WorkerStream::kOpened:
      return LearnerEndpoint::Connection::kOpened;
    case WorkerStream::kLost:
      return LearnerEndpoint::Connection::kLost;
    case WorkerStream::kClosed:
      break;
  }
  return LearnerEndpoint::Connection::kClosed;
}

// Tells of steps that were left out, and ends the run when its prompts fail.
class Watcher : public StepObserver {
 public:
  Watcher(const WatchedSource* source, Learner* learner) : source_(*source), learner_(*learner) {}

  void OnStep(const StepRecord& record) override {
    if (!record.skipped.empty()) spdlog::warn("step {}: left out: {}", record.step, record.skipped);
  }
  void OnCheckpoint(int64_t, double, const std::string&) override {}
  void OnLedger(const Ledger&) override {
    if (!source_.failure().ok()) learner_.Drain();
  }

 private:
  const WatchedSource& source_;
  Learner& learner_;
};

RunEnd EndOf(const absl::StatusOr<Learner::Outcome>& outcome) {
  if (!outcome.ok()) return RunEnd::kFailed;
  return *outcome == Learner::Outcome::kFinished ? RunEnd::kFinished : RunEnd::kDrained;
}

}  // namespace

RunSession::RunSession(const RunFlags& flags, const ServerTlsFlags& tls)
    : flags_(flags),
      tls_(tls),
      metrics_("tpo-learner"),
      step_metrics_(&metrics_),
      rpc_metrics_(&metrics_),
      learner_metrics_(&metrics_),
      worker_metrics_(&metrics_),
      board_(&Clock::Monotonic()),
      roles_(&Clock::Monotonic()) {
  metrics_.Add(MakeVerificationMetrics(&verification_));
  metrics_.Add(MakeCertificateMetrics({{"own", tls.certificate}, {"authority", tls.client_ca}},
                                      CertificateExpiry));
}

// Scrapes may come until the very end, after the learner is gone.
RunSession::~RunSession() { learner_metrics_.Detach(); }

absl::StatusOr<std::unique_ptr<RunSession>> RunSession::Open(const RunFlags& flags,
                                                             const ServerTlsFlags& tls) {
  std::unique_ptr<RunSession> session(new RunSession(flags, tls));
  TPO_ASSIGN_OR_RETURN(session->config_, LoadConfig(flags.config, flags.overrides));
  session->spec_ = ToRunSpec(session->config_);
  if (!flags.status_listen.empty())
    TPO_RETURN_IF_ERROR(StatusServer::Check(session->StatusOptions()));
  if (session->spec_.dataset.has_value()) {
    TPO_ASSIGN_OR_RETURN(session->language_task_, LanguageTask::Open(session->spec_));
  }
  TPO_ASSIGN_OR_RETURN(session->traces_,
                       StartTraces(flags.traces.endpoint, flags.traces.ca,
                                   flags.insecure || flags.traces.insecure, "tpo-learner"));
  if (session->traces_ != nullptr) {
    session->metrics_.Add(
        MakeTraceMetrics([traces = session->traces_.get()] { return traces->counts(); }));
  }
  if (!flags.metrics_listen.empty()) {
    TPO_ASSIGN_OR_RETURN(session->metrics_server_,
                         MetricsServer::Start(flags.metrics_listen, session->metrics_));
  }
  TPO_RETURN_IF_ERROR(session->OpenDirectory());
  TPO_RETURN_IF_ERROR(session->MakeLearner());
  TPO_RETURN_IF_ERROR(session->AttachObservers());
  TPO_RETURN_IF_ERROR(session->MakeEvaluator());
  TPO_RETURN_IF_ERROR(session->StartServers());
  return session;
}

// The status page, and what metrics show of the learner.
absl::Status RunSession::StartServers() {
  const LearnerLimits limits = {
      .max_staleness = spec_.learner.max_staleness,
      .prompts_per_step = spec_.learner.prompts_per_step,
      .lease_time_to_live = spec_.learner.lease_time_to_live,
      .checkpoint_every_steps = spec_.learner.checkpoint.every_steps,
  };
  learner_metrics_.Attach(limits, [this] {
    const std::shared_ptr<const WeightSnapshot> newest = learner_->weights().Newest();
    return LearnerReading{.status = learner_->GetStatus(),
                          .weights_size_bytes = newest ? newest->weights.bytes().size() : 0};
  });
  if (flags_.status_listen.empty()) return absl::OkStatus();
  TPO_ASSIGN_OR_RETURN(status_server_, StatusServer::Start(StatusOptions(), [this] {
                         StatusView view{.status = learner_->GetStatus(), .details = board_.Read()};
                         view.details.roles = roles_.Read();
                         // Those that workers of this process, or the evaluation, ask.
                         view.details.roles.verifiers =
                             SumUp({std::move(view.details.roles.verifiers),
                                    VerifierStatuses(verification_.Read())});
                         return view;
                       }));
  return absl::OkStatus();
}

absl::Status RunSession::OpenDirectory() {
  const std::string path =
      flags_.run_dir.empty() ? DefaultRunDirectory(flags_.config, absl::Now()) : flags_.run_dir;
  TPO_ASSIGN_OR_RETURN(
      directory_,
      RunDirectory::Open(path, flags_.resume ? RunDirectoryMode::kResume : RunDirectoryMode::kNew));
  if (directory_->holds_run()) {
    TPO_ASSIGN_OR_RETURN(const v1::Config saved, LoadConfig(directory_->paths().config, {}));
    TPO_RETURN_IF_ERROR(CheckMayResume(saved, config_));
  } else if (flags_.resume) {
    spdlog::warn("{} holds no run to go on with: a new one begins", path);
  }
  TPO_ASSIGN_OR_RETURN(checkpoints_,
                       CheckpointStore::Open(directory_->paths().checkpoints, FileSystem::Posix(),
                                             spec_.learner.checkpoint.keep));
  return absl::OkStatus();
}

absl::Status RunSession::MakeLearner() {
  PromptSource* source = nullptr;
  Learner::Options options;
  if (language_task_ != nullptr) {
    source = language_task_->source();
    options.model = &language_task_->model();
    options.language_model = language_task_->info();
    options.inputs = language_task_->inputs();
  } else {
    sequence_source_ = std::make_unique<SequencePromptSource>(spec_.task, spec_.seed);
    source = sequence_source_.get();
  }
  source_.emplace(source);
  options.spec = spec_;
  options.run_id = NewRunId();
  options.config_fingerprint = ConfigFingerprint(config_);
  options.version = std::string(Version());
  options.inspect_every_steps = config_.output().inspect_every_steps();
  options.resume = flags_.resume;
  options.drain_patience = absl::Seconds(flags_.drain_seconds);
  TPO_ASSIGN_OR_RETURN(learner_, Learner::Create(std::move(options), &*source_, &Clock::Monotonic(),
                                                 &*checkpoints_, &observers_));
  if (language_task_ != nullptr) language_task_->CloseModel();
  if (!learner_->resume_warning().empty()) spdlog::warn("{}", learner_->resume_warning());
  const RunStatus status = learner_->GetStatus();
  step_metrics_.OnStart({.step = status.step,
                         .weight_version = status.weight_version,
                         .tokens_total = learner_->first_tokens_total(),
                         .ledger = status.ledger});
  step_metrics_.OnDamagedCheckpoints(learner_->damaged_checkpoints());
  LearnerApi* api = &learner_->api();
  if (traces_ != nullptr) {
    learner_traces_.emplace(api, status.run_id, tracing());
    api = &*learner_traces_;
  }
  LearnerServiceOptions service;
  service.observer = &rpc_metrics_;
  service.board = &board_;
  service.roles = &roles_;
  service.spans = traces_.get();
  service.on_worker_stream = [learner = learner_.get()](const std::string& worker_id,
                                                        WorkerStream stream) {
    learner->OnWorkerConnection(worker_id, ConnectionOf(stream));
  };
  learner_service_ = MakeLearnerService(api, &learner_->weights(), learner_.get(), service);
  admin_service_ = MakeAdminService(
      learner_.get(), &rpc_metrics_,
      [this] {
        OnDrain();
        Drain();
      },
      traces_.get());
  return absl::OkStatus();
}

void RunSession::Drain() {
  // First, so that no further step begins when the evaluation ends.
  learner_->Drain();
  if (evaluator_ != nullptr) evaluator_->Stop();
}

void RunSession::SetOnDrain(std::function<void()> on_drain) {
  const absl::MutexLock lock(&drain_mutex_);
  on_drain_ = std::move(on_drain);
  if (drain_called_ && on_drain_) on_drain_();
}

void RunSession::OnDrain() {
  const absl::MutexLock lock(&drain_mutex_);
  drain_called_ = true;
  if (on_drain_) on_drain_();
}

absl::Status RunSession::MakeEvaluator() {
  if (language_task_ == nullptr || spec_.evaluation.every_steps == 0) return absl::OkStatus();
  EvaluatorOptions options;
  options.run = RunInfoOf(spec_);
  options.run.language_model = language_task_->info();
  // Verifiers are believed that have a certificate of the authorities that clients need one of.
  TPO_ASSIGN_OR_RETURN(evaluation_verifier_,
                       MakeVerifier(options.run, flags_.insecure, &verification_,
                                    ToTlsOptions(tls_, PeerRole::kLearner).value_or(TlsOptions())));
  options.verifier = evaluation_verifier_.get();
  options.evaluation = spec_.evaluation;
  options.last_step = spec_.learner.steps;
  options.source = language_task_->evaluation_source();
  options.prompts = language_task_->evaluation_prompts();
  options.path = directory_->paths().eval;
  options.weights = [this] { return learner_->weights().Newest(); };
  options.on_figures = [this](const EvaluationFigures& figures) {
    step_metrics_.OnEvaluation(figures.pass_at_1, figures.pass_at_k, figures.mean_at_k);
  };
  options.on_running = [this](bool running) { step_metrics_.OnEvaluating(running); };
  evaluator_ = std::make_unique<Evaluator>(std::move(options));
  observers_.AddBorrowed(evaluator_.get());
  return absl::OkStatus();
}

absl::Status RunSession::AttachObservers() {
  TPO_RETURN_IF_ERROR(directory_->CutFrom(learner_->first_step()));
  TPO_RETURN_IF_ERROR(directory_->WriteConfig(ToYaml(config_)));
  RunObserversOptions options;
  options.seed = spec_.seed;
  options.tensorboard = config_.output().tensorboard();
  options.progress.total_steps = spec_.learner.steps;
  options.progress.quiet = flags_.quiet;
  DetectTerminal(STDOUT_FILENO, &options.progress);
  TPO_ASSIGN_OR_RETURN(writers_, MakeRunObservers(*directory_, options, std::cout));
  observers_.AddBorrowed(writers_.get());
  observers_.AddBorrowed(&step_metrics_);
  observers_.AddBorrowed(&board_);
  watcher_ = std::make_unique<Watcher>(&*source_, learner_.get());
  observers_.AddBorrowed(watcher_.get());
  if (learner_traces_.has_value()) observers_.AddBorrowed(&*learner_traces_);
  if (!flags_.quiet) {
    std::printf("run directory %s\n%s, %s steps from step %lld\n", directory().c_str(),
                learner_->policy_description().c_str(), std::to_string(spec_.learner.steps).c_str(),
                static_cast<long long>(learner_->first_step()));
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

absl::Status RunSession::Run() {
  if (evaluator_ != nullptr) evaluator_->OnStart(learner_->first_step());
  const absl::StatusOr<Learner::Outcome> trained = learner_->Run();
  RunOutcome outcome;
  outcome.end = EndOf(trained);
  if (!trained.ok()) outcome.message = std::string(trained.status().message());
  if (outcome.end == RunEnd::kDrained)
    outcome.message = "stopped before its last step; --resume goes on";
  absl::Status prompts = source_->failure();
  if (!prompts.ok()) {
    outcome.end = RunEnd::kFailed;
    outcome.message = std::string(prompts.message());
  }
  outcome.ledger = learner_->GetStatus().ledger;
  absl::Status written = writers_->Finish(outcome);
  if (const absl::Status report = WriteReport(directory()); !report.ok()) {
    spdlog::warn("no report.html: {}", std::string(report.message()));
  }
  if (!prompts.ok()) return prompts;
  // Whatever its code, it isn't the user's input that was refused.
  if (!trained.ok()) return absl::InternalError(trained.status().message());
  // Training went on without them, but a run whose files are incomplete hasn't done what was asked.
  return written;
}

}  // namespace tpo
