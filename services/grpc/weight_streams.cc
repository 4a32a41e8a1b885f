#include "services/grpc/weight_streams.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/grpc/message_limits.h"
#include "services/grpc/parse_message.h"
#include "services/grpc/weight_messages.h"
#include "tpo/v1/learner.pb.h"

namespace tpo {
namespace {

// One is what a worker needs; those before it may not have ended yet, where a connection was lost.
constexpr int kMaxStreamsPerWorker = 16;

}  // namespace

// One call. Writes are started by whoever finds that none is in progress: the publisher of a new
// version, or the end of the write before. No lock is held while gRPC is called.
class WeightStream : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit WeightStream(WeightStreams* streams)
      : streams_(streams), weights_(streams->weights_), record_(streams->calls_, "WatchWeights") {}

  void Begin(const absl::StatusOr<v1::WatchWeightsRequest>& request) {
    if (!request.ok()) return End(request.status());
    if (!streams_->Enter(request->worker_id())) {
      return End(absl::ResourceExhaustedError(
          absl::StrCat("the worker has ", kMaxStreamsPerWorker, " weight streams already")));
    }
    worker_id_ = request->worker_id();
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
    if (!worker_id_.empty()) {
      streams_->Tell(worker_id_, HowItEnded());
      streams_->Leave(worker_id_);
    }
    streams_->Remove(this);
    delete this;
  }

 private:
  WorkerStream HowItEnded() {
    absl::MutexLock lock(&mutex_);
    return end_.has_value() && absl::IsCancelled(*end_) ? WorkerStream::kLost
                                                        : WorkerStream::kClosed;
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
      const uint64_t size_bytes =
          std::min(streams_->frame_bytes_, current_->weights.bytes().size() - offset_bytes_);
      message_ = FrameMessage(current_, offset_bytes_, size_bytes);
      offset_bytes_ += size_bytes;
      if (RpcObserver* const observer = streams_->calls_->observer; observer != nullptr)
        observer->OnWeightBytesSent(size_bytes);
      return true;
    }
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
    message_ = ManifestMessage(*current_);
    return true;
  }

  WeightStreams* const streams_;
  WeightStore* const weights_;
  CallRecord record_;
  std::string worker_id_;  // empty: the request was refused
  uint64_t subscription_ = 0;
  // Belongs to the write in progress while writing_ is set.
  grpc::ByteBuffer message_;

  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  WeightVersion newest_sent_ ABSL_GUARDED_BY(mutex_) = -1;
  WeightVersion resume_version_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t resume_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // The version that is being sent, and how much of it has been.
  std::shared_ptr<const WeightSnapshot> current_ ABSL_GUARDED_BY(mutex_);
  uint64_t offset_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

WeightStreams::WeightStreams(WeightStore* weights, uint64_t frame_bytes, CallBook* calls,
                             std::function<absl::Status(const std::string&)> check_worker,
                             OnWorkerStream on_stream)
    : weights_(weights),
      frame_bytes_(frame_bytes),
      calls_(calls),
      check_worker_(std::move(check_worker)),
      on_stream_(std::move(on_stream)) {}

grpc::ServerWriteReactor<grpc::ByteBuffer>* WeightStreams::Open(const grpc::ByteBuffer& request) {
  auto* stream = new WeightStream(this);
  bool closed = false;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream);
    closed = closed_;
  }
  stream->Begin(closed ? absl::UnavailableError("the learner is shutting down")
                       : CheckRequest(request));
  return stream;
}

absl::StatusOr<v1::WatchWeightsRequest> WeightStreams::CheckRequest(
    const grpc::ByteBuffer& bytes) const {
  v1::WatchWeightsRequest request;
  TPO_RETURN_IF_ERROR(ParseMessage(bytes, kMaxSmallRequestBytes, &request));
  if (request.have_version() < -1) return absl::InvalidArgumentError("have_version: below -1");
  if (request.resume_version() < 0) return absl::InvalidArgumentError("resume_version: negative");
  TPO_RETURN_IF_ERROR(check_worker_(request.worker_id()));
  return request;
}

void WeightStreams::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  // A stream can't go away meanwhile: it would have to pass Remove.
  for (WeightStream* stream : streams_)
    stream->End(absl::UnavailableError("the learner is shutting down"));
}

bool WeightStreams::Enter(const std::string& worker_id) {
  absl::MutexLock lock(&mutex_);
  int& count = count_by_worker_[worker_id];
  if (count == kMaxStreamsPerWorker) return false;
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
