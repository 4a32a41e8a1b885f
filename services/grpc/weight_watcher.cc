#include "services/grpc/weight_watcher.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "services/grpc/call_spans.h"
#include "services/grpc/convert.h"
#include "services/grpc/status.h"
#include "spdlog/spdlog.h"
#include "tpo/v1/learner.grpc.pb.h"

namespace tpo {
namespace {

constexpr absl::Duration kInitialPause = absl::Milliseconds(50);
constexpr absl::Duration kMaximumPause = absl::Seconds(1);
// Every call has a deadline. A stream that reaches it is opened again at once.
constexpr absl::Duration kStreamDeadline = absl::Minutes(30);

absl::Span<const std::byte> AsBytes(const std::string& data) {
  return {reinterpret_cast<const std::byte*>(data.data()), data.size()};
}

// Whether a peer that ended a stream so would end every further one so.
bool IsForGood(const absl::Status& status, WeightSubscriber subscriber) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
      return true;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
      // A worker has a time after which it gives up, and until then does without newer weights: it
      // may be a proxy that has lost its way to the learner for a moment. A relay would ask for
      // ever.
      return subscriber == WeightSubscriber::kRelay;
    default:
      return false;
  }
}

}  // namespace

WeightWatcher::WeightWatcher(std::shared_ptr<grpc::Channel> channel,
                             const WeightWatcherOptions& options)
    : channel_(std::move(channel)), options_(options), backoff_(kInitialPause, kMaximumPause) {
  if (options_.store == nullptr) return;
  subscription_ = options_.store->Subscribe([this] { TakeFromStore(); });
  TakeFromStore();
}

WeightWatcher::~WeightWatcher() {
  if (options_.store != nullptr) options_.store->Unsubscribe(subscription_);
  Close();
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    thread.swap(thread_);
  }
  if (thread.joinable()) thread.join();
}

absl::StatusOr<std::shared_ptr<const WeightSnapshot>> WeightWatcher::WaitForNewer(
    const std::string& worker_id, WeightVersion newer_than, absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  if (worker_id_.empty()) worker_id_ = worker_id;
  StartThread();
  const auto is_done = [this, newer_than]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closed_ || ended_.has_value() || (newest_ != nullptr && newest_->version > newer_than);
  };
  const bool done = mutex_.AwaitWithTimeout(absl::Condition(&is_done), timeout);
  if (closed_) return absl::CancelledError("the client is closed");
  if (ended_.has_value()) return *ended_;
  if (done) return newest_;
  return absl::DeadlineExceededError(absl::StrCat(
      "no weight version above ", newer_than, " came in time",
      last_error_.ok() ? "" : absl::StrCat("; the stream broke: ", last_error_.ToString())));
}

void WeightWatcher::StartThread() {
  if (!closed_ && !thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

absl::StatusOr<PublishedWeights> WeightWatcher::WaitForOthers(const PublishedWeights& held) {
  absl::MutexLock lock(&mutex_);
  StartThread();
  const auto has_others = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return newest_ != nullptr && (held.snapshot == nullptr || incarnation_ != held.incarnation ||
                                  newest_->version != held.snapshot->version);
  };
  const auto is_done = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closed_ || ended_.has_value() || has_others();
  };
  mutex_.Await(absl::Condition(&is_done));
  if (closed_) return absl::CancelledError("the watcher is closed");
  if (has_others()) return PublishedWeights{incarnation_, newest_};
  if (absl::IsCancelled(*ended_)) return absl::OutOfRangeError(ended_->message());
  return *ended_;
}

void WeightWatcher::Resume() {
  absl::MutexLock lock(&mutex_);
  ended_.reset();
}

void WeightWatcher::Restart(const std::string& worker_id, const std::string& incarnation) {
  absl::MutexLock lock(&mutex_);
  worker_id_ = worker_id;
  incarnation_ = incarnation;
  ++generation_;
  ended_.reset();
  newest_ = options_.store != nullptr ? options_.store->Newest() : nullptr;
  if (stream_ != nullptr) stream_->TryCancel();
  if (options_.subscriber == WeightSubscriber::kPresence) StartThread();
}

void WeightWatcher::End(const std::string& worker_id, const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  if (worker_id != worker_id_) return;
  if (!ended_.has_value()) ended_ = why;
  if (stream_ != nullptr) stream_->TryCancel();
}

void WeightWatcher::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  if (stream_ != nullptr) stream_->TryCancel();
}

void WeightWatcher::Run() {
  while (true) {
    uint64_t generation = 0;
    {
      absl::MutexLock lock(&mutex_);
      const auto is_wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return closed_ || !ended_.has_value();
      };
      mutex_.Await(absl::Condition(&is_wanted));
      if (closed_) return;
      generation = generation_;
    }
    const StreamEnd stream = ReadStream();
    const absl::Status& status = stream.status;
    std::optional<absl::Status> ended;
    std::string worker_id;
    {
      absl::MutexLock lock(&mutex_);
      if (closed_) return;
      if (generation != generation_) continue;
      last_error_ = status;
      if (status.ok()) ended_ = absl::CancelledError("the learner's run is over");
      if (stream.from_peer && IsForGood(status, options_.subscriber)) ended_ = status;
      ended = ended_;
      worker_id = worker_id_;
    }
    if (ended.has_value()) {
      if (options_.on_end) options_.on_end(worker_id, *ended);
      continue;
    }
    // A stream's time is limited, so that new replicas get their share: that is no fault.
    if (absl::IsDeadlineExceeded(status)) continue;
    const absl::Duration pause = backoff_.Next();
    spdlog::warn("weight stream broke after {} bytes of version {}: {}; trying again in {}",
                 assembler_.held_bytes(), assembler_.held_version(), status.ToString(),
                 absl::FormatDuration(pause));
    Pause(generation, pause);
  }
}

WeightWatcher::StreamEnd WeightWatcher::ReadStream() {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kStreamDeadline));
  // The channel tries to connect on and on, with pauses of its own.
  context.set_wait_for_ready(true);
  v1::WatchWeightsRequest request;
  uint64_t generation = 0;
  WeightVersion newest = -1;
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return {.status = absl::CancelledError("closed")};
    stream_ = &context;
    generation = generation_;
    if (newest_ != nullptr) newest = newest_->version;
    request.set_worker_id(worker_id_);
    request.set_learner_incarnation(incarnation_);
  }
  request.set_relay(options_.subscriber == WeightSubscriber::kRelay);
  request.set_relay_name(options_.name);
  if (options_.subscriber == WeightSubscriber::kPresence)
    newest = std::numeric_limits<WeightVersion>::max();
  if (assembled_generation_ != generation) assembler_.Forget();
  assembled_generation_ = generation;
  request.set_have_version(newest);
  request.set_resume_version(assembler_.held_version());
  request.set_resume_bytes(assembler_.held_bytes());

  ClientSpan span(options_.tracing, "WatchWeights", &context);
  const auto stub = v1::LearnerService::NewStub(channel_);
  const auto reader = stub->WatchWeights(&context, request);
  absl::Status fault;
  v1::WatchWeightsResponse message;
  while (fault.ok() && reader->Read(&message)) {
    fault = AddMessage(message, &newest);
    if (fault.ok()) Observe(message);
    if (!fault.ok() || !assembler_.complete()) continue;
    absl::StatusOr<std::shared_ptr<const WeightSnapshot>> snapshot = assembler_.Take();
    fault = snapshot.status();
    if (!fault.ok()) continue;
    newest = (*snapshot)->version;
    if (options_.observer != nullptr)
      options_.observer->OnWeights(newest, absl::Now() - manifest_time_);
    backoff_.Reset();
    if (!Publish(generation, *std::move(snapshot))) fault = absl::CancelledError("restarted");
  }
  if (!fault.ok()) context.TryCancel();
  while (!fault.ok() && reader->Read(&message)) {
  }
  const grpc::Status status = reader->Finish();
  {
    absl::MutexLock lock(&mutex_);
    stream_ = nullptr;
  }
  if (!fault.ok()) return {.status = span.End(fault)};
  return {.status = span.End(FromGrpcStatus(status, "WatchWeights")), .from_peer = true};
}

absl::Status WeightWatcher::AddMessage(const v1::WatchWeightsResponse& message,
                                       WeightVersion* newest) {
  if (message.has_manifest()) {
    TPO_RETURN_IF_ERROR(CheckIncarnation(message.manifest().learner_incarnation(), newest));
    TPO_ASSIGN_OR_RETURN(WeightManifest manifest, FromProto(message.manifest()));
    return assembler_.Begin(std::move(manifest), *newest);
  }
  if (message.has_frame()) {
    const v1::WeightFrame& frame = message.frame();
    return assembler_.Add(frame.weight_version(), frame.offset_bytes(), AsBytes(frame.data()));
  }
  return absl::InvalidArgumentError("message: neither a manifest nor a frame");
}

absl::Status WeightWatcher::CheckIncarnation(const std::string& incarnation,
                                             WeightVersion* newest) {
  absl::MutexLock lock(&mutex_);
  if (incarnation == incarnation_) return absl::OkStatus();
  if (options_.subscriber == WeightSubscriber::kWorker) {
    if (incarnation.empty() || incarnation_.empty()) return absl::OkStatus();
    return absl::UnavailableError(
        "the weights are of another life of the learner than this worker is registered with");
  }
  // Versions of one life say nothing about those of another.
  assembler_.Forget();
  incarnation_ = incarnation;
  newest_ = nullptr;
  *newest = -1;
  return absl::OkStatus();
}

void WeightWatcher::Observe(const v1::WatchWeightsResponse& message) {
  if (message.has_manifest()) manifest_time_ = absl::Now();
  if (options_.observer != nullptr && message.has_frame())
    options_.observer->OnWeightBytesReceived(message.frame().data().size());
}

bool WeightWatcher::Publish(uint64_t generation, std::shared_ptr<const WeightSnapshot> snapshot) {
  absl::MutexLock lock(&mutex_);
  if (generation != generation_) return false;
  newest_ = std::move(snapshot);
  last_error_ = absl::OkStatus();
  return true;
}

void WeightWatcher::TakeFromStore() {
  std::shared_ptr<const WeightSnapshot> newest = options_.store->Newest();
  if (newest == nullptr) return;
  const WeightVersion version = newest->version;
  {
    absl::MutexLock lock(&mutex_);
    if (newest_ != nullptr && newest_->version >= version) return;
    // The old snapshot, if this was its last owner, is freed after the lock.
    newest_.swap(newest);
  }
  if (options_.observer != nullptr) options_.observer->OnWeights(version, absl::ZeroDuration());
}

void WeightWatcher::Pause(uint64_t generation, absl::Duration pause) {
  absl::MutexLock lock(&mutex_);
  const auto is_over = [this, generation]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closed_ || generation != generation_;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&is_over), pause);
}

}  // namespace tpo
