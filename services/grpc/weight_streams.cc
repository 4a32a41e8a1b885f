#include "services/grpc/weight_streams.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/grpc/access.h"
#include "services/grpc/access_processor.h"
#include "services/grpc/message_limits.h"
#include "services/grpc/parse_message.h"
#include "services/grpc/weight_messages.h"
#include "tpo/v1/learner.pb.h"

namespace tpo {
namespace {

// One is what a worker needs; those before it may not have ended yet, where a connection was lost.
constexpr int kMaxStreamsPerWorker = 16;
// Of all relays together, which have no ids: one a node.
constexpr int kMaxRelayStreams = 8192;

}  // namespace

// One call. Writes are started by whoever finds that none is in progress: the publisher of a new
// version, or the end of the write before. No lock is held while gRPC is called.
class WeightStream : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  WeightStream(WeightStreams* streams, grpc::CallbackServerContext* context)
      : streams_(streams),
        context_(context),
        weights_(streams->weights_),
        record_(streams->calls_, "WatchWeights", context) {}

  void Begin(const absl::StatusOr<v1::WatchWeightsRequest>& request) {
    if (!request.ok()) return End(request.status());
    if (!streams_->Enter(request->worker_id())) {
      return End(absl::ResourceExhaustedError(
          request->relay()
              ? absl::StrCat("there are ", kMaxRelayStreams, " streams of relays already")
              : absl::StrCat("the worker has ", kMaxStreamsPerWorker, " weight streams already")));
    }
    worker_id_ = request->worker_id();
    relay_ = request->relay();
    relay_name_ = request->relay_name();
    entered_ = true;
    if (RoleBook* const roles = RolesOfRelay(); roles != nullptr) roles->OnRelayOpened(relay_name_);
    streams_->Tell(worker_id_, WorkerStream::kOpened);
    {
      absl::MutexLock lock(&mutex_);
      newest_sent_ = request->have_version();
      resume_version_ = request->resume_version();
      resume_bytes_ = request->resume_bytes();
    }
    subscription_ = weights_->Subscribe([this] { Continue(); });
    Continue();
  }

  // Ends the stream with `status` as soon as no write is in progress; the first call decides.
  void End(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      if (!end_.has_value()) end_ = status;
    }
    Continue();
  }

  // The version that is kept in memory for this stream, and how much of it was sent.
  struct Holding {
    WeightVersion version = 0;
    uint64_t sent_bytes = 0;
  };
  std::optional<Holding> holding() {
    absl::MutexLock lock(&mutex_);
    if (finished_ || current_ == nullptr) return std::nullopt;
    return Holding{current_->version, offset_bytes_};
  }

  // Cancels the call: a write that the subscriber doesn't take would never end.
  void BreakOff() {
    {
      absl::MutexLock lock(&mutex_);
      if (finished_ || broken_off_) return;
      broken_off_ = true;
      if (!end_.has_value()) end_ = absl::CancelledError("broken off for a newer version");
    }
    context_->TryCancel();
    Continue();
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
    }
    if (!ok) return End(absl::CancelledError("the subscriber left"));
    Continue();
  }
  void OnCancel() override { End(absl::CancelledError("the subscriber left")); }
  void OnDone() override {
    if (subscription_ != 0) weights_->Unsubscribe(subscription_);
    if (entered_) {
      if (RoleBook* const roles = RolesOfRelay(); roles != nullptr)
        roles->OnRelayEnded(relay_name_);
      streams_->Tell(worker_id_, HowItEnded());
      streams_->Leave(worker_id_);
    }
    streams_->Remove(this);
    delete this;
  }

 private:
  // Where it is kept what becomes of the stream, if it is a relay's.
  RoleBook* RolesOfRelay() const { return relay_ ? streams_->options_.roles : nullptr; }

  WorkerStream HowItEnded() {
    absl::MutexLock lock(&mutex_);
    const bool lost = end_.has_value() && absl::IsCancelled(*end_) && !broken_off_;
    return lost ? WorkerStream::kLost : WorkerStream::kClosed;
  }

  // Starts the next write, or ends the stream, unless a write is in progress or there is nothing to
  // do.
  void Continue() {
    std::optional<absl::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      if (writing_ || finished_) return;
      if (!end_.has_value() && weights_->closed()) end_ = absl::OkStatus();
      if (end_.has_value()) {
        finished_ = true;
        end = end_;
      } else if (PrepareMessage()) {
        writing_ = true;
      } else {
        return;
      }
    }
    // Of all callers only the one that has just raised a flag gets here. After Finish the object
    // may be gone.
    if (end.has_value()) {
      Finish(record_.End(*end));
    } else {
      StartWrite(&message_);
    }
  }

  // Fills in message_; false: everything is sent.
  bool PrepareMessage() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (current_ != nullptr && offset_bytes_ < current_->weights.bytes().size()) {
      const uint64_t size_bytes = std::min(streams_->options_.frame_bytes,
                                           current_->weights.bytes().size() - offset_bytes_);
      message_ = FrameMessage(current_, offset_bytes_, size_bytes);
      offset_bytes_ += size_bytes;
      if (RpcObserver* const observer = streams_->calls_->observer; observer != nullptr)
        observer->OnWeightBytesSent(size_bytes);
      return true;
    }
    if (RoleBook* const roles = RolesOfRelay(); roles != nullptr && current_ != nullptr)
      roles->OnRelaySent(relay_name_, current_->version);
    current_ = weights_->Newest();
    if (current_ == nullptr || current_->version <= newest_sent_) {
      current_ = nullptr;
      return false;
    }
    newest_sent_ = current_->version;
    const bool resume =
        current_->version == resume_version_ && resume_bytes_ <= current_->weights.bytes().size();
    offset_bytes_ = resume ? resume_bytes_ : 0;
    resume_bytes_ = 0;
    message_ = ManifestMessage(*current_, streams_->options_.incarnation);
    return true;
  }

  WeightStreams* const streams_;
  grpc::CallbackServerContext* const context_;
  WeightStore* const weights_;
  CallRecord record_;
  bool entered_ = false;   // the request was taken
  std::string worker_id_;  // empty: a relay's
  bool relay_ = false;
  std::string relay_name_;
  uint64_t subscription_ = 0;
  // Belongs to the write in progress while writing_ is set.
  grpc::ByteBuffer message_;

  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_off_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  WeightVersion newest_sent_ ABSL_GUARDED_BY(mutex_) = -1;
  WeightVersion resume_version_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t resume_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // The version that is being sent, and how much of it has been.
  std::shared_ptr<const WeightSnapshot> current_ ABSL_GUARDED_BY(mutex_);
  uint64_t offset_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

WeightStreams::WeightStreams(WeightStore* weights, CallBook* calls, WeightStreamsOptions options)
    : weights_(weights), calls_(calls), options_(std::move(options)) {
  subscription_ = weights_->Subscribe([this] { BreakOffOutdated(); });
}

WeightStreams::~WeightStreams() { weights_->Unsubscribe(subscription_); }

void WeightStreams::BreakOffOutdated() {
  const std::shared_ptr<const WeightSnapshot> newest = weights_->Newest();
  if (newest == nullptr) return;
  // No stream goes away meanwhile: it would have to pass Remove.
  absl::MutexLock lock(&mutex_);
  std::map<WeightVersion, uint64_t> furthest;  // how much was sent to who got most
  std::map<WeightStream*, WeightVersion> held;
  for (WeightStream* stream : streams_) {
    const auto holding = stream->holding();
    if (!holding.has_value() || holding->version >= newest->version) continue;
    uint64_t& sent_bytes = furthest[holding->version];
    sent_bytes = std::max(sent_bytes, holding->sent_bytes);
    held[stream] = holding->version;
  }
  while (furthest.size() > kMaxOutdatedVersions) {
    const auto least =
        std::min_element(furthest.begin(), furthest.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    for (const auto& [stream, version] : held) {
      if (version == least->first) stream->BreakOff();
    }
    furthest.erase(least);
  }
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* WeightStreams::Open(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer& request) {
  auto* stream = new WeightStream(this, context);
  std::optional<absl::Status> closed;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream);
    closed = closed_;
  }
  if (closed.has_value()) {
    stream->End(*closed);
  } else {
    stream->Begin(CheckRequest(request, context->auth_context().get()));
  }
  return stream;
}

absl::StatusOr<v1::WatchWeightsRequest> WeightStreams::CheckRequest(
    const grpc::ByteBuffer& bytes, const grpc::AuthContext* caller) const {
  v1::WatchWeightsRequest request;
  TPO_RETURN_IF_ERROR(ParseMessage(bytes, kMaxSmallRequestBytes, &request));
  if (request.have_version() < -1) return absl::InvalidArgumentError("have_version: below -1");
  if (request.resume_version() < 0) return absl::InvalidArgumentError("resume_version: negative");
  if (!request.relay()) {
    TPO_RETURN_IF_ERROR(CheckName(request.worker_id(), "worker_id"));
  } else if (!request.worker_id().empty()) {
    return absl::InvalidArgumentError("worker_id: a relay has none");
  } else if (caller != nullptr) {
    TPO_RETURN_IF_ERROR(CheckMayBeRelay(RolesOf(*caller)));
  }
  if (!request.relay_name().empty())
    TPO_RETURN_IF_ERROR(CheckName(request.relay_name(), "relay_name"));
  TPO_RETURN_IF_ERROR(options_.check(request));
  if (!request.learner_incarnation().empty() &&
      request.learner_incarnation() != options_.incarnation) {
    // What it holds is of another life, in which the same versions may have been other weights.
    request.set_have_version(-1);
    request.set_resume_version(0);
    request.set_resume_bytes(0);
  }
  return request;
}

void WeightStreams::Close(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (!closed_.has_value()) closed_ = status;
  // A stream can't go away meanwhile: it would have to pass Remove.
  for (WeightStream* stream : streams_) stream->End(*closed_);
}

void WeightStreams::BreakOffAll() {
  absl::MutexLock lock(&mutex_);
  for (WeightStream* stream : streams_) stream->BreakOff();
}

bool WeightStreams::idle() const {
  absl::MutexLock lock(&mutex_);
  return streams_.empty();
}

size_t WeightStreams::size() const {
  absl::MutexLock lock(&mutex_);
  return streams_.size();
}

bool WeightStreams::Enter(const std::string& worker_id) {
  absl::MutexLock lock(&mutex_);
  int& count = count_by_worker_[worker_id];
  if (count == (worker_id.empty() ? kMaxRelayStreams : kMaxStreamsPerWorker)) return false;
  ++count;
  return true;
}

void WeightStreams::Leave(const std::string& worker_id) {
  absl::MutexLock lock(&mutex_);
  const auto found = count_by_worker_.find(worker_id);
  if (--found->second == 0) count_by_worker_.erase(found);
}

void WeightStreams::Remove(WeightStream* stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

}  // namespace tpo
