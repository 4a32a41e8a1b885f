#include "services/tracing/otlp_exporter.h"

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "core/version.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "grpcpp/support/stub_options.h"
#include "services/grpc/channel.h"
#include "services/grpc/status.h"
#include "services/tracing/otlp_encoding.h"
#include "spdlog/spdlog.h"

namespace tpo {
namespace {

constexpr char kExport[] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

}  // namespace

class OtlpExporter::Impl {
 public:
  Impl(const Options& options, const std::shared_ptr<grpc::Channel>& channel)
      : options_(options), stub_(channel), thread_([this] { Run(); }) {}

  ~Impl() {
    {
      const absl::MutexLock lock(&mutex_);
      closed_ = true;
      give_up_ = absl::Now() + options_.farewell;
    }
    thread_.join();
  }

  void Add(Span span) {
    const absl::MutexLock lock(&mutex_);
    if (closed_ || waiting_.size() >= options_.max_waiting) {
      ++counts_.dropped;
      return;
    }
    waiting_.push_back(std::move(span));
  }

  SpanCounts counts() const {
    const absl::MutexLock lock(&mutex_);
    return counts_;
  }

 private:
  void Run() {
    bool closed = false;
    while (!closed) {
      std::vector<Span> batch;
      {
        const absl::MutexLock lock(&mutex_);
        const auto full = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return closed_ || waiting_.size() >= options_.max_batch;
        };
        mutex_.AwaitWithTimeout(absl::Condition(&full), options_.interval);
        closed = closed_;
        batch.swap(waiting_);
      }
      while (!batch.empty()) SendBeginning(&batch);
    }
  }

  // Sends the first spans of `batch` and takes them out.
  void SendBeginning(std::vector<Span>* batch) {
    const size_t count = std::min(batch->size(), options_.max_batch);
    const auto end = batch->begin() + static_cast<std::ptrdiff_t>(count);
    const std::vector<Span> sent(std::make_move_iterator(batch->begin()),
                                 std::make_move_iterator(end));
    batch->erase(batch->begin(), end);
    const absl::Status status = Send(sent, CallDeadline());
    const absl::MutexLock lock(&mutex_);
    (status.ok() ? counts_.sent : counts_.dropped) += count;
    if (!status.ok() && !failing_)
      spdlog::warn("traces can't be sent to {}: {}", options_.endpoint, status.ToString());
    failing_ = !status.ok();
  }

  absl::Time CallDeadline() const {
    const absl::MutexLock lock(&mutex_);
    return std::min(absl::Now() + options_.call_deadline, give_up_);
  }

  absl::Status Send(const std::vector<Span>& spans, absl::Time deadline) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    const grpc::Slice slice(EncodeOtlpRequest(options_.service, options_.version, spans));
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::Status status;
    absl::Notification done;
    stub_.UnaryCall(&context, kExport, grpc::StubOptions(), &request, &response,
                    [&](grpc::Status ended) {
                      status = std::move(ended);
                      done.Notify();
                    });
    done.WaitForNotification();
    return FromGrpcStatus(status, "Export");
  }

  const Options options_;
  grpc::GenericStub stub_;
  mutable absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time give_up_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool failing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Span> waiting_ ABSL_GUARDED_BY(mutex_);
  SpanCounts counts_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<OtlpExporter>> OtlpExporter::Start(const Options& options) {
  TPO_ASSIGN_OR_RETURN(auto channel,
                       MakeOtherChannel({.address = options.endpoint,
                                         .allow_remote_plaintext = options.allow_remote_plaintext,
                                         .tls = options.tls}));
  return std::unique_ptr<OtlpExporter>(
      new OtlpExporter(std::make_unique<Impl>(options, std::move(channel))));
}

OtlpExporter::OtlpExporter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OtlpExporter::~OtlpExporter() = default;

absl::StatusOr<std::unique_ptr<OtlpExporter>> StartTraces(const std::string& endpoint,
                                                          const std::string& ca,
                                                          bool allow_remote_plaintext,
                                                          const std::string& program) {
  if (endpoint.empty()) return std::unique_ptr<OtlpExporter>();
  OtlpExporter::Options options;
  options.endpoint = endpoint;
  options.allow_remote_plaintext = allow_remote_plaintext;
  if (!ca.empty()) options.tls.emplace().peer_authority = ca;
  options.service = program;
  options.version = std::string(Version());
  return OtlpExporter::Start(options);
}

void OtlpExporter::Add(Span span) { impl_->Add(std::move(span)); }
SpanCounts OtlpExporter::counts() const { return impl_->counts(); }

}  // namespace tpo
