#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/admin_api.h"
#include "services/grpc/bounded_executor.h"
#include "services/grpc/handler.h"
#include "services/grpc/learner_service.h"
#include "tpo/v1/learner.grpc.pb.h"

namespace tpo {
namespace {

using Methods = v1::AdminService::WithRawCallbackMethod_Checkpoint<
    v1::AdminService::WithRawCallbackMethod_Drain<v1::AdminService::Service>>;

// Operators who wait for a checkpoint at the same time.
constexpr size_t kMaxWaiting = 8;

class AdminHandler : public Methods {
 public:
  AdminHandler(AdminApi* admin, RpcObserver* observer, std::function<void()> before_drain,
               SpanSink* spans)
      : admin_(admin),
        before_drain_(std::move(before_drain)),
        calls_{.observer = observer, .active = {}, .spans = spans} {}

  bool WaitUntilIdle(absl::Duration timeout) { return calls_.active.WaitUntilNone(timeout); }

  grpc::ServerUnaryReactor* Checkpoint(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* /*request: it is empty*/,
                                       grpc::ByteBuffer* response_bytes) override {
    const CallRecord record(&calls_, "Checkpoint", context);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const bool accepted = executor_.TryRun([this, record, reactor, response_bytes] {
      const absl::StatusOr<CheckpointInfo> info = admin_->Checkpoint();
      if (info.ok()) {
        v1::CheckpointResponse response;
        response.set_path(info->path);
        response.set_step(info->step);
        *response_bytes = SerializeMessage(response);
      }
      reactor->Finish(record.End(info.status()));
    });
    if (!accepted)
      reactor->Finish(
          record.End(absl::ResourceExhaustedError("too many checkpoints are being waited for")));
    return reactor;
  }

  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request_bytes,
                                  grpc::ByteBuffer* response_bytes) override {
    const auto handle = [this](const v1::DrainRequest&, v1::DrainResponse*) -> absl::Status {
      if (before_drain_) before_drain_();
      admin_->Drain();
      return absl::OkStatus();
    };
    return Answer<v1::DrainRequest, v1::DrainResponse>(context, &calls_, "Drain", *request_bytes,
                                                       response_bytes, handle);
  }

 private:
  AdminApi* const admin_;
  const std::function<void()> before_drain_;
  CallBook calls_;
  BoundedExecutor executor_{1, kMaxWaiting};
};

class AdminRpcService : public RpcService {
 public:
  AdminRpcService(AdminApi* admin, RpcObserver* observer, std::function<void()> before_drain,
                  SpanSink* spans)
      : handler_(admin, observer, std::move(before_drain), spans) {}

  std::string name() const override { return v1::AdminService::service_full_name(); }
  grpc::Service* handler() override { return &handler_; }
  bool WaitUntilIdle(absl::Duration timeout) override { return handler_.WaitUntilIdle(timeout); }

 private:
  AdminHandler handler_;
};

}  // namespace

std::unique_ptr<RpcService> MakeAdminService(AdminApi* admin, RpcObserver* observer,
                                             std::function<void()> before_drain, SpanSink* spans) {
  return std::make_unique<AdminRpcService>(admin, observer, std::move(before_drain), spans);
}

}  // namespace tpo
