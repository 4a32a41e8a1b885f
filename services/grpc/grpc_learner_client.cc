#include "services/grpc/grpc_learner_client.h"

#include <cassert>
#include <map>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "grpcpp/channel.h"
#include "services/grpc/call_spans.h"
#include "services/grpc/calls.h"
#include "services/grpc/convert.h"
#include "services/grpc/learner_service.h"
#include "services/grpc/message_limits.h"
#include "services/grpc/status.h"
#include "services/grpc/weight_watcher.h"
#include "tpo/v1/learner.grpc.pb.h"

namespace tpo {
namespace {

// Groups go into a message until it has this size: then the message's own cost no longer counts.
constexpr size_t kMessageBytes = 64 << 10;

// Between two reports on verifiers.
constexpr absl::Duration kVerifierReportPause = absl::Seconds(1);

// One SubmitGroups call. Writes don't wait for the answers to what was written before, so that the
// network's latency is paid once and not per group; the learner's pace reaches here as writes that
// take longer.
class SubmitCall
    : public grpc::ClientBidiReactor<v1::SubmitGroupsRequest, v1::SubmitGroupsResponse> {
 public:
  // The arguments outlive the call.
  SubmitCall(const std::string& worker_id, const std::vector<Group>& groups,
             grpc::ClientContext* context)
      : worker_id_(worker_id), groups_(groups), context_(context) {
    results_.reserve(groups.size());
  }

  // REQUIRES: called once.
  absl::StatusOr<std::vector<SubmitResult>> Run(v1::LearnerService::Stub* stub) {
    stub->async()->SubmitGroups(context_, this);
    StartRead(&response_);
    WriteNext();
    StartCall();
    done_.WaitForNotification();
    TPO_RETURN_IF_ERROR(fault_);
    const absl::Status status = FromGrpcStatus(status_, "SubmitGroups");
    if (IsTooLarge(status)) {
      return absl::InvalidArgumentError(absl::StrCat(
          status.message(), "; use a smaller rollout.group_size or rollout.max_tokens"));
    }
    TPO_RETURN_IF_ERROR(status);
    if (results_.size() != groups_.size()) {
      return absl::UnavailableError(
          absl::StrCat("SubmitGroups: the learner ended the stream after ", results_.size(), " of ",
                       groups_.size(), " groups; submit them again"));
    }
    return std::move(results_);
  }

  void OnWriteDone(bool ok) override {
    if (ok) WriteNext();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    fault_ = TakeAnswer();
    if (!fault_.ok()) return context_->TryCancel();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    status_ = status;
    done_.Notify();
  }

 private:
  void WriteNext() {
    if (written_ == groups_.size()) return StartWritesDone();
    request_.Clear();
    request_.set_worker_id(worker_id_);
    size_t bytes = 0;
    do {
      v1::Group* group = request_.add_groups();
      ToProto(groups_[written_++], group);
      bytes += group->ByteSizeLong();
    } while (written_ < groups_.size() && request_.groups_size() < kMaxGroupsPerMessage &&
             bytes + bytes / request_.groups_size() <= kMessageBytes);
    StartWrite(&request_);
  }

  absl::Status TakeAnswer() {
    for (const v1::SubmitResult& proto : response_.results())
      TPO_RETURN_IF_ERROR(TakeResult(proto));
    return absl::OkStatus();
  }

  absl::Status TakeResult(const v1::SubmitResult& proto) {
    TPO_ASSIGN_OR_RETURN(SubmitResult result, FromProto(proto));
    if (results_.size() == groups_.size())
      return absl::InternalError("SubmitGroups: more answers than groups");
    const Group& group = groups_[results_.size()];
    if (result.lease_id != group.lease_id || result.prompt_id != group.prompt_id) {
      return absl::InternalError(absl::StrCat("SubmitGroups: the answer to lease ", group.lease_id,
                                              ", prompt ", group.prompt_id, " is for lease ",
                                              result.lease_id, ", prompt ", result.prompt_id));
    }
    results_.push_back(std::move(result));
    return absl::OkStatus();
  }

  const std::string& worker_id_;
  const std::vector<Group>& groups_;
  grpc::ClientContext* const context_;

  // Of the writes, of which one is in progress at a time.
  size_t written_ = 0;
  v1::SubmitGroupsRequest request_;
  // Of the reads, likewise.
  v1::SubmitGroupsResponse response_;
  std::vector<SubmitResult> results_;
  absl::Status fault_;
  // Of OnDone, after all else.
  grpc::Status status_;
  absl::Notification done_;
};

}  // namespace

struct GrpcLearnerClient::Impl {
  Impl(const std::shared_ptr<grpc::Channel>& channel,
       const GrpcLearnerClientOptions& client_options)
      : options(client_options),
        stub(v1::LearnerService::NewStub(channel)),
        watcher(
            client_options.weights_channel != nullptr ? client_options.weights_channel : channel,
            {.subscriber = client_options.local_weights != nullptr ? WeightSubscriber::kPresence
                                                                   : WeightSubscriber::kWorker,
             .observer = client_options.weight_observer,
             .tracing = client_options.tracing,
             .store = client_options.local_weights}) {
    assert(client_options.weights_channel == nullptr || client_options.local_weights == nullptr);
    if (client_options.weights_channel == nullptr) return;
    // The relay doesn't know whether a worker is registered with the learner's present life, and
    // may never hand on anything of one that has come back only to say that its run is over.
    presence.emplace(channel, WeightWatcherOptions{.subscriber = WeightSubscriber::kPresence,
                                                   .tracing = client_options.tracing,
                                                   .on_end = [this](const std::string& worker_id,
                                                                    const absl::Status& why) {
                                                     watcher.End(worker_id, why);
                                                   }});
  }

  // Where the first traced group of these was sampled.
  std::optional<SpanContext> RolloutOf(const std::vector<Group>& groups) {
    if (options.tracing.sink == nullptr) return std::nullopt;
    const absl::MutexLock lock(&mutex);
    for (const Group& group : groups) {
      const TraceId trace = GroupTraceId(run_id, group.prompt_id);
      if (!options.tracing.Wants(trace)) continue;
      return SpanContext{
          .trace = trace, .span = KnownSpanId(trace, "rollout", group.lease_id), .sampled = true};
    }
    return std::nullopt;
  }

  // Now and then: the learner keeps what it was told last.
  void AddVerifiers(v1::LeasePromptsRequest* request) {
    if (!options.verifiers) return;
    const absl::Duration now = Clock::Monotonic().Now();
    {
      const absl::MutexLock lock(&mutex);
      const auto [reported, first] = verifiers_reported.try_emplace(request->worker_id(), now);
      if (!first && now - reported->second < kVerifierReportPause) return;
      reported->second = now;
    }
    for (const VerifierStatus& one : options.verifiers()) {
      if (request->verifiers_size() < static_cast<int>(RoleBook::kMostVerifiers))
        ToProto(one, request->add_verifiers());
    }
  }

  const GrpcLearnerClientOptions options;
  Calls calls;
  absl::Mutex mutex;
  // What each worker that shares the client reported and hasn't been sent.
  std::map<std::string, WorkerTimes> times ABSL_GUARDED_BY(mutex);
  std::map<std::string, absl::Duration> verifiers_reported ABSL_GUARDED_BY(mutex);  // by worker
  std::string run_id ABSL_GUARDED_BY(mutex);
  const std::unique_ptr<v1::LearnerService::Stub> stub;
  WeightWatcher watcher;
  std::optional<WeightWatcher> presence;  // with the learner, when weights come from a relay
};

GrpcLearnerClient::GrpcLearnerClient(const std::shared_ptr<grpc::Channel>& channel,
                                     const Options& options)
    : impl_(std::make_unique<Impl>(channel, options)) {}

GrpcLearnerClient::~GrpcLearnerClient() { GrpcLearnerClient::Close(); }

void GrpcLearnerClient::Close() {
  impl_->calls.Close();
  impl_->watcher.Close();
  if (impl_->presence.has_value()) impl_->presence->Close();
}

absl::StatusOr<RunInfo> GrpcLearnerClient::Register(const std::string& worker_name) {
  Call call(&impl_->calls, impl_->options.call_deadline);
  call.context()->set_wait_for_ready(true);
  v1::RegisterRequest request;
  request.set_worker_name(worker_name);
  request.set_protocol_version(kProtocolVersion);
  v1::RegisterResponse response;
  ClientSpan span(impl_->options.tracing, "Register", call.context());
  const grpc::Status status = impl_->stub->Register(call.context(), request, &response);
  TPO_RETURN_IF_ERROR(span.End(FromGrpcStatus(status, "Register")));
  TPO_ASSIGN_OR_RETURN(RunInfo info, FromProto(response));
  {
    const absl::MutexLock lock(&impl_->mutex);
    impl_->run_id = info.run_id;
    // Ids of workers of a former life never come again.
    impl_->verifiers_reported.clear();
  }
  impl_->watcher.Restart(info.worker_id, response.learner_incarnation());
  if (impl_->presence.has_value()) impl_->presence->Restart(info.worker_id);
  return info;
}

absl::StatusOr<LeaseResult> GrpcLearnerClient::LeasePrompts(const std::string& worker_id) {
  Call call(&impl_->calls, impl_->options.call_deadline);
  call.context()->set_wait_for_ready(true);
  v1::LeasePromptsRequest request;
  request.set_worker_id(worker_id);
  impl_->AddVerifiers(&request);
  {
    const absl::MutexLock lock(&impl_->mutex);
    if (const auto times = impl_->times.extract(worker_id); !times.empty()) {
      ToProto(times.mapped(), request.mutable_times());
    }
  }
  v1::LeasePromptsResponse response;
  ClientSpan span(impl_->options.tracing, "LeasePrompts", call.context());
  const grpc::Status status = impl_->stub->LeasePrompts(call.context(), request, &response);
  TPO_RETURN_IF_ERROR(span.End(FromGrpcStatus(status, "LeasePrompts")));
  return FromProto(response);
}

void GrpcLearnerClient::ReportTimes(const std::string& worker_id, const WorkerTimes& times) {
  const absl::MutexLock lock(&impl_->mutex);
  impl_->times[worker_id] = times;
}

absl::StatusOr<std::vector<SubmitResult>> GrpcLearnerClient::SubmitGroups(
    const std::string& worker_id, const std::vector<Group>& groups) {
  if (groups.empty()) return std::vector<SubmitResult>();
  Call call(&impl_->calls, impl_->options.submit_deadline);
  call.context()->set_wait_for_ready(true);
  if (const std::optional<SpanContext> rollout = impl_->RolloutOf(groups))
    SendTraceContext(*rollout, call.context());
  return SubmitCall(worker_id, groups, call.context()).Run(impl_->stub.get());
}

absl::StatusOr<std::shared_ptr<const WeightSnapshot>> GrpcLearnerClient::WaitForWeights(
    const std::string& worker_id, WeightVersion newer_than, absl::Duration timeout) {
  return impl_->watcher.WaitForNewer(worker_id, newer_than, timeout);
}

absl::Status GrpcLearnerClient::Deregister(const std::string& worker_id) {
  Call call(&impl_->calls, impl_->options.farewell_deadline);
  v1::DeregisterRequest request;
  request.set_worker_id(worker_id);
  v1::DeregisterResponse response;
  ClientSpan span(impl_->options.tracing, "Deregister", call.context());
  return span.End(
      FromGrpcStatus(impl_->stub->Deregister(call.context(), request, &response), "Deregister"));
}

}  // namespace tpo
